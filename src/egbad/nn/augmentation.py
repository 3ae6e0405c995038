"""Augmentation of images: random affine maps, thickness, rotations.

All functions take stacked images (K, B, c, h, w) and draw each member's numbers from its own generator.
"""

from math import pi

import torch
from torch import Tensor
from torch.nn import functional as F

from egbad.nn.generators import MemberGenerators


def symmetric_uniform(generators: MemberGenerators, limit: float, *shape: int) -> Tensor:
    """Draw from U[-limit, limit), (K, *shape)."""
    return limit * (2 * generators.uniform(*shape, per_row=True) - 1)


def affine(
    x: Tensor,
    background: Tensor | None,
    generators: MemberGenerators,
    *,
    turn: float,
    scale: float,
    shear: float,
    shift: float,
) -> Tensor:
    """Rotate, scale, shear and translate every image at random.

    Pixels from outside the image are `background` (K, c), or the reflected image without one.

    Parameters
    ----------
    turn : float
        Largest rotation, in degrees.
    scale : float
        Largest logarithm of the scale, drawn for each axis.
    shear : float
        Largest shear, in columns per row.
    shift : float
        Largest translation, as a fraction of the side, drawn for each axis.
    """
    members, n, c, h, w = x.shape
    angle = symmetric_uniform(generators, turn * pi / 180, n)
    stretch = torch.exp(symmetric_uniform(generators, scale, n, 2))
    slant, move = symmetric_uniform(generators, shear, n), symmetric_uniform(generators, 2 * shift, n, 2)
    cos, sin = torch.cos(angle), torch.sin(angle)
    # Rotation, times shear, times scale; grid_sample needs the source of each pixel, the inverse map.
    rows = [
        torch.stack([cos * stretch[..., 0], (cos * slant - sin) * stretch[..., 1], move[..., 0]], dim=-1),
        torch.stack([sin * stretch[..., 0], (sin * slant + cos) * stretch[..., 1], move[..., 1]], dim=-1),
    ]
    theta = torch.stack(rows, dim=-2).flatten(0, 1)  # (K B, 2, 3)
    grid = F.affine_grid(theta, [members * n, c, h, w], align_corners=False)
    if background is None:
        return F.grid_sample(x.flatten(0, 1), grid, align_corners=False, padding_mode="reflection").view(x.shape)
    fill = background[:, None, :, None, None]
    moved = F.grid_sample((x - fill).flatten(0, 1), grid, align_corners=False, padding_mode="zeros")
    return moved.view(x.shape) + fill


def thickness(x: Tensor, generators: MemberGenerators, limit: float) -> Tensor:
    """Move every image a random fraction, at most `limit`, towards its dilation or its erosion."""
    flat = x.flatten(0, 1)
    wide = F.max_pool2d(flat, 3, 1, 1).view(x.shape)
    thin = -F.max_pool2d(-flat, 3, 1, 1).view(x.shape)
    n = x.shape[1]
    share = (limit * generators.uniform(n, per_row=True)).view(*x.shape[:2], 1, 1, 1)
    target = torch.where(generators.uniform(n, per_row=True).view(share.shape) < 0.5, wide, thin)
    return x + share * (target - x)


def rotations(x: Tensor) -> Tensor:
    """Return the four rotations of square images by 90 degrees, (4, *x.shape).

    Images that are not square have two rotations by 180 degrees and their mirror images.
    """
    if x.shape[-1] == x.shape[-2]:
        return torch.stack([torch.rot90(x, k, (-2, -1)) for k in range(4)])
    return torch.stack([x, x.flip(-2, -1), x.flip(-1), x.flip(-2)])
