"""Random views of images, for methods that learn by telling images apart.

Images have shape (K, B, c, h, w). Each member's numbers come from its own generator.
"""

from math import pi

import torch
from torch import Tensor
from torch.nn import functional as F

from egbad.nn.generators import MemberGenerators


def symmetric_uniform(generators: MemberGenerators, limit: float, *shape: int) -> Tensor:
    """Draw numbers from U[-limit, limit).

    Parameters
    ----------
    generators : MemberGenerators
    limit : float
    *shape : int
        Shape of one member's numbers, the rows of the batch first.

    Returns
    -------
    Tensor of shape (K, *shape)
    """
    return limit * (2 * generators.uniform(*shape, per_row=True) - 1)


def random_affine(
    x: Tensor,
    background: Tensor | None,
    generators: MemberGenerators,
    *,
    rotation: float,
    scale: float,
    shear: float,
    translation: float,
) -> Tensor:
    """Rotate, scale, shear and translate every image at random.

    Parameters
    ----------
    x : Tensor of shape (K, B, c, h, w)
    background : Tensor of shape (K, c), optional
        Value of the pixels that come into the frame. Without it the image is reflected at its edges.
    generators : MemberGenerators
    rotation : float
        Largest rotation, in degrees.
    scale : float
        Largest logarithm of the scale of an axis. Axes are scaled independently.
    shear : float
        Largest shear, in columns per row.
    translation : float
        Largest translation along an axis, as a share of the side.

    Returns
    -------
    Tensor of shape (K, B, c, h, w)
    """
    members, n, c, h, w = x.shape
    angle = symmetric_uniform(generators, rotation * pi / 180, n)
    stretch = torch.exp(symmetric_uniform(generators, scale, n, 2))
    slant = symmetric_uniform(generators, shear, n)
    offset = symmetric_uniform(generators, 2 * translation, n, 2)
    cos, sin = torch.cos(angle), torch.sin(angle)
    # Rotation times shear times scale. affine_grid takes the inverse map: the position that each pixel comes from.
    rows = [
        torch.stack([cos * stretch[..., 0], (cos * slant - sin) * stretch[..., 1], offset[..., 0]], dim=-1),
        torch.stack([sin * stretch[..., 0], (sin * slant + cos) * stretch[..., 1], offset[..., 1]], dim=-1),
    ]
    theta = torch.stack(rows, dim=-2).flatten(0, 1)  # (K B, 2, 3)
    grid = F.affine_grid(theta, [members * n, c, h, w], align_corners=False)
    if background is None:
        return F.grid_sample(x.flatten(0, 1), grid, align_corners=False, padding_mode="reflection").view(x.shape)
    fill = background[:, None, :, None, None]
    moved = F.grid_sample((x - fill).flatten(0, 1), grid, align_corners=False, padding_mode="zeros")
    return moved.view(x.shape) + fill


def random_thickness(x: Tensor, generators: MemberGenerators, limit: float) -> Tensor:
    """Make bright strokes thicker or thinner at random.

    Parameters
    ----------
    x : Tensor of shape (K, B, c, h, w)
    generators : MemberGenerators
    limit : float
        Largest weight of an image's dilation or erosion, in [0, 1].

    Returns
    -------
    Tensor of shape (K, B, c, h, w)
    """
    flat = x.flatten(0, 1)
    dilated = F.max_pool2d(flat, 3, 1, 1).view(x.shape)
    eroded = -F.max_pool2d(-flat, 3, 1, 1).view(x.shape)
    n = x.shape[1]
    weight = (limit * generators.uniform(n, per_row=True)).view(*x.shape[:2], 1, 1, 1)
    target = torch.where(generators.uniform(n, per_row=True).view(weight.shape) < 0.5, dilated, eroded)
    return x + weight * (target - x)


def rotations(x: Tensor) -> Tensor:
    """Return images in four orientations.

    Parameters
    ----------
    x : Tensor of shape (K, B, c, h, w)

    Returns
    -------
    Tensor of shape (4, K, B, c, h, w)
        Square images rotated by multiples of 90 degrees; others rotated by 0 and 180 degrees and both mirrored.
    """
    if x.shape[-1] == x.shape[-2]:
        return torch.stack([torch.rot90(x, k, (-2, -1)) for k in range(4)])
    return torch.stack([x, x.flip(-2, -1), x.flip(-1), x.flip(-2)])
