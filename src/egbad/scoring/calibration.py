"""From the scores of held-out normal rows to a threshold, p-values and discoveries.

A p-value here is conformal (Vovk et al., 2005; Bates et al., 2023, "Testing for outliers with conformal p-values"):
the rank of a score among n calibration scores that training never saw. For a normal row it is at most `alpha` with a
probability of at most `alpha`, whatever the detector.
"""

import warnings
from math import ceil, floor, log

import numpy as np
from numpy.typing import NDArray

from egbad.errors import CalibrationWarning

Floats = NDArray[np.float64]


def p_values(calibration: Floats, scores: Floats) -> Floats:
    """Conformal p-values of scores (n,), in (0, 1]: (1 + number of calibration scores >= score) / (1 + their number).

    calibration (m,) must be sorted, smallest first.

    >>> p_values(np.array([1.0, 2.0, 3.0]), np.array([0.0, 2.5, 9.0]))
    array([1.  , 0.5 , 0.25])
    """
    at_least = len(calibration) - np.searchsorted(calibration, scores, side="left")
    return np.asarray((1 + at_least) / (1 + len(calibration)), dtype=np.float64)


def threshold(calibration: Floats, alpha: float) -> float:
    """The score above which a row's p-value is at most `alpha`.

    calibration (m,) must be sorted. Where m is too small for `alpha` (m < 1 / alpha - 1) no row could ever be flagged;
    then the largest calibration score serves, the false-alarm rate is 1 / (m + 1), and a `CalibrationWarning` says so.

    >>> threshold(np.arange(1.0, 100.0), 0.05)
    95.0
    """
    m = len(calibration)
    rank = floor(alpha * (m + 1) + 1e-9)  # the guard is for products such as 0.29 * 100
    if rank == 0:
        warnings.warn(
            f"alpha={alpha:g} needs at least {int(np.ceil(1 / alpha - 1 - 1e-9))} calibration rows, there are {m}: "
            f"about {1 / (m + 1):.2g} of normal rows will be flagged. Fit on more rows or raise alpha.",
            CalibrationWarning,
            stacklevel=2,
        )
    return float(calibration[m - max(rank, 1)])


def benjamini_hochberg(p: Floats, fdr: float) -> NDArray[np.bool_]:
    """Which of the p-values (n,) are discoveries when a share `fdr` of the discoveries may be false -> (n,).

    Benjamini and Hochberg (1995); valid for conformal p-values that share their calibration rows (Bates et al., 2023,
    theorem 2).

    >>> benjamini_hochberg(np.array([0.01, 0.4, 0.02, 0.9]), 0.05)
    array([ True, False,  True, False])
    """
    n = len(p)
    ordered = np.sort(p)
    passed = np.flatnonzero(ordered <= fdr * np.arange(1, n + 1) / n)
    if len(passed) == 0:
        return np.zeros(n, dtype=np.bool_)
    return np.asarray(p <= ordered[passed[-1]], dtype=np.bool_)


_TAIL = 0.1  # the share of calibration scores, the highest, whose mean excess says how the tail goes on
_LEAST = 5  # or so many of them
_KNOTS = 64  # calibration scores between which a tail interpolates, at most
_FEW, _OF = 8, 16  # where there are not many: at least so many of them, one of so many
_TIED = 1e-6  # of the size of scores: what differs by less, or by less of a tail's scale, is the same but for what was rounded
_SMALLEST = 1e-150  # scale of a tail: a score beyond, divided by less, may be no number any more


class Tail:
    """-log of how rare a score is among normal rows: one scale for scores of any kind.

    Up to the highest tenth of the calibration scores it is -log of the conformal p-value, between some of them by
    interpolation of p: two that happen to lie close together must not make a cliff, where what is rounded would count.
    Beyond, where p-values soon are all the same, it goes on as an exponential tail with the mean excess of that tenth (the
    peaks-over-threshold method: Pickands, 1975, with shape 0, which bears the fewest rows).

    Parameters
    ----------
    calibration : array (m,)
        Scores of normal rows that were not learned from.
    """

    def __init__(self, calibration: Floats) -> None:
        known = np.sort(calibration)
        m = len(known)
        last = m - min(m, max(_LEAST, ceil(_TAIL * m)))
        excess, spread, size = (float(v) for v in ((known[last:] - known[last]).mean(), known.std(), abs(known).max()))
        scale = next((one for one in (excess, spread, size) if one > _TIED * size), 1.0)
        self.scale = max(scale, _SMALLEST)
        # In equal steps of the outcome.
        knots = min(_KNOTS, max(_FEW, m // _OF))
        ranks = np.rint(m * -np.expm1(np.linspace(0, np.log1p(-last / m), knots))).astype(np.intp)
        values, tied = known[ranks], _TIED * self.scale
        self.values = values[np.diff(values, prepend=-np.inf) > tied]
        self.p = (m - np.searchsorted(known, self.values - tied)) / (m + 1)
        self.start, self.p_start = float(self.values[-1]), float(self.p[-1])

    def __call__(self, scores: Floats) -> Floats:
        """Scores (n,) -> (n,), from 0 up; never lower for a higher score.

        >>> Tail(np.arange(1.0, 100.0))(np.array([0.0, 50.0, 95.0, 1000.0])).round(2)
        array([1.0000e-02, 6.9000e-01, 3.4100e+00, 2.0452e+02])
        """
        within = -np.log(np.interp(scores, self.values, self.p))
        beyond = -log(self.p_start) + (scores - self.start) / self.scale
        return np.asarray(np.where(scores > self.start, beyond, within), dtype=np.float64)
