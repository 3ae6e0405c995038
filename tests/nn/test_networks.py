"""Tests of `egbad.nn.networks`."""

import pytest
import torch

from egbad.nn.generators import MemberGenerators
from egbad.nn.networks import discriminator, encoder, generator, mlp, n_downsamplings, pair_discriminator, row_width


@pytest.mark.parametrize("shape", [(7,), (121,), (1, 12, 12)])
def test_features_of_both_pairs_equal_those_of_each_pair(shape):
    d, random = pair_discriminator(MemberGenerators([3, 5]), shape, 4, 16).eval(), torch.Generator().manual_seed(0)
    x, x_hat = (torch.randn(2, 9, *shape, generator=random) for _ in range(2))
    z = torch.randn(2, 9, 4, generator=random)
    f, f_hat = d.features_of_both(x, x_hat, z)
    assert torch.allclose(f, d.features(x, z), atol=1e-6)
    assert torch.allclose(f_hat, d.features(x_hat, z), atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 13, 9), (1, 28, 28), (2, 33, 47), (4, 128, 128), (1, 8, 128)])
def test_encoder_and_generator_take_images_of_any_size(shape):
    generators = MemberGenerators([0, 1])
    x = generators.normal(3, *shape)
    z = encoder(generators, shape, 4, 5)(x)
    made = generator(generators, shape, 4, 5)(z)
    assert z.shape == (2, 3, 5)
    assert made.shape == x.shape
    assert made.abs().max() <= 1


@pytest.mark.parametrize(("side", "expected"), [(8, 1), (16, 2), (28, 2), (32, 3), (64, 4), (100, 4), (128, 5)])
def test_images_are_halved_until_their_shorter_side_has_four_to_seven_pixels(side, expected):
    assert n_downsamplings(side, side) == expected
    assert 4 <= side // 2 ** n_downsamplings(side, side) < 8


def test_an_mlp_has_activations_and_dropout_between_its_layers_only():
    net = mlp(MemberGenerators([0]), (5, 8, 3), dropout=0.5)
    assert [type(layer).__name__ for layer in net] == ["Linear", "LeakyReLU", "Dropout", "Linear"]


@pytest.mark.parametrize("shape", [(7,), (1, 12, 12)])
def test_a_discriminator_gives_a_logit_of_its_features(shape):
    d, x = discriminator(MemberGenerators([3, 5]), shape, 16), MemberGenerators([3, 5]).normal(4, *shape)
    f = d.features(x)
    assert f.shape == (2, 4, d.n_features) and d(x).shape == (2, 4)
    assert torch.equal(d(x), d.logit(f))


@pytest.mark.parametrize(("d", "expected"), [(1, 64), (2, 64), (129, 128), (256, 128), (10_000, 256)])
def test_the_first_hidden_layer_has_a_power_of_two_of_units(d, expected):
    assert row_width(d) == expected
