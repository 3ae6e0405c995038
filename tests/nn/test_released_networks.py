"""Tests of `egbad.nn.released_networks`."""

import torch

from egbad.nn.generators import MemberGenerators
from egbad.nn.layers import Conv, LeakyReLU
from egbad.nn.released_networks import mnist_encoder, mnist_generator, mnist_pair_discriminator


def test_the_mnist_networks_have_the_layers_and_weights_of_the_paper():
    generators = MemberGenerators([0])
    E, G, D = (
        mnist_encoder(generators, 200),
        mnist_generator(generators, 200),
        mnist_pair_discriminator(generators, 200, 0.5),
    )
    x = torch.zeros(1, 2, 1, 28, 28)
    z = E(x)
    assert z.shape == (1, 2, 200)
    assert G(z).shape == x.shape
    assert D.features(x, z).shape == (1, 2, 1024)

    def conv(a, b, kernel, norm=False):
        return a * b * kernel**2 + b + 2 * b * norm

    def linear(a, b, norm=False):
        return conv(a, b, 1, norm)

    def count(module):
        return sum(p.numel() for p in module.parameters())

    assert count(E) == conv(1, 32, 3) + conv(32, 64, 3, norm=True) + conv(64, 128, 3, norm=True) + linear(6272, 200)
    assert count(G) == linear(200, 1024, norm=True) + linear(1024, 6272, norm=True) + conv(
        128, 64, 4, norm=True
    ) + conv(64, 1, 4)
    assert count(D) == conv(1, 64, 4) + conv(64, 64, 4, norm=True) + linear(200, 512) + linear(
        3136 + 512, 1024
    ) + linear(1024, 1)


def test_the_first_convolution_of_the_encoder_has_the_activation_of_the_later_code():
    first, second = [*mnist_encoder(MemberGenerators([0]), 200)][:2]
    assert isinstance(first, Conv) and isinstance(second, LeakyReLU) and second.negative_slope == 0.1
