"""Members are alone among others; the paper's layers have TensorFlow's conventions."""

from itertools import product

import pytest
import torch
from torch.nn import functional as F

from egbad import layers
from egbad.draws import Draws
from egbad.layers import BatchNorm, Conv, Dropout, Linear, normal_002, once, roomy, without_tracking, xavier


def moved(layer, x):
    """Answers and gradients of a layer for a loss that tells rows and outputs apart."""
    x = x.clone().requires_grad_()
    y = layer(x)
    weights = torch.cos(torch.arange(y.shape[2], dtype=y.dtype))
    return [y.detach(), *torch.autograd.grad((y * weights).tanh().sum(), [x, layer.weight, layer.bias])]


WIDTHS = (1, 2, 3, 5, 7, 9, 11, 13, 16, 21, 121, 128)


@pytest.mark.parametrize(("a", "b"), [*product(WIDTHS, WIDTHS), (1024, 32), (32, 600)])
def test_a_linear_member_has_the_same_bits_alone_and_among_others(a, b):
    among = Linear(Draws([3, 5, 7]), a, b)
    x = torch.randn(3, 50, a, generator=torch.Generator().manual_seed(0))
    for k, seed in enumerate((3, 5, 7)):
        alone = moved(Linear(Draws([seed]), a, b), x[k : k + 1])
        assert all(torch.equal(one[0], all_[k]) for one, all_ in zip(alone, moved(among, x), strict=True))


@pytest.mark.parametrize(("a", "b"), [*product(WIDTHS, WIDTHS), (600, 32), (32, 600)])
def test_a_row_has_the_same_bits_in_any_place(a, b):
    layer = Linear(Draws([3]), a, b)
    x = torch.randn(1, 256, a, generator=torch.Generator().manual_seed(0))
    order = torch.randperm(256, generator=torch.Generator().manual_seed(1))
    y, gradient, *_ = moved(layer, x)
    there, gradient_there, *_ = moved(layer, x[:, order])
    assert torch.equal(there, y[:, order]) and torch.equal(gradient_there, gradient[:, order])


@pytest.mark.parametrize("gradients", [False, True])
def test_rows_with_room_behind_them_are_the_same_rows_to_every_product(gradients):
    draws = Draws([1, 2])
    first, second, x = Linear(draws, 21, 35), Linear(draws, 35, 4), draws.normal(5, 21)
    with torch.set_grad_enabled(gradients):
        room = roomy(x)
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
        assert torch.equal(once(work, x), F.pad(x, (0, 2)))
    assert seen == [1, 4, 4]


def test_a_linear_layer_is_torchs():
    layer = Linear(Draws([3]), 5, 3)
    x = torch.randn(1, 4, 5, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(layer(x)[0], F.linear(x[0], layer.weight[0].T, layer.bias[0, 0]), atol=1e-6)


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(4, 2, 1), (3, 1, 1), (3, 2, 0), (5, 2, 1)])
def test_products_of_patches_are_the_convolution(kernel, stride, padding):
    draws = Draws([1, 2])
    conv, x = Conv(draws, 3, 8, kernel, stride, padding), draws.normal(12, 3, 17, 14).requires_grad_()
    with torch.no_grad():
        conv.bias.normal_(generator=torch.Generator().manual_seed(0))
    one, other = conv(x), conv.by_patches(x)
    torch.testing.assert_close(other, one)
    learned = (torch.autograd.grad((y**2).mean(), (*conv.parameters(), x)) for y in (one, other))
    for a, b in zip(*learned, strict=True):
        torch.testing.assert_close(b, a, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("starts", [1, 1024])
@pytest.mark.parametrize(("a", "b"), [(128, 64), (121, 33), (32, 16), (300, 200)])
def test_many_rows_have_the_bits_of_a_product_and_of_few(a, b, starts):
    numbers = torch.Generator().manual_seed(0)
    start, x, weight = (torch.randn(2, *shape, generator=numbers) for shape in ((starts, b), (1024, a), (a, b)))
    learning = layers.affine(start, x, weight)
    with torch.no_grad():
        scoring = layers.affine(start, x, weight)
    torch.testing.assert_close(scoring, torch.baddbmm(start, x, weight), rtol=1e-4, atol=1e-4)
    assert torch.equal(scoring, learning)


@pytest.mark.parametrize("starts", [1, 512])
def test_a_product_by_convolution_is_a_product(starts):
    numbers = torch.Generator().manual_seed(0)
    start, x, weight = (torch.randn(shape, generator=numbers) for shape in ((starts, 50), (512, 300), (300, 50)))
    torch.testing.assert_close(layers._by_convolution(start, x, weight), start + x @ weight, rtol=1e-4, atol=1e-4)


def test_a_convolution_is_torchs_on_each_member():
    conv = Conv(Draws([1, 2]), 3, 8, 4, 2, 1)
    x = torch.randn(2, 5, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    assert torch.equal(conv(x)[1], F.conv2d(x[1], conv.weight[1], conv.bias[1], stride=2, padding=1))


def test_initial_weights_have_the_papers_moments():
    draws = Draws([0])
    w = xavier(draws, (300, 200), 300, 200)
    assert w.abs().max() <= (6 / 500) ** 0.5
    assert w.std().item() == pytest.approx((2 / 500) ** 0.5, rel=0.02)
    assert normal_002(draws, (300, 200), 300, 200).std().item() == pytest.approx(0.02, rel=0.02)


def test_batch_norm_is_tensorflows():
    norm = BatchNorm(Draws([0]), 3)
    x = torch.randn(1, 64, 3, generator=torch.Generator().manual_seed(0)) * 4 + 2
    out = norm(x)
    mean, var = x.mean(1), x.var(1, unbiased=False)
    assert torch.allclose(out, (x - mean) / (var + 1e-3).sqrt(), atol=1e-5)
    assert torch.allclose(norm.running_mean, 0.01 * mean, atol=1e-6)


def test_without_tracking_keeps_no_moments():
    norm = BatchNorm(Draws([0]), 3)
    with without_tracking(norm):
        norm(torch.ones(1, 8, 3))
    assert norm.running_mean.abs().sum() == 0
    norm(torch.ones(1, 8, 3))
    assert norm.running_mean.abs().sum() > 0


def test_dropout_keeps_the_mean_drops_the_share_and_rests_in_eval():
    drop = Dropout(Draws([0]), 0.2)
    x = torch.ones(1, 100, 1000)
    out = drop(x)
    assert (out == 0).float().mean().item() == pytest.approx(0.2, abs=0.01)
    assert out.mean().item() == pytest.approx(1, abs=0.02)
    assert torch.equal(drop.eval()(x), x)
