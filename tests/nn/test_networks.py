"""Shapes hold for any image."""

import pytest
import torch

from egbad.nn.generators import MemberGenerators
from egbad.nn.networks import encoder, generator, n_downsamplings, pair_discriminator


@pytest.mark.parametrize("shape", [(7,), (121,), (1, 12, 12)])
def test_features_of_two_pairs_with_one_latent_are_those_of_each(shape):
    d, generator_ = pair_discriminator(MemberGenerators([3, 5]), shape, 4, 16).eval(), torch.Generator().manual_seed(0)
    x, x_hat = (torch.randn(2, 9, *shape, generator=generator_) for _ in range(2))
    z = torch.randn(2, 9, 4, generator=generator_)
    of_x, of_x_hat = d.features_of_both(x, x_hat, z)
    assert torch.allclose(of_x, d.features(x, z), atol=1e-6)
    assert torch.allclose(of_x_hat, d.features(x_hat, z), atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 13, 9), (1, 28, 28), (2, 33, 47), (4, 128, 128), (1, 8, 128)])
def test_encoder_and_generator_fit_any_image(shape):
    generators = MemberGenerators([0, 1])
    x = generators.normal(3, *shape)
    z = encoder(generators, shape, 4, 5)(x)
    made = generator(generators, shape, 4, 5)(z)
    assert z.shape == (2, 3, 5)
    assert made.shape == x.shape
    assert made.abs().max() <= 1


@pytest.mark.parametrize(("side", "expected"), [(8, 1), (16, 2), (28, 2), (32, 3), (64, 4), (100, 4), (128, 5)])
def test_images_are_halved_to_four_to_seven_pixels(side, expected):
    assert n_downsamplings(side, side) == expected
    assert 4 <= side // 2 ** n_downsamplings(side, side) < 8
