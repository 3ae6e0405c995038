"""Threshold, p-values and discoveries from the scores of held-out normal rows.

The p-values are conformal (Vovk et al., 2005; Bates et al., 2023, "Testing for outliers with conformal p-values"): the
rank of a score among n calibration scores of normal rows that were not trained on. For a normal row the p-value is at
most `alpha` with probability at most `alpha`, whatever the detector.
"""

import warnings
from math import ceil, floor, log
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egbad.arrays import Floats
from egbad.errors import CalibrationWarning, InvalidInputError

_ROUNDING = 1e-9  # absorbs the rounding of products such as 0.29 * 100


def p_values(calibration: Floats, scores: Floats) -> Floats:
    """Compute conformal p-values.

    With m calibration scores c, ``p(s) = (1 + #{i : c_i >= s}) / (m + 1)``.

    Parameters
    ----------
    calibration : ndarray of shape (n_calibration,)
        Scores of held-out normal rows, sorted in ascending order.
    scores : ndarray of shape (n_samples,)

    Returns
    -------
    ndarray of shape (n_samples,)
        In (0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> p_values(np.array([1.0, 2.0, 3.0]), np.array([0.0, 2.5, 9.0]))
    array([1.  , 0.5 , 0.25])
    """
    n_at_least = len(calibration) - np.searchsorted(calibration, scores, side="left")
    return np.asarray((1 + n_at_least) / (1 + len(calibration)), dtype=np.float64)


def threshold(calibration: Floats, alpha: float) -> float:
    """Return the score above which the p-value is at most `alpha`.

    This is the calibration score of rank ``floor(alpha * (m + 1))``, counted from the largest. If m is too small for
    `alpha` (``m < 1 / alpha - 1``), no p-value can reach `alpha`. Then the largest calibration score is returned, and
    the false alarm rate is about ``1 / (m + 1)``; `warn_if_too_few` says so.

    Parameters
    ----------
    calibration : ndarray of shape (n_calibration,)
        Scores of held-out normal rows, sorted in ascending order.
    alpha : float
        False alarm rate, in (0, 1).

    Returns
    -------
    float

    Raises
    ------
    InvalidInputError
        If `alpha` is not in (0, 1).

    Examples
    --------
    >>> import numpy as np
    >>> threshold(np.arange(1.0, 100.0), 0.05)
    95.0
    """
    m = len(calibration)
    check_rate("alpha", alpha)
    return float(calibration[m - max(1, floor(alpha * (m + 1) + _ROUNDING))])


def warn_if_too_few(m: int, alpha: float, stacklevel: int = 2) -> None:
    """Warn if m calibration scores are too few for `alpha`.

    Parameters
    ----------
    m : int
        Number of calibration scores.
    alpha : float
        False alarm rate, in (0, 1).
    stacklevel : int
        As in `warnings.warn`.

    Warns
    -----
    CalibrationWarning

    Raises
    ------
    InvalidInputError
        If `alpha` is not in (0, 1).
    """
    check_rate("alpha", alpha)
    if m < required_rows(alpha):
        warnings.warn(
            f"alpha={alpha:g} needs at least {required_rows(alpha)} calibration rows, got {m}. "
            f"About {1 / (m + 1):.2g} of normal rows will be flagged. Fit on more rows or increase alpha.",
            CalibrationWarning,
            stacklevel=stacklevel + 1,
        )


def required_rows(alpha: float) -> int:
    """Return the number of calibration rows from which on a p-value can reach `alpha`.

    Examples
    --------
    >>> required_rows(0.01)
    99
    """
    return ceil(1 / alpha - 1 - _ROUNDING)


def check_rate(name: str, value: Any) -> None:
    """Raise unless a parameter is a number in (0, 1).

    Raises
    ------
    InvalidInputError
    """
    if not isinstance(value, Real) or not 0 < float(value) < 1:
        found = value if isinstance(value, Real) else repr(value)
        raise InvalidInputError(f"{name} must be in (0, 1), got {found}.")


def false_alarm_rate(calibration: Floats, threshold: float) -> float:
    """Return the expected share of normal rows with a score above a threshold.

    With m calibration scores c, ``(1 + #{i : c_i > threshold}) / (m + 1)``.

    Parameters
    ----------
    calibration : ndarray of shape (n_calibration,)
        Scores of held-out normal rows.
    threshold : float

    Returns
    -------
    float
        In (0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> false_alarm_rate(np.arange(1.0, 100.0), 95.0), false_alarm_rate(np.arange(1.0, 10.0), 9.0)
    (0.05, 0.1)
    """
    return (1 + int((calibration > threshold).sum())) / (len(calibration) + 1)


def cross_conformal_p_values(scores: Floats) -> Floats:
    """Compute p-values of rows from their out-of-fold scores: the share of all n rows with a score at least as high.

    Parameters
    ----------
    scores : ndarray of shape (n,)

    Returns
    -------
    ndarray of shape (n,)
        In (0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> cross_conformal_p_values(np.array([3.0, 1.0, 7.0, 2.0]))
    array([0.5 , 1.  , 0.25, 0.75])
    """
    n_at_least = len(scores) - np.searchsorted(np.sort(scores), scores, side="left")
    return np.asarray(n_at_least / len(scores), dtype=np.float64)


def threshold_of_share(scores: Floats, share: float) -> float:
    """Return the score above which at most a share of the scores lies.

    Parameters
    ----------
    scores : ndarray of shape (n,)
    share : float
        In (0, 1).

    Returns
    -------
    float

    Examples
    --------
    >>> import numpy as np
    >>> threshold_of_share(np.arange(100.0), 0.05)
    94.0
    """
    n = len(scores)
    return float(np.sort(scores)[n - 1 - floor(share * n + _ROUNDING)])


def benjamini_hochberg(p: Floats, fdr: float) -> NDArray[np.bool_]:
    """Select discoveries from p-values so that the expected share of false ones is at most `fdr`.

    With n p-values in ascending order, all p-values up to ``max{p_(k) : p_(k) <= fdr * k / n}`` are discoveries
    (Benjamini and Hochberg, 1995). The guarantee holds for conformal p-values that share their calibration rows (Bates et
    al., 2023, theorem 2).

    Parameters
    ----------
    p : ndarray of shape (n_samples,)
        p-values.
    fdr : float
        False discovery rate, in (0, 1).

    Returns
    -------
    ndarray of bool of shape (n_samples,)

    Examples
    --------
    >>> import numpy as np
    >>> benjamini_hochberg(np.array([0.01, 0.4, 0.02, 0.9]), 0.05)
    array([ True, False,  True, False])
    """
    n = len(p)
    ordered = np.sort(p)
    passed = np.flatnonzero(ordered <= fdr * np.arange(1, n + 1) / n)
    if len(passed) == 0:
        return np.zeros(n, dtype=np.bool_)
    return np.asarray(p <= ordered[passed[-1]], dtype=np.bool_)


def holm(p: Floats) -> Floats:
    """Adjust p-values so that rejecting those up to a level makes any error at all with at most that probability.

    The k-th smallest of n p-values is multiplied by ``n - k + 1`` (Holm, 1979). The tests may depend on each other.

    Parameters
    ----------
    p : ndarray of shape (n_tests,)

    Returns
    -------
    ndarray of shape (n_tests,)
        In (0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> holm(np.array([0.01, 0.5, 0.04]))
    array([0.03, 0.5 , 0.08])
    """
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return adjusted


class NegativeLogTail:
    """Negative log of a score's tail probability among normal rows: a common scale for scores of different detectors.

    Within the calibration scores, ``-log p(s)`` with the conformal p-value p, interpolated linearly between at most 64
    of the calibration scores. Interpolation keeps the result continuous: a step between two calibration scores that are
    almost equal would amplify rounding errors.

    Beyond the highest tenth of the calibration scores p-values soon become constant. There the tail is exponential,
    ``-log p(t) + (s - t) / scale``, where t is the score at which the highest tenth begins and `scale` is the mean
    excess over t: the peaks-over-threshold method (Pickands, 1975) with shape 0, which needs the fewest rows.

    Parameters
    ----------
    calibration : ndarray of shape (n_calibration,)
        Scores of normal rows that were not trained on, in any order.

    Attributes
    ----------
    values : ndarray of shape (n_knots,)
        Calibration scores between which p is interpolated, ascending.
    p : ndarray of shape (n_knots,)
        Their p-values.
    tail_start, tail_start_p : float
        The score t at which the exponential tail begins, and its p-value.
    scale : float
        Scale of the exponential tail.
    """

    _TAIL_FRACTION = 0.1  # share of the calibration scores that the exponential tail is fitted to
    _MIN_TAIL = 5  # calibration scores in the tail, at least
    _MAX_KNOTS = 64  # calibration scores for interpolation, at most
    _MIN_KNOTS = 8  # and at least
    _ROWS_PER_KNOT = 16  # calibration scores per knot
    _TOLERANCE = 1e-6  # scores that differ by less, relative to their size or to the scale of the tail, are tied
    _MIN_SCALE = 1e-150  # a score divided by less may overflow

    def __init__(self, calibration: Floats) -> None:
        known = np.sort(calibration)
        m = len(known)
        start = m - min(m, max(self._MIN_TAIL, ceil(self._TAIL_FRACTION * m)))
        self.scale = self._tail_scale(known, start)
        # Knots at equal steps of the result, so that the resolution is best towards the tail.
        n_knots = min(self._MAX_KNOTS, max(self._MIN_KNOTS, m // self._ROWS_PER_KNOT))
        positions = np.rint(m * -np.expm1(np.linspace(0, np.log1p(-start / m), n_knots))).astype(np.intp)
        values, tied = known[positions], self._TOLERANCE * self.scale
        self.values = values[np.diff(values, prepend=-np.inf) > tied]
        self.p = (m - np.searchsorted(known, self.values - tied)) / (m + 1)
        self.tail_start, self.tail_start_p = float(self.values[-1]), float(self.p[-1])

    def __call__(self, scores: Floats) -> Floats:
        """Transform scores to negative log tail probabilities.

        Parameters
        ----------
        scores : ndarray of shape (n_samples,)

        Returns
        -------
        ndarray of shape (n_samples,)
            At least 0, and not decreasing in the score.

        Examples
        --------
        >>> import numpy as np
        >>> NegativeLogTail(np.arange(1.0, 100.0))(np.array([0.0, 50.0, 95.0, 1000.0])).round(2)
        array([1.0000e-02, 6.9000e-01, 3.4100e+00, 2.0452e+02])
        """
        within = -np.log(np.interp(scores, self.values, self.p))
        beyond = -log(self.tail_start_p) + (scores - self.tail_start) / self.scale
        return np.asarray(np.where(scores > self.tail_start, beyond, within), dtype=np.float64)

    def _tail_scale(self, known: Floats, start: int) -> float:
        """Return the mean excess of sorted scores over the one at `start`, or another scale if all of these are tied."""
        mean_excess, deviation = float((known[start:] - known[start]).mean()), float(known.std())
        magnitude = float(abs(known).max())
        candidates = (mean_excess, deviation, magnitude)
        scale = next((candidate for candidate in candidates if candidate > self._TOLERANCE * magnitude), 1.0)
        return max(scale, self._MIN_SCALE)
