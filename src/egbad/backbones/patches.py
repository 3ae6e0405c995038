"""Description of patches: feature maps of several layers on one grid, whitened, with a soft length."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor
from torch.nn import functional as F

from egbad.arrays import Array, Floats
from egbad.data.ragged import is_ragged, ragged_array

TOP_SHARE, BORDER = 0.01, 0.05  # of the patches whose scores are averaged to that of an image
SMOOTHING = 0.015  # standard deviation of the Gaussian that smooths maps, as a fraction of the width
_MIN_RELATIVE_DEVIATION, _MIN_DEVIATION = 1e-6, 1e-12  # of a feature that hardly varies


def finest_grid(maps: Sequence[Tensor]) -> tuple[int, int]:
    """Return height and width of the map with the most places.

    Parameters
    ----------
    maps : sequence of Tensor of shape (..., h, w)

    Returns
    -------
    tuple of int
    """
    height, width = max((m.shape[-2:] for m in maps), key=lambda shape: shape[0] * shape[1])
    return height, width


def join_maps(maps: Sequence[Tensor], pooling: int) -> Tensor:
    """Average each map over neighbouring places, and bring all maps to the finest grid.

    Parameters
    ----------
    maps : sequence of Tensor of shape (B, C, h, w)
    pooling : int
        Side of the neighbourhood, odd.

    Returns
    -------
    Tensor of shape (B, h * w, sum of C)
        Places row by row, contiguous.
    """
    size = finest_grid(maps)
    joined = []
    for m in maps:
        pooled = F.avg_pool2d(m, pooling, 1, pooling // 2, count_include_pad=False)
        if m.shape[2:] != size:
            pooled = F.interpolate(pooled, size=size, mode="bilinear", align_corners=False)
        joined.append(pooled.flatten(2))
    return torch.cat(joined, dim=1).transpose(1, 2).contiguous()


def whitening(x: Array, shrinkage: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return mean and matrix that whiten features.

    The features are standardised. With the eigenvalues l and eigenvectors V of their correlations, the directions are
    divided by ``sqrt(l + shrinkage * mean(l))``.

    Parameters
    ----------
    x : ndarray of shape (n, d)
    shrinkage : float
        Above 0.

    Returns
    -------
    mean : ndarray of float32 of shape (d,)
    matrix : ndarray of float32 of shape (d, d)
        ``(x - mean) @ matrix`` is white, directions of large variance first.
    """
    mean = x.mean(axis=0, dtype=np.float64)
    centred: Floats = x - mean
    deviation = centred.std(axis=0)
    deviation = np.maximum(deviation, max(_MIN_RELATIVE_DEVIATION * float(deviation.max()), _MIN_DEVIATION))
    centred /= deviation
    values, vectors = np.linalg.eigh(centred.T @ centred / len(x))
    values, vectors = np.maximum(values[::-1], 0), vectors[:, ::-1]
    scale = np.sqrt(values + shrinkage * max(float(values.mean()), _MIN_DEVIATION))
    return mean.astype(np.float32), (vectors / scale / deviation[:, None]).astype(np.float32)


def scale_lengths(x: Tensor, length: str) -> Tensor:
    """Scale vectors to lengths below 1, to length 1, or not at all.

    Parameters
    ----------
    x : Tensor of shape (..., d)
    length : {"soft", "unit", "none"}
        "soft" divides by ``sqrt(|x|^2 + d)``.

    Returns
    -------
    Tensor of shape (..., d)

    Examples
    --------
    >>> scale_lengths(torch.tensor([[3.0, 4.0]]), "unit").tolist()
    [[0.6000000238418579, 0.800000011920929]]
    """
    if length == "none":
        return x
    squares = x.square().sum(dim=-1, keepdim=True)
    return x / (squares + x.shape[-1]).sqrt() if length == "soft" else x / squares.sqrt().clamp_min(_MIN_DEVIATION)


def patches_inside(
    height: int, width: int, share: float = TOP_SHARE, border: float = BORDER
) -> tuple[NDArray[np.intp], int]:
    """Return the positions of the patches that count in the score of an image, and the number of them that it is the mean of.

    Parameters
    ----------
    height, width : int
        Size of the grid.
    share : float
        Share of the patches inside the border, in [0, 1]. There is at least one.
    border : float
        Share of each side to leave out at each end, in [0, 0.5): zero padding in backbones makes borders look unusual.

    Returns
    -------
    places : ndarray of int of shape (n,)
        Positions among the height * width patches.
    k : int
        At least 1.
    """
    rows, columns = (slice(int(side * border), side - int(side * border)) for side in (height, width))
    places = np.arange(height * width).reshape(height, width)[rows, columns].ravel()
    return places, max(1, round(share * len(places)))


def highest_patches(scores: Floats, share: float = TOP_SHARE, border: float = BORDER) -> NDArray[np.intp]:
    """Return the positions of the patches with the highest scores of each image.

    Parameters
    ----------
    scores : ndarray of shape (n, height, width)
    share, border : float
        See `patches_inside`.

    Returns
    -------
    ndarray of int of shape (n, k)
        Positions among the height * width patches of an image, in ascending order.

    Examples
    --------
    >>> scores = np.zeros((1, 20, 20))
    >>> scores[0, 0, 7] = 9.0  # on the border
    >>> scores[0, 1, 2:6] = 1.0
    >>> highest_patches(scores).tolist()
    [[22, 23, 24]]
    """
    n, height, width = scores.shape
    places, k = patches_inside(height, width, share, border)
    order = np.argsort(-scores.reshape(n, -1)[:, places], axis=1, kind="stable")[:, :k]
    return np.asarray(np.sort(places[order], axis=1))


def enlarge(values: Floats, size: tuple[int, int]) -> Floats:
    """Distribute the value of each place of a grid evenly over its pixels; sums stay as they are.

    Parameters
    ----------
    values : ndarray of shape (n, height, width)
    size : tuple of int
        Height and width of the images in pixels.

    Returns
    -------
    ndarray of shape (n, *size)

    Examples
    --------
    >>> enlarge(np.array([[[1.0, 4.0]]]), (2, 4)).tolist()
    [[[0.25, 0.25, 1.0, 1.0], [0.25, 0.25, 1.0, 1.0]]]
    """
    rows, columns = (_cell_shares(n, n_pixels) for n, n_pixels in zip(values.shape[1:], size, strict=True))
    return np.asarray(rows @ values @ columns.T)


def enlarged_map(
    scores: Floats, input_size: tuple[int, int], size: tuple[int, int], smoothing: float = SMOOTHING
) -> Floats:
    """Interpolate the scores of patches to the pixels of an image, and smooth them by a Gaussian.

    Parameters
    ----------
    scores : ndarray of shape (height, width)
        Of patches.
    input_size, size : tuple of int
        Height and width of the image for the backbone, and of the result.
    smoothing : float, default=0.015
        Standard deviation of the Gaussian as a fraction of the width. 0 does not smooth.

    Returns
    -------
    ndarray of shape `size`
    """
    whole = F.interpolate(torch.tensor(scores)[None, None], size=input_size, mode="bilinear", align_corners=False)
    smooth = gaussian_filter(whole[0, 0].numpy(), smoothing * input_size[1], mode="nearest")
    found = F.interpolate(torch.tensor(smooth)[None, None], size=size, mode="bilinear", align_corners=False)
    return np.asarray(found[0, 0].numpy())


def enlarged_maps(
    scores: Iterable[Floats], images: Array, input_size: tuple[int, int], smoothing: float = SMOOTHING
) -> Array:
    """Enlarge the scores of patches to the pixels of images, see `enlarged_map`.

    Parameters
    ----------
    scores : iterable of ndarray of shape (height, width)
        Of the patches of each image.
    images : ndarray of shape (n, ...)
        Images of one size, or of different ones.
    input_size : tuple of int
    smoothing : float, default=0.015

    Returns
    -------
    ndarray of shape (n, h, w), or (n,) for images of different sizes
    """
    pairs = zip(scores, images, strict=True)
    maps = [enlarged_map(grid, input_size, image.shape[-2:], smoothing) for grid, image in pairs]
    return ragged_array(maps) if is_ragged(images) else np.stack(maps)


def _cell_shares(n: int, n_pixels: int) -> Floats:
    """Return the share (n_pixels, n) of each of n equal cells of a side that lies in each of its pixels."""
    cells, pixels = np.arange(n) * n_pixels / n, np.arange(n_pixels)[:, None]
    overlap = np.minimum(cells + n_pixels / n, pixels + 1) - np.maximum(cells, pixels)
    return np.asarray(np.maximum(overlap, 0) * n / n_pixels)
