"""Networks of the methods, sized from the shape of a row (d,) or of an image (c, h, w)."""

from collections.abc import Sequence
from itertools import pairwise
from math import ceil, log2, prod

import torch
from torch import Tensor, nn

from egbad.nn.generators import MemberGenerators
from egbad.nn.layers import Activation, Conv, Crop, Dropout, Linear, Reshape, leaky, relu
from egbad.nn.ops import affine


def mlp(
    generators: MemberGenerators, widths: Sequence[int], hidden: Activation = leaky, *, dropout: float = 0.0
) -> nn.Sequential:
    """Build fully connected layers with activations between them, (K, B, widths[0]) -> (K, B, widths[-1]).

    Parameters
    ----------
    generators : MemberGenerators
    widths : sequence of int
        Numbers of inputs, of units of each hidden layer, and of outputs.
    hidden : callable
        Returns an activation.
    dropout : float, default=0.0
        Share of the hidden units that are dropped in training.

    Returns
    -------
    Sequential
    """
    layers: list[nn.Module] = []
    for a, b in pairwise(widths):
        layers += [Linear(generators, a, b), hidden(), Dropout(generators, dropout)]
    return nn.Sequential(*layers[:-2])


def n_downsamplings(h: int, w: int) -> int:
    """Return how many times an image is halved until its shorter side has 4 to 7 pixels.

    Parameters
    ----------
    h, w : int
        Height and width.

    Returns
    -------
    int
        At least 1.

    Examples
    --------
    >>> n_downsamplings(28, 28), n_downsamplings(128, 64)
    (2, 4)
    """
    return max(1, int(log2(min(h, w) / 4)))


def conv_trunk(
    generators: MemberGenerators, shape: tuple[int, ...], width: int, hidden: Activation = leaky
) -> tuple[nn.Sequential, int]:
    """Build strided convolutions from images of any size to flat features.

    Parameters
    ----------
    generators : MemberGenerators
    shape : tuple of int
        (c, h, w).
    width : int
        Channels of the first layer. Each later one has twice as many, up to four times `width`.
    hidden : callable
        Returns an activation.

    Returns
    -------
    Sequential
        (K, B, c, h, w) -> (K, B, m).
    int
        Number m of the features.
    """
    c, h, w = shape
    layers: list[nn.Module] = []
    for stage in range(n_downsamplings(h, w)):
        out = width * min(2**stage, 4)
        layers += [Conv(generators, c, out, 4, 2, 1), hidden()]
        c, h, w = out, h // 2, w // 2
    flat = c * h * w
    return nn.Sequential(*layers, Reshape(flat)), flat


def conv_generator(
    generators: MemberGenerators, shape: tuple[int, ...], width: int, n_latent: int, hidden: Activation = relu
) -> nn.Sequential:
    """Build transposed convolutions that mirror `conv_trunk`, (K, B, n_latent) -> (K, B, c, h, w).

    Parameters
    ----------
    generators : MemberGenerators
    shape : tuple of int
        (c, h, w).
    width : int
        Channels of the last but one layer.
    n_latent : int
    hidden : callable
        Returns an activation.

    Returns
    -------
    Sequential
        Its pixels have no bounds.
    """
    c, h, w = shape
    n = n_downsamplings(h, w)
    small = (-(-h // 2**n), -(-w // 2**n))  # rounded up, and cropped at the end
    channels = [width * min(2**stage, 4) for stage in reversed(range(n))]
    start = (channels[0], *small)
    layers: list[nn.Module] = [Linear(generators, n_latent, prod(start)), hidden(), Reshape(*start)]
    for a, b in pairwise([*channels, c]):
        layers += [Conv(generators, a, b, 4, 2, 1, transposed=True), hidden()]
    return nn.Sequential(*layers[:-1], Crop(h, w))


# -- networks of the players, sized from the shape of a row or image ---------------------------------------------------


def encoder(
    generators: MemberGenerators, shape: tuple[int, ...], width: int, n_latent: int, hidden: Activation = leaky
) -> nn.Sequential:
    """Build an encoder E, (K, B, *shape) -> (K, B, n_latent).

    Parameters
    ----------
    generators : MemberGenerators
    shape : tuple of int
        Shape of a row (d,) or image (c, h, w).
    width : int
        Units of the hidden layer, or channels of the first convolution.
    n_latent : int
    hidden : callable
        Returns an activation.

    Returns
    -------
    Sequential
    """
    if len(shape) == 1:
        return mlp(generators, (shape[0], width, n_latent), hidden)
    trunk, flat = conv_trunk(generators, shape, width, hidden)
    return nn.Sequential(trunk, Linear(generators, flat, n_latent))


def generator(generators: MemberGenerators, shape: tuple[int, ...], width: int, n_latent: int) -> nn.Sequential:
    """Build a generator G, (K, B, n_latent) -> (K, B, *shape).

    Parameters
    ----------
    generators : MemberGenerators
    shape : tuple of int
        Shape of a row (d,) or image (c, h, w).
    width : int
        Units of the first hidden layer, or channels of the last but one convolution.
    n_latent : int

    Returns
    -------
    Sequential
        Its pixels lie in [-1, 1].
    """
    if len(shape) == 1:
        return mlp(generators, (n_latent, width, 2 * width, shape[0]), relu)
    return nn.Sequential(conv_generator(generators, shape, width, n_latent), nn.Tanh())


def discriminator_layer(generators: MemberGenerators, a: int, b: int, dropout: float) -> nn.Sequential:
    """Build one hidden layer of a discriminator.

    Parameters
    ----------
    generators : MemberGenerators
    a, b : int
        Numbers of inputs and of units.
    dropout : float
        Share of the units that are dropped in training.

    Returns
    -------
    Sequential
        (K, B, a) -> (K, B, b).
    """
    return nn.Sequential(Linear(generators, a, b), leaky(), Dropout(generators, dropout))


class Discriminator(nn.Module):
    """Discriminator D: features f (K, B, m), then a logit.

    Parameters
    ----------
    body : Module
        (K, B, ...) -> f (K, B, m).
    head : Linear
        f (K, B, m) -> (K, B, 1).

    Attributes
    ----------
    n_features : int
        Number m of the features.
    """

    def __init__(self, body: nn.Module, head: Linear) -> None:
        super().__init__()
        self.body, self.head = body, head
        self.n_features = head.weight.shape[1]

    def features(self, x: Tensor) -> Tensor:
        """Return the features f (K, B, m) of x (K, B, ...), the last hidden layer."""
        f: Tensor = self.body(x)
        return f

    def logit(self, f: Tensor) -> Tensor:
        """Return the logits (K, B) of features f (K, B, m)."""
        logit: Tensor = self.head(f)
        return logit.squeeze(2)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (K, B, ...) to logits (K, B)."""
        return self.logit(self.features(x))


def discriminator(
    generators: MemberGenerators, shape: tuple[int, ...], width: int, dropout: float = 0.0
) -> Discriminator:
    """Build a discriminator of rows, with two hidden layers, or of images.

    Parameters
    ----------
    generators : MemberGenerators
    shape : tuple of int
        Shape of a row (d,) or image (c, h, w).
    width : int
        Half the units of a hidden layer, or channels of the first convolution.
    dropout : float, default=0.0
        Share of the hidden units that are dropped in training.

    Returns
    -------
    Discriminator
    """
    wide = 2 * width
    if len(shape) == 1:
        body = nn.Sequential(
            discriminator_layer(generators, shape[0], wide, dropout),
            discriminator_layer(generators, wide, wide, dropout),
        )
        return Discriminator(body, Linear(generators, wide, 1))
    trunk, flat = conv_trunk(generators, shape, width)
    body = nn.Sequential(trunk, Dropout(generators, dropout), discriminator_layer(generators, flat, 2 * wide, dropout))
    return Discriminator(body, Linear(generators, 2 * wide, 1))


class PairDiscriminator(Discriminator):
    """Discriminator of pairs (x, z): a network for each side, joined by one layer f before the logit.

    Parameters
    ----------
    x_side, z_side : Module
        (K, B, ...) -> (K, B, a) and (K, B, k) -> (K, B, b).
    joint : Sequential
        (K, B, a + b) -> f (K, B, m), a `Linear` first.
    head : Linear
        f (K, B, m) -> (K, B, 1).
    """

    body: nn.Sequential

    def __init__(self, x_side: nn.Module, z_side: nn.Module, joint: nn.Sequential, head: Linear) -> None:
        super().__init__(joint, head)
        self.x_side, self.z_side = x_side, z_side

    def features(self, x: Tensor, z: Tensor) -> Tensor:  # type: ignore[override]
        """Return the features f (K, B, m) of x (K, B, ...) and z (K, B, k), the last hidden layer."""
        f: Tensor = self.body(torch.cat([self.x_side(x), self.z_side(z)], dim=2))
        return f

    def features_of_both(self, x: Tensor, x_hat: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features (K, B, m) of (x, z) and of (x_hat, z); the part of z is computed once."""
        join, rest = self.body[0], self.body[1:]
        assert isinstance(join, Linear)
        z_features = self.z_side(z)
        n = join.weight.shape[1] - z_features.shape[2]
        bias = affine(join.bias, z_features, join.weight[:, n:])
        f, f_hat = (rest(affine(bias, self.x_side(side), join.weight[:, :n])) for side in (x, x_hat))
        return f, f_hat

    def forward(self, x: Tensor, z: Tensor) -> Tensor:  # type: ignore[override]
        """Map x (K, B, ...) and z (K, B, k) to logits (K, B)."""
        return self.logit(self.features(x, z))


def pair_discriminator(
    generators: MemberGenerators, shape: tuple[int, ...], n_latent: int, width: int, dropout: float = 0.0
) -> PairDiscriminator:
    """Build a discriminator of pairs of a row or image and its latent.

    Parameters
    ----------
    generators : MemberGenerators
    shape : tuple of int
        Shape of a row (d,) or image (c, h, w).
    n_latent : int
    width : int
        Half the units of a hidden layer, or channels of the first convolution.
    dropout : float, default=0.0
        Share of the hidden units that are dropped in training.

    Returns
    -------
    PairDiscriminator
    """
    x_side: nn.Module
    if len(shape) == 1:
        joint = flat = 2 * width
        x_side = discriminator_layer(generators, shape[0], flat, dropout)
    else:
        trunk, flat = conv_trunk(generators, shape, width)
        x_side, joint = nn.Sequential(trunk, Dropout(generators, dropout)), 4 * width
    z_side = discriminator_layer(generators, n_latent, joint, dropout)
    return PairDiscriminator(
        x_side, z_side, discriminator_layer(generators, flat + joint, joint, dropout), Linear(generators, joint, 1)
    )


def row_width(d: int) -> int:
    """Return the units of a first hidden layer for d columns.

    Parameters
    ----------
    d : int

    Returns
    -------
    int
        A power of two from 64 to 256.

    Examples
    --------
    >>> row_width(4), row_width(200), row_width(4000)
    (64, 128, 256)
    """
    return min(256, max(64, 2 ** ceil(log2(d / 2)))) if d > 2 else 64
