"""Calibration rows that a model keeps, to compare the columns of later rows with."""

from dataclasses import dataclass

import numpy as np

from egbad.arrays import Array, ArraySpec, Floats, State, check_arrays

MIN_ROWS = 30  # with fewer, only changes that anybody sees are found
MAX_VALUES = 2**18  # numbers that a model keeps: 2 MiB
_ARRAYS = {"rows": ArraySpec("float64", ("n", "n_features"), finite=False), "scores": ArraySpec("float64", ("n",))}


@dataclass(frozen=True)
class ReferenceRows:
    """Calibration rows that a model keeps, to compare later rows with them.

    Attributes
    ----------
    rows : ndarray of shape (n_rows, n_features)
        NaN is missing.
    scores : ndarray of shape (n_rows,)
    """

    rows: Floats
    scores: Floats

    @classmethod
    def sample(cls, x: Array, scores: Floats, n_rows: int) -> "ReferenceRows | None":
        """Keep evenly spaced calibration rows, at most 2 MiB of them.

        Parameters
        ----------
        x : ndarray of shape (n_calibration, ...)
            Calibration rows or images.
        scores : ndarray of shape (n_calibration,)
        n_rows : int
            Largest number of rows to keep.

        Returns
        -------
        ReferenceRows or None
            None for images, and for too few rows to compare others with.
        """
        if x.ndim != 2 or (n := min(len(x), n_rows, MAX_VALUES // x.shape[1])) < MIN_ROWS:
            return None
        places = np.linspace(0, len(x) - 1, n).astype(np.intp)
        return cls(x[places].astype(np.float64), scores[places].astype(np.float64))

    def state(self) -> State:
        """Return the rows as arrays, for a model file."""
        return {"rows": self.rows, "scores": self.scores}

    @classmethod
    def from_state(cls, state: State, n_features: int) -> "ReferenceRows":
        """Restore the rows from the arrays that `state` returned.

        Raises
        ------
        InvalidEntryError
            If an array is not one that `state` returns for this number of columns.
        """
        check_arrays(state, _ARRAYS, {"n_features": n_features})
        return cls(state["rows"], state["scores"])
