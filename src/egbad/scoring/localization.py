"""Metrics of pixel scores against masks of defects."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import label
from sklearn.metrics import auc

from egbad.arrays import Floats
from egbad.errors import InvalidInputError
from egbad.scoring.metrics import Bools, check_scores


def per_region_overlap(scores: ArrayLike, masks: ArrayLike, limit: float = 0.3) -> float:
    """Compute the per-region overlap (PRO) of pixel scores with defects (Bergmann et al., 2020, arXiv:1911.02357).

    At every threshold, the overlap is the share of a connected region's pixels that score above it, averaged over
    regions of any size. PRO is the area under the curve of overlap over the false alarm rate of normal pixels, from 0 to
    `limit`, divided by `limit`. Chance is ``limit / 2``.

    Parameters
    ----------
    scores : array-like of shape (n_samples, height, width)
        Finite.
    masks : array-like of bool of shape (n_samples, height, width)
        True inside a defect. Pixels that touch at a corner belong to the same region.
    limit : float, default=0.3
        Highest false alarm rate, in (0, 1].

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    InvalidInputError
        If `limit` is not in (0, 1], the arrays do not match, a score is not finite, or a class is missing.

    Examples
    --------
    >>> per_region_overlap([[[0.0, 0.1, 0.9]]], [[[False, False, True]]])
    1.0
    """
    if not 0 < limit <= 1:
        raise InvalidInputError(f"limit must be in (0, 1], got {limit}.")
    pixels = np.asarray(masks)
    s, y = check_scores(np.asarray(scores).ravel(), pixels.ravel())
    weights, n_regions = _region_weights(pixels)
    order = np.argsort(-s, kind="stable")
    last_of_ties = np.r_[np.flatnonzero(np.diff(s[order])), len(s) - 1]
    overlap = np.r_[0, weights.ravel()[order].cumsum()[last_of_ties] / n_regions]
    false_alarm_rate = np.r_[0, (~y[order]).cumsum()[last_of_ties] / (~y).sum()]
    overlap_at_limit = float(np.interp(limit, false_alarm_rate, overlap))
    below = false_alarm_rate < limit
    return float(auc(np.r_[false_alarm_rate[below], limit], np.r_[overlap[below], overlap_at_limit]) / limit)


def _region_weights(masks: Bools) -> tuple[Floats, int]:
    """Return 1 / size of the connected region that each masked pixel (n, h, w) belongs to, and the number of regions."""
    eight_neighbours = np.ones((3, 3))
    weights, n_regions = np.zeros(masks.shape), 0
    for i, mask in enumerate(masks):
        labels, n_found = label(mask, eight_neighbours)
        sizes = np.bincount(labels.ravel(), minlength=n_found + 1)
        weights[i][mask] = 1 / sizes[labels[mask]]
        n_regions += n_found
    return weights, n_regions
