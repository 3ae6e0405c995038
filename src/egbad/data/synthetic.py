"""Synthetic anomalies, made of normal rows or images."""

import numpy as np
from numpy.typing import NDArray

from egbad.arrays import Array

_SHIFT_RANGE = (2.0, 6.0)  # standard deviations of a column
_PIECE_RANGE = (0.15, 0.5)  # of an image's height or width


def synthetic_anomalies(x: Array, rng: np.random.Generator) -> Array:
    """Make anomalies of normal rows or images.

    Every second row takes a random half of its columns from another row, which breaks the relations between columns. The
    others have up to a quarter of their columns moved by two to six standard deviations. In each image, a piece is replaced
    by a piece of another image from another place.

    Parameters
    ----------
    x : ndarray of shape (n_samples, n_features) or (n_samples, ..., height, width)
    rng : numpy.random.Generator

    Returns
    -------
    ndarray
        One anomaly for each row or image, without those that equal a row or image of x.
    """
    candidates = _mixed_or_shifted_rows(x, rng) if x.ndim == 2 else _images_with_foreign_pieces(x, rng)
    normal = {row.tobytes() for row in x}
    return candidates[[row.tobytes() not in normal for row in candidates]]


def _mixed_or_shifted_rows(x: Array, rng: np.random.Generator) -> Array:
    """Mix the rows with even positions with other rows, and shift columns of the others."""
    n, d = x.shape
    x = x.astype(np.float64)
    mixed = np.where(rng.random((n, d)) < 0.5, x[_other_indices(n, rng)], x)
    spread = x.std(axis=0)
    # Ranks of the columns in random order, constant columns last: the first few of each row are shifted.
    ranks = np.argsort(np.where(spread > 0, rng.random((n, d)), 2.0), axis=1).argsort(axis=1)
    is_shifted = ranks < rng.integers(1, max(2, d // 4 + 1), size=(n, 1))
    shift = rng.uniform(*_SHIFT_RANGE, size=(n, d)) * rng.choice([-1.0, 1.0], size=(n, d))
    shifted = np.where(is_shifted, x + shift * spread, x)
    return np.where((np.arange(n) % 2 == 0)[:, None], mixed, shifted)


def _images_with_foreign_pieces(x: Array, rng: np.random.Generator) -> Array:
    """Replace a piece of each image by a piece of the same size from another image."""
    pasted, (h, w) = x.copy(), x.shape[-2:]
    for image, other in zip(pasted, x[_other_indices(len(x), rng)], strict=True):
        height, width = (max(1, round(side * rng.uniform(*_PIECE_RANGE))) for side in (h, w))
        (top, other_top), (left, other_left) = rng.integers(0, h - height + 1, 2), rng.integers(0, w - width + 1, 2)
        image[..., top : top + height, left : left + width] = other[
            ..., other_top : other_top + height, other_left : other_left + width
        ]
    return pasted


def _other_indices(n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return for each of n positions a different one."""
    return (np.arange(n) + rng.integers(1, n, size=n)) % n
