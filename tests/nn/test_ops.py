"""Tests of `egbad.nn.ops`."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from egbad.nn import ops
from egbad.nn.generators import MemberGenerators
from egbad.nn.layers import Conv, Linear


@pytest.mark.parametrize(("n", "expected"), [(0, 0), (1, 16), (16, 16), (17, 32), (121, 128)])
def test_sizes_are_padded_to_whole_vectors(n, expected):
    assert ops.padded_size(n) == expected


def test_padded_rows_give_the_bits_of_rows_that_each_layer_pads():
    generators = MemberGenerators([1, 2])
    layer, x = Linear(generators, 21, 35), generators.normal(5, 21)
    padded = ops.pad_rows(x)
    assert padded.shape == (2, 5, 32) and torch.equal(padded[..., :21], x) and not padded[..., 21:].any()
    assert torch.equal(layer(padded), layer(x))
    images = generators.normal(5, 1, 7, 7)
    assert ops.pad_rows(images) is images


@pytest.mark.parametrize("gradients", [False, True])
def test_a_view_of_padded_rows_gives_the_bits_of_contiguous_rows(gradients):
    generators = MemberGenerators([1, 2])
    first, second, x = Linear(generators, 21, 35), Linear(generators, 35, 4), generators.normal(5, 21)
    with torch.set_grad_enabled(gradients):
        padded = F.pad(x, (0, 11))
        assert torch.equal(first(padded[..., :21]), first(x))
        h = F.leaky_relu(first(x), 0.1, inplace=not gradients)
        assert torch.equal(second(h), second(h.contiguous()))


def test_rows_that_all_members_share_have_the_bits_of_copies_for_each_member():
    generators = MemberGenerators([1, 2, 3])
    layer, x = Linear(generators, 21, 35), generators.normal(5, 21)[:1]
    assert torch.equal(layer(x.expand(3, 5, 21)), layer(x.repeat(3, 1, 1)))


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(4, 2, 1), (3, 1, 1), (3, 2, 0), (5, 2, 1)])
def test_convolution_by_patches_equals_the_convolution(kernel, stride, padding):
    generators = MemberGenerators([1, 2])
    conv, x = Conv(generators, 3, 8, kernel, stride, padding), generators.normal(12, 3, 17, 14).requires_grad_()
    with torch.no_grad():
        conv.bias.normal_(generator=torch.Generator().manual_seed(0))
    by_convolution, by_patches = conv(x), ops.convolution_by_patches(x, conv.weight, conv.bias, stride, padding)
    torch.testing.assert_close(by_patches, by_convolution)
    gradients = (torch.autograd.grad((y**2).mean(), (*conv.parameters(), x)) for y in (by_convolution, by_patches))
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(b, a, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("n_bias_rows", [1, 1024])
@pytest.mark.parametrize(("a", "b"), [(128, 64), (121, 33), (32, 16), (300, 200)])
def test_inference_on_many_rows_has_the_bits_of_training(a, b, n_bias_rows):
    generator = torch.Generator().manual_seed(0)
    bias, x, weight = (torch.randn(2, *shape, generator=generator) for shape in ((n_bias_rows, b), (1024, a), (a, b)))
    with_gradients = ops.affine(bias, x, weight)
    with torch.no_grad():
        without_gradients = ops.affine(bias, x, weight)
    torch.testing.assert_close(without_gradients, torch.baddbmm(bias, x, weight), rtol=1e-4, atol=1e-4)
    assert torch.equal(without_gradients, with_gradients)


@pytest.mark.parametrize("n_bias_rows", [1, 512])
def test_affine_by_convolution_is_a_product(n_bias_rows):
    generator = torch.Generator().manual_seed(0)
    shapes = ((n_bias_rows, 50), (512, 300), (300, 50))
    bias, x, weight = (torch.randn(shape, generator=generator) for shape in shapes)
    torch.testing.assert_close(ops.affine_by_convolution(bias, x, weight), bias + x @ weight, rtol=1e-4, atol=1e-4)


def test_the_kernel_of_large_products_is_decided_once_and_matches_the_product():
    width = ops.max_convolution_inputs()
    assert width % ops.VECTOR_SIZE == 0 and width == ops.max_convolution_inputs()
    assert width == 0 or ops.convolution_matches_product(width)


@pytest.mark.parametrize(("n", "n_other", "m"), [(7, 40, 5), (3, 3, 121), (16, 32, 64)])
def test_scalar_products_have_the_same_bits_in_any_position(n, n_other, m):
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(2, rows, m, generator=generator) for rows in (n, n_other))
    found = ops.scalar_products(a, b)
    torch.testing.assert_close(found, a @ b.transpose(1, 2))
    assert torch.equal(ops.scalar_products(a.flip(1), b.flip(1)), found.flip(1, 2))


@settings(max_examples=60, deadline=None)
@given(shape=st.lists(st.integers(1, 130), min_size=1, max_size=2), seed=st.integers(0, 99))
def test_softplus_of_a_member_has_the_same_bits_alone_and_among_others(shape, seed):
    x, weights = 3 * torch.randn(2, 3, *shape, generator=torch.Generator().manual_seed(seed))

    def value_and_gradient(t, w):
        t = t.clone().requires_grad_()
        y = ops.softplus(t)
        return y.detach(), *torch.autograd.grad((y * w).sum(), t)

    among = value_and_gradient(x, weights)
    torch.testing.assert_close(among[0], F.softplus(x))
    for k in range(3):
        alone = value_and_gradient(x[k : k + 1], weights[k : k + 1])
        assert all(torch.equal(a[0], b[k]) for a, b in zip(alone, among, strict=True))


def test_members_are_merged_into_channels_and_back():
    x = torch.randn(3, 2, 4, 5, 5, generator=torch.Generator().manual_seed(0))
    merged = ops.merge_members(x)
    assert merged.shape == (2, 12, 5, 5) and torch.equal(merged[:, 4:8], x[1])
    assert torch.equal(ops.unmerge_members(merged, 3), x)
