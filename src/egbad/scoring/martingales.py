"""A conformal test martingale: evidence, row by row, that new rows are unlike the calibration rows.

Each row gets a smoothed conformal p-value, and a betting strategy plays against the p-values (Vovk, Nouretdinov and Gammerman,
2003, "Testing exchangeability on-line"; Vovk et al., 2021, "Retrain or not retrain: conformal test martingales for change-point
detection"). If new rows are exchangeable with the calibration rows, p-values are independent and uniform, no strategy gains
on average, and by Ville's inequality the capital ever reaches c times its start with a probability of at most 1/c.

p-values against a fixed calibration set do not have this property: given the m rows that happen to be in it they are not
uniform, and with enough new rows the capital grows without a change. A row is therefore ranked among the calibration rows and
all new rows before it. Earlier new rows are known by the calibration scores that they lie between. Given these counts, the next
row lies between two calibration scores with probability ``(1 + count) / (m + 1 + n)``, as in Pólya's urn. That makes the p-values
exactly uniform for any m, and m + 1 counts are all that must be remembered of any number of rows.

The guarantee is about the draw of calibration rows and new rows together. `Blend` and `Tiled` score calibration rows by scales
that other calibration rows set, and new rows by a scale that all set; there it holds approximately.
"""

import hashlib
import math
from collections.abc import Mapping
from typing import Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from egbad.arrays import Floats
from egbad.errors import InvalidInputError
from egbad.model_file import validated_entries
from egbad.scoring.calibration import check_rate

_JUMP = 0.01  # share of the capital that changes its bet at each row, as in the paper
_CHUNK = 256  # rows that are compared with each other at a time
_N_BETS = 7


def bets(p: Floats) -> Floats:
    """Return the factors by which bets multiply their capital. Each is a density on (0, 1], so that none gains on average.

    In order: no bet, low and high p-values, small ones in two strengths, p-values in the middle, and those near 0 and 1.

    Parameters
    ----------
    p : ndarray of shape (n,)
        In (0, 1].

    Returns
    -------
    ndarray of shape (n, 7)

    Examples
    --------
    >>> bets(np.array([0.25])).round(3).tolist()
    [[1.0, 1.25, 0.75, 1.0, 0.935, 1.062, 0.938]]
    """
    hump = 3 * p * (1 - p)
    rare = 0.9 + 0.01 * p**-0.9
    return np.stack([np.ones(len(p)), 1.5 - p, 0.5 + p, 0.5 / np.sqrt(p), rare, 0.5 + hump, 1.5 - hump], axis=1)


class MartingaleState(BaseModel):
    """Content of the JSON that continues a martingale."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    calibration: str
    level: Annotated[float, Field(gt=0, lt=1)]
    seed: Annotated[int, Field(ge=0)]
    counts: list[Annotated[int, Field(ge=0)]]
    weights: list[Annotated[float, Field(ge=0, le=1)]]
    log_value: float
    log_max: float
    alarm_row: int | None


class ConformalMartingale:
    """Capital of a bettor against the hypothesis that new scores are exchangeable with calibration scores.

    The strategy is a mixture over the row at which betting begins, with weights ``1 / (n (n + 1))``, so that a late change is
    found although nothing was lost before. Once begun, capital is spread over the `bets`, and at each row a share of 0.01
    of it is spread anew (the simple jumper).

    Parameters
    ----------
    calibration : ndarray of shape (n_calibration,)
        Scores of normal rows that were not trained on, in ascending order.
    level : float, default=0.01
        Probability of a false alarm, in (0, 1), over any number of rows: the alarm is raised at a capital of ``1 / level``.
    seed : int, default=0
        Seed of the random numbers that break ties and smooth p-values.

    Attributes
    ----------
    counts : ndarray of int of shape (n_calibration + 1,)
        Number of new scores between neighbouring calibration scores.
    log_value, log_max : float
        Logarithm of the capital, now and at its highest. It begins with 0.
    alarm_row : int or None
        Number of rows after which the capital first reached ``1 / level``.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> martingale = ConformalMartingale(np.sort(rng.normal(size=500)))
    >>> _ = martingale.update(rng.normal(size=500))
    >>> martingale.alarm_row
    >>> _ = martingale.update(rng.normal(loc=1, size=500))
    >>> 500 < martingale.alarm_row < 550
    True
    """

    def __init__(self, calibration: Floats, level: float = 0.01, seed: int = 0) -> None:
        check_rate("level", level)
        self.calibration, self.level, self.seed = calibration, level, seed
        self._tie_breakers = np.random.default_rng([seed, 0]).random(len(calibration))
        self._tie_breakers = self._tie_breakers[np.lexsort((self._tie_breakers, calibration))]
        self.counts = np.zeros(len(calibration) + 1, dtype=np.int64)
        self.log_value = self.log_max = 0.0
        self.alarm_row: int | None = None
        self._weights = np.eye(1 + _N_BETS)[0]  # shares of the capital: the first one has not begun to bet

    @property
    def n_rows(self) -> int:
        """Number of new scores so far."""
        return int(self.counts.sum())

    def update(self, scores: Floats) -> NDArray[np.intp]:
        """Bet on the scores of new rows, in their order.

        Parameters
        ----------
        scores : ndarray of shape (n,)

        Returns
        -------
        ndarray of int of shape (n,)
            Number of calibration scores below each score; ties are broken at random.

        Raises
        ------
        InvalidInputError
            If a score is NaN.
        """
        if np.isnan(scores).any():
            raise InvalidInputError("Scores must be numbers, got NaN. Check the rows.")
        first = self.n_rows
        bits = np.random.PCG64(self.seed).advance(2 * first)  # two numbers a row, however rows are divided into calls
        smoothing, tie_breakers = np.random.Generator(bits).random((len(scores), 2)).T
        cells = self._cells(scores, tie_breakers)
        self._bet(self._p_values(cells, 1 - smoothing), first)
        return cells

    def _cells(self, scores: Floats, tie_breakers: Floats) -> NDArray[np.intp]:
        """Return the number of calibration scores below each score."""
        cells = np.searchsorted(self.calibration, scores, side="left")
        stops = np.searchsorted(self.calibration, scores, side="right")
        for i in np.flatnonzero(stops > cells):
            cells[i] += np.searchsorted(self._tie_breakers[cells[i] : stops[i]], tie_breakers[i])
        return cells

    def _p_values(self, cells: NDArray[np.intp], smoothing: Floats) -> Floats:
        """Return the smoothed p-values (n,) of rows in cells, each among calibration rows and all rows before it."""
        p, done = np.empty(len(cells)), self.n_rows + len(self.counts)
        for start in range(0, len(cells), _CHUNK):
            own = cells[start : start + _CHUNK]
            weights = np.append(self.counts + 1, 0)
            above = weights[::-1].cumsum()[::-1]
            earlier = np.tri(len(own), k=-1, dtype=np.bool_)
            n_higher = above[own + 1] + ((own > own[:, None]) & earlier).sum(axis=1)
            n_equal = weights[own] + ((own == own[:, None]) & earlier).sum(axis=1)
            stop = start + len(own)
            p[start:stop] = (n_higher + smoothing[start:stop] * n_equal) / (done + np.arange(start, stop))
            self.counts += np.bincount(own, minlength=len(self.counts))
        return p

    def _bet(self, p: Floats, first: int) -> None:
        """Bet on p-values (n,), the first of which is that of the row after `first` others."""
        shares, log_threshold = self._weights, -math.log(self.level)
        for row, factors in enumerate(bets(p), first + 1):
            begun, beginning = 1 - shares[0], shares[0] / (row + 1)
            shares[1:] = (1 - _JUMP) * shares[1:] + (_JUMP * begun + beginning) / _N_BETS
            shares[0] -= beginning
            shares[1:] *= factors
            total = shares.sum()
            shares /= total
            self.log_value += math.log(total)
            self.log_max = max(self.log_max, self.log_value)
            if self.alarm_row is None and self.log_value >= log_threshold:
                self.alarm_row = row

    def state(self) -> dict[str, Any]:
        """Return the state as JSON, for `from_state`."""
        return {
            "calibration": _digest(self.calibration),
            "level": self.level,
            "seed": self.seed,
            "counts": self.counts.tolist(),
            "weights": self._weights.tolist(),
            "log_value": self.log_value,
            "log_max": self.log_max,
            "alarm_row": self.alarm_row,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any], calibration: Floats) -> Self:
        """Continue a martingale, with the same results as if it had never stopped.

        Parameters
        ----------
        state : mapping
            What `state` returned.
        calibration : ndarray of shape (n_calibration,)
            The same calibration scores.

        Returns
        -------
        ConformalMartingale

        Raises
        ------
        InvalidInputError
            If the state is not one of these calibration scores.
        """
        found = validated_entries(MartingaleState, dict(state), "state")
        if found.calibration != _digest(calibration) or len(found.counts) != len(calibration) + 1:
            raise InvalidInputError(
                "The state must be one of the same calibration scores, got one of others. Begin anew after a recalibration."
            )
        if len(found.weights) != 1 + _N_BETS or not 0 < sum(found.weights) < 2:
            raise InvalidInputError(f"The state must have {1 + _N_BETS} weights that add up to 1.")
        martingale = cls(calibration, found.level, found.seed)
        martingale.counts[:], martingale._weights[:] = found.counts, found.weights
        martingale.log_value, martingale.log_max = found.log_value, found.log_max
        martingale.alarm_row = found.alarm_row
        return martingale


def _digest(calibration: Floats) -> str:
    return hashlib.sha256(np.ascontiguousarray(calibration, dtype=np.float64).tobytes()).hexdigest()
