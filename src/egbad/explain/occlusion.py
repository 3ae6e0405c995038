"""Reasons for any score, by a function of encoded rows or images alone: what it loses when a part is hidden."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from egbad.explain.explanation import Array, Attribution, Floats, distribute

_PATCHES = 8  # of an image's side
_AT_ONCE = 4096  # rows or images with something hidden that are scored together: bounds memory


def occlusion(
    score: Callable[[Array], Floats],
    x: Array,
    usual: Array,
    whole: Floats,
    groups: NDArray[np.intp] | None = None,
    hidden: NDArray[np.intp] | None = None,
) -> Attribution:
    """Shares of what a score exceeds that of the mean by, after hiding groups of columns, or patches of an image.

    Parameters
    ----------
    score : callable
        Encoded (n, ...) -> (n,).
    x : array (n, ...)
        Encoded rows or images.
    usual : array (...)
        What is put in the place of what is hidden.
    whole : array (n,)
        The scores of x.
    groups : array (d,), optional
        The group of each encoded column; of images patches are made.
    hidden : array (n, m), optional
        Which groups of each row are hidden, one at a time; by default all.
    """
    own = np.broadcast_to(_patches(x.shape[1:]) if groups is None else groups, x.shape[1:]).astype(np.int32)
    n, g = len(x), int(own.max()) + 1
    if hidden is None:
        hidden = np.broadcast_to(np.arange(g), (n, g))
    falls = np.zeros((n, g))
    size = max(1, _AT_ONCE // hidden.shape[1])
    for start in range(0, n, size):
        part, which = x[start : start + size], hidden[start : start + size]
        hide = own[None, None] == which.astype(np.int32).reshape(*which.shape, *[1] * (x.ndim - 1))  # (b, m, ...)
        variants = np.where(hide, usual, part[:, None]).astype(x.dtype, copy=False)
        scores = score(variants.reshape(-1, *x.shape[1:])).reshape(which.shape)
        np.put_along_axis(falls[start : start + size], which, whole[start : start + size, None] - scores, axis=1)
    base = np.repeat(score(usual[None].astype(x.dtype)), n)
    by_group = distribute(np.maximum(falls, 0), whole - base)
    counts = np.bincount(own.ravel(), minlength=g)
    shares = (by_group / counts)[:, own]
    return Attribution(shares, base, np.broadcast_to(usual, x.shape).copy(), "occlusion")


def farthest(x: Array, usual: Array, deviation: Array, groups: NDArray[np.intp], most: int) -> NDArray[np.intp]:
    """The groups of columns (n, most) in which rows x (n, d) are farthest from the mean, in standard deviations."""
    far = np.abs(x - usual) / deviation
    by_group = np.maximum.reduceat(far, np.flatnonzero(np.diff(groups, prepend=-1)), axis=1)
    if most >= by_group.shape[1]:
        return np.broadcast_to(np.arange(by_group.shape[1]), by_group.shape)
    return np.argpartition(-by_group, most - 1, axis=1)[:, :most]


def _patches(shape: tuple[int, ...]) -> NDArray[np.intp]:
    """The patch of each pixel (h, w) of images (c, h, w)."""
    h, w = (np.arange(side) * min(_PATCHES, side) // side for side in shape[-2:])
    patches: NDArray[np.intp] = h[:, None] * (int(w.max()) + 1) + w
    return patches
