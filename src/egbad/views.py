"""Random views of images, for methods that learn by telling images apart: moved, thicker or thinner, turned, spliced.

Everything takes stacked images (K, B, c, h, w) and draws each member's numbers from its own generator.
"""

from math import pi

import torch
from torch import Tensor
from torch.nn import functional as F

from egbad.draws import Draws


def symmetric(draws: Draws, reach: float, *shape: int) -> Tensor:
    """Numbers from U[-reach, reach) -> (K, *shape)."""
    return reach * (2 * draws.uniform(*shape) - 1)


def affine(
    x: Tensor, background: Tensor | None, draws: Draws, *, turn: float, scale: float, shear: float, shift: float
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
    angle = symmetric(draws, turn * pi / 180, n)
    stretch = torch.exp(symmetric(draws, scale, n, 2))
    slant, move = symmetric(draws, shear, n), symmetric(draws, 2 * shift, n, 2)
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


def thickness(x: Tensor, draws: Draws, reach: float) -> Tensor:
    """Make what is bright thicker or thinner: a random share, up to `reach`, of the way to its dilation or erosion."""
    flat = x.flatten(0, 1)
    wide = F.max_pool2d(flat, 3, 1, 1).view(x.shape)
    thin = -F.max_pool2d(-flat, 3, 1, 1).view(x.shape)
    n = x.shape[1]
    share = (reach * draws.uniform(n)).view(*x.shape[:2], 1, 1, 1)
    target = torch.where(draws.uniform(n).view(share.shape) < 0.5, wide, thin)
    return x + share * (target - x)


def turned(x: Tensor) -> Tensor:
    """The four turns of square images by quarter circles, of others two turns and their mirror images -> (4, *x.shape)."""
    if x.shape[-1] == x.shape[-2]:
        return torch.stack([torch.rot90(x, k, (-2, -1)) for k in range(4)])
    return torch.stack([x, x.flip(-2, -1), x.flip(-1), x.flip(-2)])


def spliced(x: Tensor, background: Tensor, draws: Draws) -> Tensor:
    """Each image with a part of it wrong: filled from another of its batch, erased, or with a part of another laid on top.

    Of four kinds at random: a half of the other image beyond a soft line, a soft ellipse of the other, a part erased to
    the `background` (K, c), and the brighter of both within a part.
    """
    n, (h, w) = x.shape[1], x.shape[-2:]
    other = torch.stack([member[order] for member, order in zip(x, draws.permutations(n), strict=True)])
    side = max(h, w)
    kind = draws.uniform(n)[..., None, None, None]
    half = _half_plane(draws, n, h, w, 3 * side / 28)
    blob = _ellipse(draws, n, h, w)
    part = torch.where(draws.uniform(n)[..., None, None, None] < 0.5, blob, half)
    fill = background[:, None, :, None, None]
    floor = fill + part * (other - fill)
    return torch.where(
        kind < 0.25,
        x + half * (other - x),
        torch.where(
            kind < 0.5,
            x + blob * (other - x),
            torch.where(kind < 0.75, x + part * (fill - x), torch.maximum(x, floor)),
        ),
    )


def _places(h: int, w: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Rows and columns of pixels, from the middle."""
    rows, columns = (torch.arange(n, dtype=torch.float32, device=device) - (n - 1) / 2 for n in (h, w))
    return rows[:, None], columns[None]


def _half_plane(draws: Draws, n: int, h: int, w: int, spread: float) -> Tensor:
    """A soft mask of all that lies beyond a random line near the middle -> (K, n, 1, h, w)."""
    angle = (2 * pi * draws.uniform(n))[..., None, None]
    offset = (spread * draws.normal(n))[..., None, None]
    rows, columns = _places(h, w, angle.device)
    distance = torch.cos(angle) * columns + torch.sin(angle) * rows - offset
    return torch.sigmoid(distance)[:, :, None]


def _ellipse(draws: Draws, n: int, h: int, w: int) -> Tensor:
    """A soft mask of a random ellipse, its radii a tenth to a third of the sides -> (K, n, 1, h, w)."""
    centre = symmetric(draws, 0.29, n, 2)[..., None, None]
    rows, columns = _places(h, w, centre.device)
    radius = (3 + 6 * draws.uniform(n, 2))[..., None, None] / 28
    up = (rows / h - centre[:, :, 0]) / radius[:, :, 0]
    across = (columns / w - centre[:, :, 1]) / radius[:, :, 1]
    inside = (1 - torch.sqrt(up**2 + across**2)) * radius.mean(2) * max(h, w)
    return torch.sigmoid(inside)[:, :, None]
