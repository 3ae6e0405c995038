"""Metrics of anomaly scores against labels.

A higher score is more anomalous. `anomalous` is True for an anomaly. Labels meet scores here and in
`egbad.scoring.localization`, `egbad.scoring.rate_curves` and `egbad.scoring.thresholds`, and nowhere else.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_auc_score

from egbad.arrays import Floats
from egbad.errors import InvalidInputError

Bools = NDArray[np.bool_]

_SERIES_BELOW = 1e-5  # base rate below which a series replaces a formula that loses all digits


@dataclass(frozen=True)
class TopShare:
    """Result of flagging the top share of a test set.

    Attributes
    ----------
    precision, recall, f1 : float
        In [0, 1]. `f1` is 0 if no flagged row is an anomaly.
    flagged : int
        Number of rows with a score at or above the threshold.
    ties : int
        Number of rows that share the threshold's score with another row: how many rows too many may be flagged.
    threshold : float
        Percentile of the scores.
    """

    precision: float
    recall: float
    f1: float
    flagged: int
    ties: int
    threshold: float


@dataclass(frozen=True)
class FlagCounts:
    """Confusion counts of a fixed threshold. A row is flagged if its score is above the threshold.

    Attributes
    ----------
    flagged : int
        Number of flagged rows.
    false_alarms : int
        Number of flagged normal rows.
    detected : int
        Number of flagged anomalies.
    normals, anomalies : int
        Number of rows of each class.
    """

    flagged: int
    false_alarms: int
    detected: int
    normals: int
    anomalies: int

    @property
    def flagged_share(self) -> float:
        """Flagged rows / all rows, in [0, 1]."""
        return self.flagged / (self.normals + self.anomalies)

    @property
    def false_alarm_rate(self) -> float:
        """Flagged normal rows / normal rows, in [0, 1]."""
        return self.false_alarms / self.normals

    @property
    def recall(self) -> float:
        """Flagged anomalies / anomalies, in [0, 1]."""
        return self.detected / self.anomalies

    @property
    def precision(self) -> float | None:
        """Flagged anomalies / flagged rows, in [0, 1]. None if no row is flagged."""
        return self.detected / self.flagged if self.flagged else None

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall, in [0, 1]. 0 if no flagged row is an anomaly."""
        return 2 * self.detected / (self.flagged + self.anomalies)


def auroc(scores: ArrayLike, anomalous: ArrayLike) -> float:
    """Compute the area under the ROC curve.

    This is the probability that an anomaly scores higher than a normal row, where ties count half. Chance is 0.5.

    Parameters
    ----------
    scores : array-like of shape (n_samples,)
        Finite.
    anomalous : array-like of bool of shape (n_samples,)
        With both classes present.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    InvalidInputError
        If the arrays do not match, a score is not finite, or a class is missing.

    Examples
    --------
    >>> auroc([0.1, 0.4, 0.3, 0.9], [False, False, True, True])
    0.75
    """
    s, y = check_scores(scores, anomalous)
    return float(roc_auc_score(y, s))


def average_precision(scores: ArrayLike, anomalous: ArrayLike) -> float:
    """Compute average precision, ``sum_k (R_k - R_(k-1)) P_k`` over all thresholds k.

    P is precision and R is recall. Unlike `trapezoidal_pr_auc` the sum does not interpolate between thresholds. Chance is
    the base rate.

    Parameters
    ----------
    scores : array-like of shape (n_samples,)
        Finite.
    anomalous : array-like of bool of shape (n_samples,)
        With both classes present.

    Returns
    -------
    float
        In (0, 1].

    Raises
    ------
    InvalidInputError
        If the arrays do not match, a score is not finite, or a class is missing.

    Examples
    --------
    >>> average_precision([0.1, 0.2, 0.9], [False, True, True])
    1.0
    """
    s, y = check_scores(scores, anomalous)
    return min(1.0, float(average_precision_score(y, s)))  # rounding may exceed 1


def trapezoidal_pr_auc(scores: ArrayLike, anomalous: ArrayLike) -> float:
    """Compute the area under the precision-recall curve by the trapezoidal rule, as the papers' code does.

    The result is mostly optimistic, because no threshold reaches the points between two others. Use it only for comparisons
    with published figures, otherwise `average_precision`.

    Parameters
    ----------
    scores : array-like of shape (n_samples,)
        Finite.
    anomalous : array-like of bool of shape (n_samples,)
        With both classes present.

    Returns
    -------
    float
        In (0, 1].

    Raises
    ------
    InvalidInputError
        If the arrays do not match, a score is not finite, or a class is missing.

    Examples
    --------
    >>> trapezoidal_pr_auc([0.1, 0.2, 0.9], [False, True, True])
    1.0
    """
    s, y = check_scores(scores, anomalous)
    precision, recall, _ = precision_recall_curve(y, s)
    return min(1.0, float(auc(recall, precision)))


def base_rate(anomalous: ArrayLike) -> float:
    """Return the share of anomalies. Average precision cannot be interpreted without it.

    Parameters
    ----------
    anomalous : array-like of bool of shape (n_samples,)

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    InvalidInputError
        If there are no rows, or `anomalous` is not an array of booleans.

    Examples
    --------
    >>> base_rate([True, False, False, False])
    0.25
    """
    y = _check_labels(anomalous)
    if not len(y):
        raise InvalidInputError("A base rate needs at least one row, got none. Pass the labels of the test rows.")
    return float(y.mean())


def average_precision_bounds(base_rate: float) -> tuple[float, float]:
    """Return the smallest possible average precision at a base rate, and that of chance.

    For many rows the minimum is ``1 + (1 - p) ln(1 - p) / p`` with base rate p; for few rows this is a lower bound.
    Chance is p. A published figure below the minimum was measured at another base rate.

    Parameters
    ----------
    base_rate : float
        Share of anomalies, in (0, 1).

    Returns
    -------
    minimum, chance : float

    Raises
    ------
    InvalidInputError
        If `base_rate` is not in (0, 1).

    Examples
    --------
    >>> minimum, chance = average_precision_bounds(0.331)
    >>> round(minimum, 3), chance
    (0.188, 0.331)
    """
    p = base_rate
    if not 0 < p < 1:
        raise InvalidInputError(f"base_rate must be in (0, 1), got {p}. Average precision needs rows of both classes.")
    # The formula is a difference of nearly equal terms: for tiny p the series p/2 + p^2/6 is more accurate.
    minimum = p / 2 + p * p / 6 if p < _SERIES_BELOW else 1 + (1 - p) * math.log1p(-p) / p
    return minimum, p


def top_share(scores: ArrayLike, anomalous: ArrayLike, share: float = 0.2) -> TopShare:
    """Compute precision, recall and F1 when the top share of the scores is flagged.

    DAGMM, EGBAD and ALAD report KDD99 in this way. The threshold is ``percentile(scores, 100 (1 - share))`` of the test
    set itself, and a row at or above it is flagged, so that ties at the threshold flag more than `share`. This is a rule
    for benchmarks only, because it requires knowing the share of anomalies.

    Parameters
    ----------
    scores : array-like of shape (n_samples,)
        Finite.
    anomalous : array-like of bool of shape (n_samples,)
        With both classes present.
    share : float, default=0.2
        Share of rows to flag, in (0, 1).

    Returns
    -------
    TopShare

    Raises
    ------
    InvalidInputError
        If `share` is not in (0, 1), the arrays do not match, a score is not finite, or a class is missing.

    Examples
    --------
    >>> top_share([1.0, 2.0, 3.0, 4.0, 5.0], [False, False, False, False, True]).precision
    1.0
    """
    if not 0 < share < 1:
        raise InvalidInputError(f"share must be in (0, 1), got {share}. Pass 0.2 to flag the top 20 percent.")
    s, y = check_scores(scores, anomalous)
    threshold = float(np.percentile(s, 100 * (1 - share)))
    flagged = s >= threshold
    detected, n_flagged = int((flagged & y).sum()), int(flagged.sum())
    precision, recall = detected / n_flagged, detected / int(y.sum())
    return TopShare(
        precision=precision,
        recall=recall,
        f1=2 * precision * recall / (precision + recall) if detected else 0.0,
        flagged=n_flagged,
        ties=max(int((s == threshold).sum()) - 1, 0),
        threshold=threshold,
    )


def count_flags(scores: ArrayLike, anomalous: ArrayLike, threshold: float) -> FlagCounts:
    """Count flagged normals and anomalies at a threshold that was set before, on normal rows only.

    Parameters
    ----------
    scores : array-like of shape (n_samples,)
        Finite.
    anomalous : array-like of bool of shape (n_samples,)
        With both classes present.
    threshold : float
        A score above it is flagged.

    Returns
    -------
    FlagCounts

    Raises
    ------
    InvalidInputError
        If `threshold` or a score is not finite, the arrays do not match, or a class is missing.

    Examples
    --------
    >>> count_flags([0.1, 0.6, 0.9], [False, False, True], threshold=0.5).false_alarm_rate
    0.5
    """
    if not math.isfinite(threshold):
        raise InvalidInputError(f"threshold must be finite, got {threshold}. Fit the detector first.")
    s, y = check_scores(scores, anomalous)
    flagged = s > threshold
    return FlagCounts(
        flagged=int(flagged.sum()),
        false_alarms=int((flagged & ~y).sum()),
        detected=int((flagged & y).sum()),
        normals=int((~y).sum()),
        anomalies=int(y.sum()),
    )


def check_scores(scores: ArrayLike, anomalous: ArrayLike) -> tuple[Floats, Bools]:
    """Validate scores and labels of a test set.

    Returns
    -------
    scores : ndarray of float64 of shape (n_samples,)
    anomalous : ndarray of bool of shape (n_samples,)

    Raises
    ------
    InvalidInputError
        If the arrays do not match, a score is not finite, or a class is missing.
    """
    s, y = np.asarray(scores, dtype=np.float64), _check_labels(anomalous)
    if s.ndim != 1 or s.shape != y.shape:
        raise InvalidInputError(
            f"scores and anomalous must be one-dimensional and equally long, got shapes {s.shape} and {y.shape}."
        )
    if not np.isfinite(s).all():
        first = int(np.flatnonzero(~np.isfinite(s))[0])
        raise InvalidInputError(f"scores must be finite, got {s[first]} in row {first}. Check the data and the model.")
    if not y.any() or y.all():
        only = "anomalies" if y.any() else "normals"
        raise InvalidInputError(f"The test rows must contain both normals and anomalies, got {len(y)} {only} only.")
    return s, y


def _check_labels(anomalous: ArrayLike) -> Bools:
    y = np.asarray(anomalous)
    if y.ndim != 1 or not np.isin(y, (0, 1)).all():
        raise InvalidInputError(
            f"anomalous must be a one-dimensional array of True (anomaly) and False (normal), got shape {y.shape} and "
            f"dtype {y.dtype}. Compare your labels with the label of an anomaly first."
        )
    return y.astype(np.bool_)
