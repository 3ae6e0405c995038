"""Tests of `egbad.nn.layers`."""

from itertools import product

import pytest
import torch
from torch.nn import functional as F

from egbad.nn.generators import MemberGenerators, ZeroGenerators
from egbad.nn.layers import (
    BatchNorm,
    Conv,
    Crop,
    Dropout,
    LeakyReLU,
    Linear,
    PadSame,
    ReLU,
    Reshape,
    frozen,
    normal_002,
    spectral_norm,
    without_tracking,
    xavier,
)


def outputs_and_gradients(layer, x):
    """Outputs and gradients of a layer, for a loss that distinguishes rows and outputs."""
    x = x.clone().requires_grad_()
    y = layer(x)
    weights = torch.cos(torch.arange(y.shape[2], dtype=y.dtype))
    return [y.detach(), *torch.autograd.grad((y * weights).tanh().sum(), [x, layer.weight, layer.bias])]


WIDTHS = (1, 2, 3, 5, 7, 9, 11, 13, 16, 21, 121, 128)


@pytest.mark.parametrize(("a", "b"), [*product(WIDTHS, WIDTHS), (1024, 32), (32, 600)])
def test_a_linear_member_has_the_same_bits_alone_and_in_an_ensemble(a, b):
    ensemble = Linear(MemberGenerators([3, 5, 7]), a, b)
    x = torch.randn(3, 50, a, generator=torch.Generator().manual_seed(0))
    for k, seed in enumerate((3, 5, 7)):
        alone = outputs_and_gradients(Linear(MemberGenerators([seed]), a, b), x[k : k + 1])
        assert all(
            torch.equal(one[0], all_[k]) for one, all_ in zip(alone, outputs_and_gradients(ensemble, x), strict=True)
        )


@pytest.mark.parametrize(("a", "b"), [*product(WIDTHS, WIDTHS), (600, 32), (32, 600)])
def test_a_row_has_the_same_bits_in_any_position(a, b):
    layer = Linear(MemberGenerators([3]), a, b)
    x = torch.randn(1, 256, a, generator=torch.Generator().manual_seed(0))
    order = torch.randperm(256, generator=torch.Generator().manual_seed(1))
    y, gradient, *_ = outputs_and_gradients(layer, x)
    shuffled, shuffled_gradient, *_ = outputs_and_gradients(layer, x[:, order])
    assert torch.equal(shuffled, y[:, order]) and torch.equal(shuffled_gradient, gradient[:, order])


def test_a_linear_layer_equals_torchs():
    layer = Linear(MemberGenerators([3]), 5, 3)
    x = torch.randn(1, 4, 5, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(layer(x)[0], F.linear(x[0], layer.weight[0].T, layer.bias[0, 0]), atol=1e-6)


def test_a_convolution_equals_torchs_for_each_member():
    conv = Conv(MemberGenerators([1, 2]), 3, 8, 4, 2, 1)
    x = torch.randn(2, 5, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    assert torch.equal(conv(x)[1], F.conv2d(x[1], conv.weight[1], conv.bias[1], stride=2, padding=1))


def test_initial_weights_have_the_moments_of_the_paper():
    generators = MemberGenerators([0])
    w = xavier(generators, (300, 200), 300, 200)
    assert w.abs().max() <= (6 / 500) ** 0.5
    assert w.std().item() == pytest.approx((2 / 500) ** 0.5, rel=0.02)
    assert normal_002(generators, (300, 200), 300, 200).std().item() == pytest.approx(0.02, rel=0.02)


def test_batch_norm_has_the_constants_of_tensorflow():
    norm = BatchNorm(MemberGenerators([0]), 3)
    x = torch.randn(1, 64, 3, generator=torch.Generator().manual_seed(0)) * 4 + 2
    out = norm(x)
    mean, var = x.mean(1), x.var(1, unbiased=False)
    assert torch.allclose(out, (x - mean) / (var + 1e-3).sqrt(), atol=1e-5)
    assert torch.allclose(norm.running_mean, 0.01 * mean, atol=1e-6)


def test_without_tracking_leaves_the_running_moments_unchanged():
    norm = BatchNorm(MemberGenerators([0]), 3)
    with without_tracking(norm):
        norm(torch.ones(1, 8, 3))
    assert norm.running_mean.abs().sum() == 0
    norm(torch.ones(1, 8, 3))
    assert norm.running_mean.abs().sum() > 0


def test_dropout_drops_the_share_keeps_the_mean_and_does_nothing_in_frozen():
    drop = Dropout(MemberGenerators([0]), 0.2)
    x = torch.ones(1, 100, 1000)
    out = drop(x)
    assert (out == 0).float().mean().item() == pytest.approx(0.2, abs=0.01)
    assert out.mean().item() == pytest.approx(1, abs=0.02)
    assert torch.equal(drop.eval()(x), x)


def test_modes_are_restored_after_frozen():
    training, scoring = Dropout(MemberGenerators([0]), 0.5), Dropout(MemberGenerators([0]), 0.5).eval()
    with frozen(training, scoring):
        assert not training.training and not scoring.training
    assert training.training and not scoring.training


@pytest.mark.parametrize("activation", [LeakyReLU(0.1), ReLU()])
def test_activations_work_in_place_without_gradients_only(activation):
    x = torch.tensor([-1.0, 2.0])
    with torch.enable_grad():
        expected = activation(x)
        assert x[0] == -1
    with torch.no_grad():
        assert activation(x) is x
    assert torch.equal(x, expected)


def test_reshape_crop_and_same_padding_change_the_shape_of_images():
    x = torch.arange(2 * 3 * 16.0).view(2, 3, 1, 4, 4)
    assert torch.equal(Reshape(16)(x), x.flatten(2))
    assert torch.equal(Crop(2, 2)(x), x[..., 1:3, 1:3])
    padded = PadSame()(x)
    assert padded.shape == (2, 3, 1, 5, 5) and torch.equal(padded[..., :4, :4], x) and not padded[..., 4, :].any()


def test_spectral_norm_divides_by_the_largest_singular_value_of_each_member():
    layer = Linear(MemberGenerators([0, 1]), 6, 5)
    spectral_norm(layer, MemberGenerators([2, 3]))
    for _ in range(100):
        layer(torch.zeros(2, 1, 6))
    assert torch.linalg.matrix_norm(layer.weight, ord=2).tolist() == pytest.approx([1, 1], rel=1e-4)
    u = layer.state_dict()["parametrizations.weight.0.u"].clone()
    layer.eval()(torch.zeros(2, 1, 6))
    assert torch.equal(layer.state_dict()["parametrizations.weight.0.u"], u), "scoring must not change the layer"


def test_layers_are_built_without_random_numbers_and_loaded():
    layer, empty = Linear(MemberGenerators([3]), 5, 3), Linear(ZeroGenerators([3]), 5, 3)
    empty.load_state_dict(layer.state_dict())
    x = torch.ones(1, 2, 5)
    assert torch.equal(empty(x), layer(x))
