"""Networks sized from the shape of a row (d,) or an image (c, h, w)."""

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
    """Build fully connected layers with activations between them, (K, B, widths[0]) -> (K, B, widths[-1])."""
    layers: list[nn.Module] = []
    for a, b in pairwise(widths):
        layers += [Linear(generators, a, b), hidden(), Dropout(generators, dropout)]
    return nn.Sequential(*layers[:-2])


def n_downsamplings(h: int, w: int) -> int:
    """Return the number of strided convolutions after which the shorter side has 4 to 7 pixels."""
    return max(1, int(log2(min(h, w) / 4)))


def conv_trunk(
    generators: MemberGenerators, shape: tuple[int, ...], width: int, hidden: Activation = leaky
) -> tuple[nn.Sequential, int]:
    """Build strided convolutions for images (c, h, w) of any size.

    The first layer has `width` channels, each later one twice as many, up to four times `width`.

    Returns
    -------
    trunk : Sequential
        Maps (K, B, c, h, w) to flat features (K, B, n_features).
    n_features : int
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
    """Build transposed convolutions that mirror the trunk, (K, B, n_latent) -> (K, B, c, h, w), without an output activation."""
    c, h, w = shape
    n = n_downsamplings(h, w)
    small = (-(-h // 2**n), -(-w // 2**n))  # rounded up; the excess is cropped
    channels = [width * min(2**stage, 4) for stage in reversed(range(n))]
    start = (channels[0], *small)
    layers: list[nn.Module] = [Linear(generators, n_latent, prod(start)), hidden(), Reshape(*start)]
    for a, b in pairwise([*channels, c]):
        layers += [Conv(generators, a, b, 4, 2, 1, transposed=True), hidden()]
    return nn.Sequential(*layers[:-1], Crop(h, w))


# -- players, sized from the shape of a row (d,) or of an image (c, h, w) ------------------------------------------------


def encoder(
    generators: MemberGenerators, shape: tuple[int, ...], width: int, n_latent: int, hidden: Activation = leaky
) -> nn.Sequential:
    """Build E, (K, B, *shape) -> (K, B, n_latent)."""
    if len(shape) == 1:
        return mlp(generators, (shape[0], width, n_latent), hidden)
    trunk, flat = conv_trunk(generators, shape, width, hidden)
    return nn.Sequential(trunk, Linear(generators, flat, n_latent))


def generator(generators: MemberGenerators, shape: tuple[int, ...], width: int, n_latent: int) -> nn.Sequential:
    """Build G, (K, B, n_latent) -> (K, B, *shape), with pixels in [-1, 1]."""
    if len(shape) == 1:
        return mlp(generators, (n_latent, width, 2 * width, shape[0]), relu)
    return nn.Sequential(conv_generator(generators, shape, width, n_latent), nn.Tanh())


def side(generators: MemberGenerators, a: int, b: int, dropout: float) -> nn.Sequential:
    """Build one hidden layer of a discriminator, (K, B, a) -> (K, B, b)."""
    return nn.Sequential(Linear(generators, a, b), leaky(), Dropout(generators, dropout))


class Discriminator(nn.Module):
    """Discriminator D with features f (K, B, m) before the logit.

    Parameters
    ----------
    body : Module
        (K, B, ...) -> f (K, B, m).
    head : Linear
        f (K, B, m) -> (K, B, 1).
    """

    def __init__(self, body: nn.Module, head: Linear) -> None:
        super().__init__()
        self.body, self.head = body, head
        self.n_features = head.weight.shape[1]

    def features(self, x: Tensor) -> Tensor:
        """Return f (K, B, m), the output of the last hidden layer."""
        f: Tensor = self.body(x)
        return f

    def logit(self, f: Tensor) -> Tensor:
        """Return the logits (K, B) of features f (K, B, m)."""
        logit: Tensor = self.head(f)
        return logit.squeeze(2)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (K, B)."""
        return self.logit(self.features(x))


def discriminator(
    generators: MemberGenerators, shape: tuple[int, ...], width: int, dropout: float = 0.0
) -> Discriminator:
    """Build D for rows, with two hidden layers, or for images."""
    wide = 2 * width
    if len(shape) == 1:
        body = nn.Sequential(side(generators, shape[0], wide, dropout), side(generators, wide, wide, dropout))
        return Discriminator(body, Linear(generators, wide, 1))
    trunk, flat = conv_trunk(generators, shape, width)
    body = nn.Sequential(trunk, Dropout(generators, dropout), side(generators, flat, 2 * wide, dropout))
    return Discriminator(body, Linear(generators, 2 * wide, 1))


class PairDiscriminator(Discriminator):
    """Discriminator D of pairs (x, z): a trunk for each side, and one joint layer f before the logit.

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
        """Return f (K, B, m), the output of the last hidden layer."""
        f: Tensor = self.body(torch.cat([self.x_side(x), self.z_side(z)], dim=2))
        return f

    def features_of_both(self, x: Tensor, x_hat: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return f of (x, z) and of (x_hat, z); the contribution of z to both is computed once."""
        join, rest = self.body[0], self.body[1:]
        assert isinstance(join, Linear)
        from_z = self.z_side(z)
        n = join.weight.shape[1] - from_z.shape[2]
        start = affine(join.bias, from_z, join.weight[:, n:])
        of_x, of_x_hat = (rest(affine(start, self.x_side(own), join.weight[:, :n])) for own in (x, x_hat))
        return of_x, of_x_hat

    def forward(self, x: Tensor, z: Tensor) -> Tensor:  # type: ignore[override]
        """Return the logits (K, B)."""
        return self.logit(self.features(x, z))


def pair_discriminator(
    generators: MemberGenerators, shape: tuple[int, ...], n_latent: int, width: int, dropout: float = 0.0
) -> PairDiscriminator:
    """Build D for pairs of a row or an image and its latent."""
    x_side: nn.Module
    if len(shape) == 1:
        joint = flat = 2 * width
        x_side = side(generators, shape[0], flat, dropout)
    else:
        trunk, flat = conv_trunk(generators, shape, width)
        x_side, joint = nn.Sequential(trunk, Dropout(generators, dropout)), 4 * width
    z_side = side(generators, n_latent, joint, dropout)
    return PairDiscriminator(
        x_side, z_side, side(generators, flat + joint, joint, dropout), Linear(generators, joint, 1)
    )


def row_width(d: int) -> int:
    """Return the width of the first hidden layer for d columns."""
    return min(256, max(64, 2 ** ceil(log2(d / 2)))) if d > 2 else 64
