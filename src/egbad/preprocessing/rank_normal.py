"""Normal scores of ranks: a transform to columns that are normally distributed in training.

A value becomes the quantile of the standard normal distribution at its mid-rank, interpolated linearly between at most
`MAX_KNOTS` values of the training column. Beyond the training range it goes on in standard deviations of the column, so that
values farther out are farther away.
"""

import numpy as np
from scipy.special import ndtri

from egbad.arrays import Array, Floats

MAX_KNOTS = 1_000  # values kept of each column


def rank_knots(x: Array) -> tuple[Floats, Floats]:
    """Return values of each column and the normal scores of their mid-ranks.

    Parameters
    ----------
    x : ndarray of shape (n, d)

    Returns
    -------
    values, scores : ndarray of shape (n_knots, d)
        Ascending in each column. Columns with fewer values repeat their last one.

    Examples
    --------
    >>> values, scores = rank_knots(np.array([[3.0], [1.0], [1.0], [8.0]]))
    >>> values.ravel().tolist(), scores.ravel().round(2).tolist()
    ([1.0, 3.0, 8.0], [-0.67, 0.32, 1.15])
    """
    columns = [_knots_of_column(column) for column in x.T]
    n_knots = max(len(values) for values, _ in columns)
    values, scores = (
        np.stack([np.pad(a, (0, n_knots - len(a)), mode="edge") for a in arrays], axis=1)
        for arrays in zip(*columns, strict=True)
    )
    return values, scores


def _knots_of_column(x: Array) -> tuple[Floats, Floats]:
    n = len(x)
    values, counts = np.unique(x.astype(np.float64), return_counts=True)
    scores = ndtri((np.cumsum(counts) - counts / 2) / n)  # mid-ranks lie between 0.5 / n and 1 - 0.5 / n
    if len(values) > MAX_KNOTS:
        kept = np.unique(np.rint(np.linspace(0, len(values) - 1, MAX_KNOTS)).astype(np.intp))
        values, scores = values[kept], scores[kept]
    return values, scores


def to_scores(x: Array, values: Floats, scores: Floats, deviation: Floats) -> Floats:
    """Transform columns to normal scores.

    Parameters
    ----------
    x : ndarray of shape (n, d)
        NaN stays NaN.
    values, scores : ndarray of shape (n_knots, d)
        From `rank_knots`.
    deviation : ndarray of shape (d,)
        Standard deviation of each column, the unit beyond the training range.

    Returns
    -------
    ndarray of shape (n, d)
    """
    z = np.empty(x.shape)
    for j in range(x.shape[1]):
        z[:, j] = np.interp(x[:, j], values[:, j], scores[:, j])
    with np.errstate(over="ignore"):  # values far beyond the range may become infinite
        return np.asarray(z + (np.maximum(x - values[-1], 0) - np.maximum(values[0] - x, 0)) / deviation)


def from_scores(z: Array, values: Floats, scores: Floats, deviation: Floats) -> Floats:
    """Transform normal scores back to columns.

    Parameters
    ----------
    z : ndarray of shape (n, d)
    values, scores : ndarray of shape (n_knots, d)
    deviation : ndarray of shape (d,)

    Returns
    -------
    ndarray of shape (n, d)
    """
    x = np.empty(z.shape)
    for j in range(z.shape[1]):
        x[:, j] = np.interp(z[:, j], scores[:, j], values[:, j])
    return np.asarray(x + (np.maximum(z - scores[-1], 0) - np.maximum(scores[0] - z, 0)) * deviation)
