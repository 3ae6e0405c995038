"""Random views of images, for methods that learn by telling images apart: moved, thicker or thinner, turned.

Everything takes stacked images (K, B, c, h, w) and draws each member's numbers from its own generator.
"""

from math import pi

import torch
from torch import Tensor
from torch.nn import functional as F

from egbad.nn.generators import MemberGenerators


def symmetric(generators: MemberGenerators, reach: float, *shape: int) -> Tensor:
    """Numbers from U[-reach, reach) -> (K, *shape)."""
    return reach * (2 * generators.uniform(*shape, per_row=True) - 1)


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
    """Turn, stretch, shear and shift every image at random; what comes in from outside is `background` (K, c).

    Without a background it is the image's mirror image.

    Parameters
    ----------
    turn : float
        Degrees, either way.
    scale : float
        Of the logarithm, each axis by itself.
    shear : float
        Columns a row.
    shift : float
        Share of the side, each axis by itself.
    """
    members, n, c, h, w = x.shape
    angle = symmetric(generators, turn * pi / 180, n)
    stretch = torch.exp(symmetric(generators, scale, n, 2))
    slant, move = symmetric(generators, shear, n), symmetric(generators, 2 * shift, n, 2)
    cos, sin = torch.cos(angle), torch.sin(angle)
    # Rotation, times shear, times scale; grid_sample asks where each pixel comes from, so this is the way back.
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


def thickness(x: Tensor, generators: MemberGenerators, reach: float) -> Tensor:
    """Make what is bright thicker or thinner: a random share, up to `reach`, of the way to its dilation or erosion."""
    flat = x.flatten(0, 1)
    wide = F.max_pool2d(flat, 3, 1, 1).view(x.shape)
    thin = -F.max_pool2d(-flat, 3, 1, 1).view(x.shape)
    n = x.shape[1]
    share = (reach * generators.uniform(n, per_row=True)).view(*x.shape[:2], 1, 1, 1)
    target = torch.where(generators.uniform(n, per_row=True).view(share.shape) < 0.5, wide, thin)
    return x + share * (target - x)


def turned(x: Tensor) -> Tensor:
    """The four turns of square images by quarter circles, of others two turns and their mirror images -> (4, *x.shape)."""
    if x.shape[-1] == x.shape[-2]:
        return torch.stack([torch.rot90(x, k, (-2, -1)) for k in range(4)])
    return torch.stack([x, x.flip(-2, -1), x.flip(-1), x.flip(-2)])
