"""Members are alone among others; the paper's layers have TensorFlow's conventions."""

from itertools import product

import pytest
import torch
from torch.nn import functional as F

from egbad.nn.generators import MemberGenerators
from egbad.nn.layers import BatchNorm, Conv, Dropout, Linear, normal_002, without_tracking, xavier


def moved(layer, x):
    """Answers and gradients of a layer for a loss that tells rows and outputs apart."""
    x = x.clone().requires_grad_()
    y = layer(x)
    weights = torch.cos(torch.arange(y.shape[2], dtype=y.dtype))
    return [y.detach(), *torch.autograd.grad((y * weights).tanh().sum(), [x, layer.weight, layer.bias])]


WIDTHS = (1, 2, 3, 5, 7, 9, 11, 13, 16, 21, 121, 128)


@pytest.mark.parametrize(("a", "b"), [*product(WIDTHS, WIDTHS), (1024, 32), (32, 600)])
def test_a_linear_member_has_the_same_bits_alone_and_among_others(a, b):
    among = Linear(MemberGenerators([3, 5, 7]), a, b)
    x = torch.randn(3, 50, a, generator=torch.Generator().manual_seed(0))
    for k, seed in enumerate((3, 5, 7)):
        alone = moved(Linear(MemberGenerators([seed]), a, b), x[k : k + 1])
        assert all(torch.equal(one[0], all_[k]) for one, all_ in zip(alone, moved(among, x), strict=True))


@pytest.mark.parametrize(("a", "b"), [*product(WIDTHS, WIDTHS), (600, 32), (32, 600)])
def test_a_row_has_the_same_bits_in_any_place(a, b):
    layer = Linear(MemberGenerators([3]), a, b)
    x = torch.randn(1, 256, a, generator=torch.Generator().manual_seed(0))
    order = torch.randperm(256, generator=torch.Generator().manual_seed(1))
    y, gradient, *_ = moved(layer, x)
    there, gradient_there, *_ = moved(layer, x[:, order])
    assert torch.equal(there, y[:, order]) and torch.equal(gradient_there, gradient[:, order])


def test_a_linear_layer_is_torchs():
    layer = Linear(MemberGenerators([3]), 5, 3)
    x = torch.randn(1, 4, 5, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(layer(x)[0], F.linear(x[0], layer.weight[0].T, layer.bias[0, 0]), atol=1e-6)


def test_a_convolution_is_torchs_on_each_member():
    conv = Conv(MemberGenerators([1, 2]), 3, 8, 4, 2, 1)
    x = torch.randn(2, 5, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    assert torch.equal(conv(x)[1], F.conv2d(x[1], conv.weight[1], conv.bias[1], stride=2, padding=1))


def test_initial_weights_have_the_papers_moments():
    generators = MemberGenerators([0])
    w = xavier(generators, (300, 200), 300, 200)
    assert w.abs().max() <= (6 / 500) ** 0.5
    assert w.std().item() == pytest.approx((2 / 500) ** 0.5, rel=0.02)
    assert normal_002(generators, (300, 200), 300, 200).std().item() == pytest.approx(0.02, rel=0.02)


def test_batch_norm_is_tensorflows():
    norm = BatchNorm(MemberGenerators([0]), 3)
    x = torch.randn(1, 64, 3, generator=torch.Generator().manual_seed(0)) * 4 + 2
    out = norm(x)
    mean, var = x.mean(1), x.var(1, unbiased=False)
    assert torch.allclose(out, (x - mean) / (var + 1e-3).sqrt(), atol=1e-5)
    assert torch.allclose(norm.running_mean, 0.01 * mean, atol=1e-6)


def test_without_tracking_keeps_no_moments():
    norm = BatchNorm(MemberGenerators([0]), 3)
    with without_tracking(norm):
        norm(torch.ones(1, 8, 3))
    assert norm.running_mean.abs().sum() == 0
    norm(torch.ones(1, 8, 3))
    assert norm.running_mean.abs().sum() > 0


def test_dropout_keeps_the_mean_drops_the_share_and_rests_in_eval():
    drop = Dropout(MemberGenerators([0]), 0.2)
    x = torch.ones(1, 100, 1000)
    out = drop(x)
    assert (out == 0).float().mean().item() == pytest.approx(0.2, abs=0.01)
    assert out.mean().item() == pytest.approx(1, abs=0.02)
    assert torch.equal(drop.eval()(x), x)
