"""The range of training rows, and a penalty for rows outside of it.

Some methods give a low score to rows far from all training rows, or a score that no longer grows with the distance. For
them, rows are clipped to the range before they are scored, and the distance to the range is added to the score.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from egbad.arrays import Array, ArraySpec, Floats, State, check_arrays
from egbad.errors import InvalidEntryError

PENALTY = "range_penalty"  # name of the score term

_N_RANDOM_ROWS = 2_000  # rows in the training range whose scores set the size of the penalty
_ARRAYS = {
    "low": ArraySpec("float32", ("width",)),
    "high": ArraySpec("float32", ("width",)),
    "score_std": ArraySpec("float64", low=0),
}


@dataclass(frozen=True)
class RangeGuard:
    """The range of encoded training rows, and the penalty for each unit of distance to it.

    Attributes
    ----------
    low, high : ndarray of shape (d,)
        Minimum and maximum of each encoded column in training.
    score_std : float
        Standard deviation of the scores of random rows in the range, which is the penalty per unit of distance.
    """

    low: Array
    high: Array
    score_std: float

    @classmethod
    def from_training(cls, x: Array, score: Callable[[Array], Floats], seed: int) -> "RangeGuard":
        """Create a guard for training rows.

        Parameters
        ----------
        x : ndarray of shape (n, d)
            Encoded training rows.
        score : callable
            Takes encoded rows of shape (m, d) and returns scores of shape (m,).
        seed : int
            Seed of the random rows.

        Returns
        -------
        RangeGuard
        """
        low, high = x.min(0), x.max(0)
        random_rows = np.random.default_rng(seed).uniform(low, high, size=(_N_RANDOM_ROWS, x.shape[1]))
        return cls(low, high, float(score(random_rows.astype(np.float32)).std()))

    def clip(self, x: Array) -> Array:
        """Clip rows to the training range.

        Parameters
        ----------
        x : ndarray of shape (n, d)
            Encoded rows.

        Returns
        -------
        ndarray of shape (n, d)
        """
        return np.clip(x, self.low, self.high)

    def range_penalty(self, excess: Floats) -> Floats:
        """Return what is added to the score for a distance to the training range.

        Parameters
        ----------
        excess : ndarray of any shape
            Distances, as the function `excess` returns them, or sums of them.

        Returns
        -------
        ndarray of the same shape
        """
        return self.score_std * excess

    def state(self) -> State:
        """Return the fitted values as arrays.

        Returns
        -------
        dict of str to ndarray
            State that `from_state` takes.
        """
        return {"low": self.low, "high": self.high, "score_std": np.asarray(self.score_std)}

    @classmethod
    def from_state(cls, state: State, width: int) -> "RangeGuard":
        """Restore a guard.

        Parameters
        ----------
        state : dict of str to ndarray
            State that `state` returned.
        width : int
            Number of encoded columns.

        Returns
        -------
        RangeGuard

        Raises
        ------
        InvalidEntryError
            If an array is not one that `state` returns.
        """
        check_arrays(state, _ARRAYS, {"width": width})
        if (below := state["high"] < state["low"]).any():
            raise InvalidEntryError("high", f"must be at least as large as 'low', got less in column {below.argmax()}")
        return cls(state["low"], state["high"], state["score_std"].item())


def excess(x: Array, clipped: Array) -> Floats:
    """Return the distance of each value to the training range.

    Parameters
    ----------
    x : ndarray of shape (n, d)
        Encoded rows.
    clipped : ndarray of shape (n, d)
        The same rows after `RangeGuard.clip`.

    Returns
    -------
    ndarray of shape (n, d)
    """
    return np.abs(x.astype(np.float64) - clipped)
