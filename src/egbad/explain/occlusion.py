"""Attribution by occlusion, for any score: how much the score falls when a column or patch is replaced by the mean."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from egbad.arrays import Array, Floats
from egbad.explain.explanation import Attribution, distribute

_PATCHES_PER_SIDE = 8  # images are occluded in a grid of at most 8 x 8 patches
_BATCH_ROWS = 4096  # occluded variants scored together: bounds memory


def occlusion(
    score: Callable[[Array], Floats],
    x: Array,
    mean: Array,
    scores: Floats,
    groups: NDArray[np.intp] | None = None,
    occluded: NDArray[np.intp] | None = None,
) -> Attribution:
    """Attribute scores by replacing groups of columns, or patches of an image, by their mean, one at a time.

    The difference between a row's score and the score of the mean is distributed over the groups in proportion to the
    decrease of the score that each replacement causes. Groups that do not decrease it get no share.

    Parameters
    ----------
    score : callable
        Maps encoded rows or images of shape (n, ...) to scores of shape (n,).
    x : ndarray of shape (n_samples, ...)
        Encoded rows or images.
    mean : ndarray of shape (...)
        The replacement: an encoded row or image.
    scores : ndarray of shape (n_samples,)
        Scores of `x`.
    groups : ndarray of int of shape (n_encoded,), optional
        Group of each encoded column. By default images are divided into patches.
    occluded : ndarray of int of shape (n_samples, n_occluded), optional
        Groups to occlude in each row. By default all.

    Returns
    -------
    Attribution
        With the shape of `x`; `base` is the score of the mean.
    """
    group_of = np.broadcast_to(_patches(x.shape[1:]) if groups is None else groups, x.shape[1:]).astype(np.int32)
    n_samples, n_groups = len(x), int(group_of.max()) + 1
    if occluded is None:
        occluded = np.broadcast_to(np.arange(n_groups), (n_samples, n_groups))
    decrease = np.zeros((n_samples, n_groups))
    batch_size = max(1, _BATCH_ROWS // occluded.shape[1])
    for start in range(0, n_samples, batch_size):
        batch = slice(start, start + batch_size)
        which = occluded[batch]
        mask = group_of[None, None] == which.astype(np.int32).reshape(*which.shape, *[1] * (x.ndim - 1))  # (b, m, ...)
        variants = np.where(mask, mean, x[batch, None]).astype(x.dtype, copy=False)
        occluded_scores = score(variants.reshape(-1, *x.shape[1:])).reshape(which.shape)
        np.put_along_axis(decrease[batch], which, scores[batch, None] - occluded_scores, axis=1)
    base = np.repeat(score(mean[None].astype(x.dtype)), n_samples)
    by_group = distribute(np.maximum(decrease, 0), scores - base)
    group_sizes = np.bincount(group_of.ravel(), minlength=n_groups)
    shares = (by_group / group_sizes)[:, group_of]
    return Attribution(shares, base, np.broadcast_to(mean, x.shape).copy(), "occlusion")


def farthest_groups(
    x: Array, mean: Array, deviation: Array, groups: NDArray[np.intp], n_groups: int
) -> NDArray[np.intp]:
    """Return the groups of columns that are farthest from the mean, in standard deviations.

    Parameters
    ----------
    x : ndarray of shape (n_samples, n_encoded)
        Encoded rows.
    mean, deviation : ndarray of shape (n_encoded,)
        Mean and standard deviation of each encoded column.
    groups : ndarray of int of shape (n_encoded,)
        Group of each encoded column, ascending.
    n_groups : int
        Number of groups to return, or all if there are fewer.

    Returns
    -------
    ndarray of int of shape (n_samples, min(n_groups, number of groups))
        In no particular order.
    """
    distance = np.abs(x - mean) / deviation
    by_group = np.maximum.reduceat(distance, np.flatnonzero(np.diff(groups, prepend=-1)), axis=1)
    if n_groups >= by_group.shape[1]:
        return np.broadcast_to(np.arange(by_group.shape[1]), by_group.shape)
    return np.argpartition(-by_group, n_groups - 1, axis=1)[:, :n_groups]


def _patches(shape: tuple[int, ...]) -> NDArray[np.intp]:
    """Return the patch (h, w) of each pixel of images of shape (c, h, w)."""
    h, w = (np.arange(side) * min(_PATCHES_PER_SIDE, side) // side for side in shape[-2:])
    patches: NDArray[np.intp] = h[:, None] * (int(w.max()) + 1) + w
    return patches
