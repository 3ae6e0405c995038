"""Thresholds chosen by labels or by a budget of flags.

Data that chose a threshold flatters it. Measure its flags on other rows: `split_halves` makes two halves.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from egbad.arrays import Floats
from egbad.errors import InvalidInputError, unknown
from egbad.scoring.metrics import check_scores

CRITERIA = ("f1", "precision", "recall", "cost", "flags")


def choose_threshold(
    scores: ArrayLike, anomalous: ArrayLike | None, criterion: str = "f1", value: float | None = None
) -> float:
    """Choose a threshold on scores. A row is flagged if its score is above the threshold.

    Of thresholds that are equally good, the highest is chosen: the one that flags least.

    Parameters
    ----------
    scores : array-like of shape (n_samples,)
        Finite.
    anomalous : array-like of bool of shape (n_samples,) or None
        True for anomalies, with both classes present. The criterion "flags" needs no labels.
    criterion : {"f1", "precision", "recall", "cost", "flags"}, default="f1"
        - ``"f1"``: the highest F1;
        - ``"precision"``: the highest recall with a precision of at least `value`;
        - ``"recall"``: the fewest flags with a recall of at least `value`;
        - ``"cost"``: the lowest cost, if a missed anomaly costs `value` times as much as a false alarm;
        - ``"flags"``: as many flags as possible, at most a share `value` of the rows. For a budget of 10 flags a day with
          20,000 rows a day, `value` is 10 / 20,000.
    value : float, optional
        See `criterion`. In (0, 1] for a precision, a recall or a share, positive for a cost.

    Returns
    -------
    float
        Halfway between two scores, or beyond the last one.

    Raises
    ------
    InvalidInputError
        If scores and labels do not match, `value` is out of its range, or no threshold has the wanted precision.

    Examples
    --------
    >>> scores, anomalous = [1.0, 2.0, 3.0, 4.0], [False, True, False, True]
    >>> choose_threshold(scores, anomalous, "recall", 1.0), choose_threshold(scores, anomalous, "precision", 1.0)
    (1.5, 3.5)
    >>> choose_threshold(scores, None, "flags", 0.5)
    2.5
    """
    wanted = check_criterion(criterion, value)
    s, y = _check(scores, anomalous, labelled=criterion != "flags")
    levels, position = np.unique(s, return_inverse=True)
    # Candidate k flags the scores from the k-th distinct one on; the last candidate flags nothing.
    detected, false_alarms = (_counts_from(position, kind, len(levels)) for kind in (y, ~y))
    flagged, n_anomalies = detected + false_alarms, int(y.sum())
    if criterion == "f1":
        merit = 2 * detected / (flagged + n_anomalies)
    elif criterion == "cost":
        merit = -(wanted * (n_anomalies - detected) + false_alarms)
    elif criterion == "recall":
        merit = np.where(detected >= wanted * n_anomalies * (1 - 1e-12), -flagged, -np.inf)
    elif criterion == "flags":
        merit = np.where(flagged <= wanted * len(s) * (1 + 1e-12), flagged, -np.inf)
    else:
        precision = np.divide(detected, flagged, out=np.zeros(len(flagged)), where=flagged > 0)
        if precision.max() < wanted:
            raise InvalidInputError(f"No threshold has a precision of {wanted:g}, the best has {precision.max():.3g}.")
        merit = np.where(precision >= wanted, detected, -np.inf)
    return _between(levels, int(np.flatnonzero(merit == merit.max())[-1]))


def split_halves(scores: ArrayLike, anomalous: ArrayLike, seed: int = 0) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Split labelled rows at random into two halves: one to choose a threshold, one to measure it.

    Each half has half of the anomalies. Rows of one class with equal scores, such as duplicates, stay together.

    Parameters
    ----------
    scores : array-like of shape (n_samples,)
    anomalous : array-like of bool of shape (n_samples,)
    seed : int, default=0

    Returns
    -------
    first, second : ndarray of int
        Positions of the rows, ascending.

    Raises
    ------
    InvalidInputError
        If a class has fewer than two different scores.

    Examples
    --------
    >>> first, second = split_halves([1.0, 2.0, 3.0, 4.0], [False, False, True, True])
    >>> len(first), len(second)
    (2, 2)
    """
    s, y = check_scores(scores, anomalous)
    rng = np.random.default_rng(seed)
    in_first = np.zeros(len(s), dtype=np.bool_)
    for kind, name in ((y, "anomalies"), (~y, "normal rows")):
        levels, position = np.unique(s[kind], return_inverse=True)
        if len(levels) < 2:
            raise InvalidInputError(
                f"Rows that choose a threshold cannot measure it: there must be two {name} with different scores at "
                "least. Label more rows."
            )
        in_first[kind] = (rng.permutation(len(levels)) % 2 == 0)[position]
    return np.flatnonzero(in_first), np.flatnonzero(~in_first)


def check_criterion(criterion: str, value: float | None) -> float:
    """Check a criterion of `choose_threshold` and its value.

    Parameters
    ----------
    criterion : str
    value : float or None

    Returns
    -------
    float
        The value, 0 for a criterion without one.

    Raises
    ------
    InvalidInputError
        If the criterion is unknown or the value is out of its range.
    """
    if criterion not in CRITERIA:
        raise unknown("criterion", criterion, CRITERIA)
    if criterion == "f1":
        if value is not None:
            raise InvalidInputError(f"The criterion 'f1' takes no value, got {value:g}.")
        return 0.0
    if value is None or not 0 < value < np.inf or (criterion != "cost" and value > 1):
        limits = "positive" if criterion == "cost" else "in (0, 1]"
        raise InvalidInputError(f"The value of the criterion '{criterion}' must be {limits}, got {value}.")
    return value


def _check(scores: ArrayLike, anomalous: ArrayLike | None, *, labelled: bool) -> tuple[Floats, NDArray[np.bool_]]:
    """Return checked scores and labels (n,); labels that are not needed are all False."""
    if labelled:
        if anomalous is None:
            raise InvalidInputError("This criterion needs labels. Pass `anomalous`, or choose by 'flags'.")
        return check_scores(scores, anomalous)
    s = np.asarray(scores, dtype=np.float64)
    if s.ndim != 1 or not len(s) or not np.isfinite(s).all():
        raise InvalidInputError(f"Scores must be finite and of shape (n_samples,), got shape {s.shape}.")
    return s, np.zeros(len(s), dtype=np.bool_)


def _counts_from(position: NDArray[np.intp], kind: NDArray[np.bool_], n_levels: int) -> NDArray[np.int64]:
    """Return for each level, and beyond the last, the number (n_levels + 1,) of rows of a kind at it or above."""
    counts = np.bincount(position[kind], minlength=n_levels)
    return np.append(counts[::-1].cumsum()[::-1], 0)


def _between(levels: Floats, k: int) -> float:
    """Return a threshold that flags the ascending levels from the k-th on."""
    if k == len(levels):
        return float(levels[-1])
    if k == 0:
        return float(np.nextafter(levels[0], -np.inf))
    low, high = float(levels[k - 1]), float(levels[k])
    middle = low + (high - low) / 2
    return middle if middle < high else low
