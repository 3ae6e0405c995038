"""Reasons for any score, by a function of encoded rows or images alone: what it loses when a part is hidden."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from egbad.explanation import Array, Floats, Parts, shared_out

_PATCHES = 8  # of an image's side
_AT_ONCE = 4096  # rows or images with something hidden that are scored together: bounds memory


def occlusion(
    score: Callable[[Array], Floats], x: Array, usual: Array, groups: NDArray[np.intp] | None = None
) -> Parts:
    """Shares of what a score exceeds that of the mean by, after hiding each group of columns, or each patch of an image.

    Parameters
    ----------
    score : callable
        Encoded (n, ...) -> (n,).
    x : array (n, ...)
        Encoded rows or images.
    usual : array (...)
        What is put in the place of what is hidden.
    groups : array (d,), optional
        The group of each encoded column; of images patches are made.
    """
    own = _patches(x.shape[1:]) if groups is None else groups
    n, g = len(x), int(own.max()) + 1
    hidden = np.broadcast_to(own, x.shape[1:])[None] == np.arange(g).reshape(-1, *[1] * (x.ndim - 1))  # (g, ...)
    falls = np.empty((n, g))
    whole = score(x)
    size = max(1, _AT_ONCE // g)
    for start in range(0, n, size):
        part = x[start : start + size]
        variants = np.where(hidden[None], usual, part[:, None]).astype(x.dtype)  # (b, g, ...)
        scores = score(variants.reshape(-1, *x.shape[1:])).reshape(len(part), g)
        falls[start : start + size] = whole[start : start + size, None] - scores
    base = np.repeat(score(usual[None].astype(x.dtype)), n)
    by_group = shared_out(np.maximum(falls, 0), whole - base)
    counts = np.bincount(np.broadcast_to(own, x.shape[1:]).ravel(), minlength=g)
    shares = (by_group / counts)[:, np.broadcast_to(own, x.shape[1:])]
    return Parts(shares, base, np.broadcast_to(usual, x.shape).copy(), "occlusion")


def _patches(shape: tuple[int, ...]) -> NDArray[np.intp]:
    """The patch of each pixel (h, w) of images (c, h, w)."""
    h, w = (np.arange(side) * min(_PATCHES, side) // side for side in shape[-2:])
    patches: NDArray[np.intp] = h[:, None] * (int(w.max()) + 1) + w
    return patches
