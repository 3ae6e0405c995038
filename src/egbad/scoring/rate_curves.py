"""ROC and precision-recall curves of a test set, with bootstrap intervals.

Rows are drawn again with replacement, normal rows and anomalies each among themselves, so that every resample has the base rate
of the test set (the stratified percentile bootstrap; Efron, 1979). The intervals tell how far a curve depends on the rows that
happen to be in the test set. They say nothing of another training.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from egbad.arrays import Floats
from egbad.errors import check_count
from egbad.scoring.calibration import check_rate
from egbad.scoring.metrics import check_scores

_GRID = np.linspace(0, 1, 201)  # places at which intervals are computed
_Curve = Callable[[Floats, Floats], tuple[Floats, Floats, float]]


@dataclass(frozen=True)
class RateCurve:
    """A curve of rates, the area below it, and their intervals.

    Attributes
    ----------
    x, y : ndarray of shape (n_points,)
        Points of the curve, with ascending x.
    grid, low, high : ndarray of shape (n_places,)
        Interval of y at each place of x.
    area, area_low, area_high : float
        Area below the curve, with its interval: AUROC, or average precision.
    """

    x: Floats
    y: Floats
    grid: Floats
    low: Floats
    high: Floats
    area: float
    area_low: float
    area_high: float


def roc_with_intervals(
    scores: ArrayLike, anomalous: ArrayLike, *, level: float = 0.95, n_resamples: int = 1000, random_state: int = 0
) -> RateCurve:
    """Compute the ROC curve: recall over the false-alarm rate.

    Parameters
    ----------
    scores : array-like of shape (n_samples,)
        Finite; higher is more anomalous.
    anomalous : array-like of bool of shape (n_samples,)
        With both classes present.
    level : float, default=0.95
        Probability of each interval, in (0, 1).
    n_resamples : int, default=1000
        Number of resamples.
    random_state : int, default=0
        Seed of the resamples.

    Returns
    -------
    RateCurve

    Raises
    ------
    InvalidInputError
        If the arrays do not match, a score is not finite, a class is missing, or a parameter is out of its range.

    Examples
    --------
    >>> curve = roc_with_intervals([0.1, 0.4, 0.3, 0.9], [False, False, True, True])
    >>> curve.area, curve.area_low, curve.area_high
    (0.75, 0.0, 1.0)
    """
    return _with_intervals(_roc, scores, anomalous, level, n_resamples, random_state)


def precision_recall_with_intervals(
    scores: ArrayLike, anomalous: ArrayLike, *, level: float = 0.95, n_resamples: int = 1000, random_state: int = 0
) -> RateCurve:
    """Compute the precision-recall curve: the precision of the highest threshold that reaches a recall.

    The area is average precision: the curve has steps, and is not interpolated between thresholds.

    Parameters
    ----------
    scores : array-like of shape (n_samples,)
        Finite; higher is more anomalous.
    anomalous : array-like of bool of shape (n_samples,)
        With both classes present.
    level : float, default=0.95
        Probability of each interval, in (0, 1).
    n_resamples : int, default=1000
        Number of resamples.
    random_state : int, default=0
        Seed of the resamples.

    Returns
    -------
    RateCurve

    Raises
    ------
    InvalidInputError
        If the arrays do not match, a score is not finite, a class is missing, or a parameter is out of its range.

    Examples
    --------
    >>> curve = precision_recall_with_intervals([0.1, 0.2, 0.3, 0.9], [False, True, False, True])
    >>> curve.x.tolist(), curve.y.round(2).tolist(), round(curve.area, 3)
    ([0.0, 0.5, 1.0], [1.0, 1.0, 0.67], 0.833)
    """
    return _with_intervals(_precision_recall, scores, anomalous, level, n_resamples, random_state)


def thin_points(x: Floats, y: Floats, max_points: int) -> tuple[Floats, Floats]:
    """Select points evenly along the length of a curve, so that steep parts keep their shape.

    Parameters
    ----------
    x, y : ndarray of shape (n_points,)
    max_points : int

    Returns
    -------
    x, y : ndarray of shape (at most max_points,)
    """
    if len(x) <= max_points:
        return x, y
    length = np.concatenate([[0.0], np.hypot(np.diff(x), np.diff(y)).cumsum()])
    kept = np.unique(np.searchsorted(length, np.linspace(0, length[-1], max_points)))
    return x[kept], y[kept]


def _roc(normals: Floats, anomalies: Floats) -> tuple[Floats, Floats, float]:
    """Return the false-alarm rates, recalls and AUROC of rows counted by distinct score, from the highest score on."""
    x, y = (np.concatenate([[0.0], counts.cumsum() / counts.sum()]) for counts in (normals, anomalies))
    return x, y, float(np.trapezoid(y, x))


def _precision_recall(normals: Floats, anomalies: Floats) -> tuple[Floats, Floats, float]:
    """Return the recalls, precisions and average precision of rows counted by distinct score, from the highest on."""
    found, flagged = anomalies.cumsum(), (normals + anomalies).cumsum()
    rises = np.flatnonzero(anomalies)
    recall, precision = found[rises] / found[-1], found[rises] / flagged[rises]
    area = float((np.diff(recall, prepend=0.0) * precision).sum())
    return np.concatenate([[0.0], recall]), np.concatenate([precision[:1], precision]), min(1.0, area)


def _at_grid(curve: _Curve, x: Floats, y: Floats) -> Floats:
    """Return a curve at the places of the grid: ROC curves are lines between points, the others steps."""
    if curve is _roc:
        return np.interp(_GRID, x, y)
    return np.asarray(y[np.searchsorted(x, _GRID - 1e-9)])


def _with_intervals(
    curve: _Curve, scores: ArrayLike, anomalous: ArrayLike, level: float, n_resamples: int, random_state: int
) -> RateCurve:
    """Return a curve of scores against labels, with intervals by stratified resampling."""
    s, is_anomaly = check_scores(scores, anomalous)
    check_rate("level", level)
    check_count("n_resamples", n_resamples)
    distinct, place = np.unique(-s, return_inverse=True)
    classes = [place[~is_anomaly], place[is_anomaly]]
    x, y, area = curve(*(_counts(own, len(distinct)) for own in classes))
    rng = np.random.default_rng(random_state)
    at_grid, areas = np.empty((n_resamples, len(_GRID))), np.empty(n_resamples)
    for i in range(n_resamples):
        drawn = [own[rng.integers(len(own), size=len(own))] for own in classes]
        resampled_x, resampled_y, areas[i] = curve(*(_counts(own, len(distinct)) for own in drawn))
        at_grid[i] = _at_grid(curve, resampled_x, resampled_y)
    tails = [(1 - level) / 2, (1 + level) / 2]
    low, high = np.quantile(at_grid, tails, axis=0)
    area_low, area_high = np.quantile(areas, tails)
    return RateCurve(x, y, _GRID, low, high, area, float(area_low), float(area_high))


def _counts(places: NDArray[np.intp], n: int) -> Floats:
    """Return the number of rows with each of n distinct scores."""
    return np.bincount(places, minlength=n).astype(np.float64)
