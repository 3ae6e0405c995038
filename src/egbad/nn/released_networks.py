"""Networks of the code that was released with EGBAD, which several methods share."""

from torch import nn

from egbad.nn.generators import MemberGenerators
from egbad.nn.layers import BatchNorm, Conv, Dropout, Linear, PadSame, Reshape, leaky, normal_002, relu
from egbad.nn.networks import Discriminator, PairDiscriminator, discriminator_layer


def mnist_generator(generators: MemberGenerators, k: int) -> nn.Sequential:
    """Build the released generator G of 28 x 28 grey images, (K, B, k) -> (K, B, 1, 28, 28), of EGBAD and AnoGAN.

    Parameters
    ----------
    generators : MemberGenerators
    k : int
        Length of z, 200 in the released code.

    Returns
    -------
    Sequential
    """
    return nn.Sequential(
        *(Linear(generators, k, 1024, normal_002), BatchNorm(generators, 1024), relu()),
        *(Linear(generators, 1024, 6272, normal_002), BatchNorm(generators, 6272), relu(), Reshape(128, 7, 7)),
        *(Conv(generators, 128, 64, 4, 2, 1, transposed=True, init=normal_002), BatchNorm(generators, 64), relu()),
        *(Conv(generators, 64, 1, 4, 2, 1, transposed=True, init=normal_002), nn.Tanh()),
    )


def mnist_encoder(generators: MemberGenerators, k: int) -> nn.Sequential:
    """Build EGBAD's released encoder E of 28 x 28 grey images, (K, B, 1, 28, 28) -> (K, B, k).

    Parameters
    ----------
    generators : MemberGenerators
    k : int
        Length of z, 200 in the released code.

    Returns
    -------
    Sequential
    """

    def conv(a: int, b: int, stride: int, padding: int) -> Conv:
        return Conv(generators, a, b, 3, stride, padding, init=normal_002)

    return nn.Sequential(
        *(conv(1, 32, 1, 1), leaky()),
        *(PadSame(), conv(32, 64, 2, 0), BatchNorm(generators, 64), leaky()),
        *(PadSame(), conv(64, 128, 2, 0), BatchNorm(generators, 128), leaky()),
        *(Reshape(6272), Linear(generators, 6272, k, normal_002)),
    )


def mnist_pair_discriminator(generators: MemberGenerators, k: int, dropout: float) -> PairDiscriminator:
    """Build EGBAD's released discriminator D of pairs of 28 x 28 grey images and latents.

    Parameters
    ----------
    generators : MemberGenerators
    k : int
        Length of z, 200 in the released code.
    dropout : float
        Share of the hidden units that are dropped in training, 0.5 in the released code.

    Returns
    -------
    PairDiscriminator
    """

    def linear(a: int, b: int) -> Linear:
        return Linear(generators, a, b, normal_002)

    x_side = nn.Sequential(
        *(Conv(generators, 1, 64, 4, 2, 1, init=normal_002), leaky(), Dropout(generators, dropout)),
        *(
            Conv(generators, 64, 64, 4, 2, 1, init=normal_002),
            BatchNorm(generators, 64),
            leaky(),
            Dropout(generators, dropout),
        ),
        Reshape(3136),
    )
    z_side = nn.Sequential(linear(k, 512), leaky(), Dropout(generators, dropout))
    joint = nn.Sequential(linear(3648, 1024), leaky(), Dropout(generators, dropout))
    return PairDiscriminator(x_side, z_side, joint, linear(1024, 1))


def mnist_discriminator(generators: MemberGenerators) -> Discriminator:
    """Build the discriminator D of 28 x 28 grey images that EGBAD's authors released for AnoGAN.

    Parameters
    ----------
    generators : MemberGenerators

    Returns
    -------
    Discriminator
    """
    body = nn.Sequential(
        *(Conv(generators, 1, 64, 4, 2, 1, init=normal_002), leaky()),
        *(Conv(generators, 64, 64, 4, 2, 1, init=normal_002), BatchNorm(generators, 64), leaky(), Reshape(3136)),
        *(Linear(generators, 3136, 1024, normal_002), BatchNorm(generators, 1024), leaky()),
    )
    return Discriminator(body, Linear(generators, 1024, 1, normal_002))


def kdd99_discriminator(generators: MemberGenerators, d: int, dropout: float) -> Discriminator:
    """Build the discriminator D of rows that EGBAD's authors released for AnoGAN.

    Parameters
    ----------
    generators : MemberGenerators
    d : int
        Number of columns.
    dropout : float
        Share of the hidden units that are dropped in training, 0.2 in the released code.

    Returns
    -------
    Discriminator
    """
    layers = [discriminator_layer(generators, a, b, dropout) for a, b in ((d, 256), (256, 128), (128, 128))]
    return Discriminator(nn.Sequential(*layers), Linear(generators, 128, 1))
