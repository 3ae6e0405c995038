"""What makes a product does not show: neither by members, nor by rows, nor by the library that was asked."""

import pytest
import torch
from torch.nn import functional as F

from egbad.nn import ops
from egbad.nn.generators import MemberGenerators
from egbad.nn.layers import Conv, Linear
from egbad.nn.ops import broadcast_shared, pad_rows


@pytest.mark.parametrize("gradients", [False, True])
def test_rows_with_room_behind_them_are_the_same_rows_to_every_product(gradients):
    generators = MemberGenerators([1, 2])
    first, second, x = Linear(generators, 21, 35), Linear(generators, 35, 4), generators.normal(5, 21)
    with torch.set_grad_enabled(gradients):
        room = pad_rows(x)
        assert torch.equal(room, x) and torch.equal(first(room), first(x))
        h = torch.nn.functional.leaky_relu(first(room), 0.1, inplace=not gradients)
        assert torch.equal(second(h), second(h.clone()))
        if gradients:
            one, other = (
                torch.autograd.grad(second(f).square().sum(), [*first.parameters(), *second.parameters()])
                for f in (first(room), first(x) * 1)
            )
            assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_what_all_members_have_is_made_once_and_what_each_has_for_each():
    seen = []

    def work(x):
        seen.append(len(x))
        return F.pad(x, (0, 2))

    same, own = torch.randn(1, 5, 3).expand(4, 5, 3), torch.randn(4, 5, 3)
    for x in (same, own, same.clone().requires_grad_()):
        assert torch.equal(broadcast_shared(work, x), F.pad(x, (0, 2)))
    assert seen == [1, 4, 4]


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(4, 2, 1), (3, 1, 1), (3, 2, 0), (5, 2, 1)])
def test_products_of_patches_are_the_convolution(kernel, stride, padding):
    generators = MemberGenerators([1, 2])
    conv, x = Conv(generators, 3, 8, kernel, stride, padding), generators.normal(12, 3, 17, 14).requires_grad_()
    with torch.no_grad():
        conv.bias.normal_(generator=torch.Generator().manual_seed(0))
    one, other = conv(x), ops.by_patches(x, conv.weight, conv.bias, stride, padding)
    torch.testing.assert_close(other, one)
    learned = (torch.autograd.grad((y**2).mean(), (*conv.parameters(), x)) for y in (one, other))
    for a, b in zip(*learned, strict=True):
        torch.testing.assert_close(b, a, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("starts", [1, 1024])
@pytest.mark.parametrize(("a", "b"), [(128, 64), (121, 33), (32, 16), (300, 200)])
def test_many_rows_have_the_bits_of_a_product_and_of_few(a, b, starts):
    numbers = torch.Generator().manual_seed(0)
    start, x, weight = (torch.randn(2, *shape, generator=numbers) for shape in ((starts, b), (1024, a), (a, b)))
    learning = ops.affine(start, x, weight)
    with torch.no_grad():
        scoring = ops.affine(start, x, weight)
    torch.testing.assert_close(scoring, torch.baddbmm(start, x, weight), rtol=1e-4, atol=1e-4)
    assert torch.equal(scoring, learning)


@pytest.mark.parametrize("starts", [1, 512])
def test_a_product_by_convolution_is_a_product(starts):
    numbers = torch.Generator().manual_seed(0)
    start, x, weight = (torch.randn(shape, generator=numbers) for shape in ((starts, 50), (512, 300), (300, 50)))
    torch.testing.assert_close(ops._by_convolution(start, x, weight), start + x @ weight, rtol=1e-4, atol=1e-4)
