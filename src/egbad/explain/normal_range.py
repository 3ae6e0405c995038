"""Distances between normal rows and their expected values, column by column."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from egbad.arrays import Array, Floats, State

MAX_ROWS = 512  # calibration rows that the range is estimated from: enough for a 95 percent range
COVERAGE = 0.95  # share of normal rows inside the range that explanations show
_MAX_LEVELS = 48  # distances kept per column; geometric ranks, so that the tail is resolved best
_FEW_ROWS = 32  # up to here one broadcast comparison is faster than a binary search per column


@dataclass(frozen=True)
class NormalRange:
    """Empirical upper tail of the distance between observed and expected value, for each column.

    A row's distance in a column is compared with those of held-out normal rows. Only some of their order statistics
    are kept.

    Attributes
    ----------
    ranks : ndarray of int of shape (n_levels,)
        Ranks of the kept order statistics, ascending. Rank 1 is the largest distance.
    levels : ndarray of shape (n_levels, n_features)
        Distances with these ranks, in encoded units.
    n_rows : int
        Number of normal rows.
    """

    ranks: NDArray[np.int64]
    levels: Floats
    n_rows: int

    @classmethod
    def fit(cls, distances: Floats) -> Self:
        """Estimate the range from normal rows that were not trained on.

        Parameters
        ----------
        distances : ndarray of shape (n_rows, n_features)
            Distances between their observed and expected values.

        Returns
        -------
        NormalRange

        Examples
        --------
        >>> import numpy as np
        >>> NormalRange.fit(np.arange(1.0, 100.0)[:, None]).radius()
        array([95.])
        """
        m = len(distances)
        ranks = np.unique(np.geomspace(1, m, min(m, _MAX_LEVELS)).round().astype(np.int64))
        return cls(ranks, np.sort(distances, axis=0)[::-1][ranks - 1], m)

    def p_values(self, distances: Floats) -> Floats:
        """Return conformal p-values of distances, column by column.

        The p-value is ``r / (n_rows + 1)``, where r is the rank of the largest kept distance below the given one; it is
        1 if there is none. This bounds the exact conformal p-value from above.

        Parameters
        ----------
        distances : ndarray of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            In (0, 1].
        """
        if len(distances) <= _FEW_ROWS:
            n_smaller = (distances > self.levels[:, None]).sum(axis=0)
        else:
            columns = zip(self.levels[::-1].T.copy(), distances.T.copy(), strict=True)
            n_smaller = np.stack([levels.searchsorted(values) for levels, values in columns], axis=1)
        return np.asarray(np.r_[1.0, self.ranks[::-1] / (self.n_rows + 1)][n_smaller])

    def radius(self) -> Floats:
        """Return the smallest kept distances that at least `COVERAGE` of normal rows do not exceed.

        Returns
        -------
        ndarray of shape (n_features,)
        """
        rank = max(1, int((1 - COVERAGE) * (self.n_rows + 1) + 1e-9))  # the summand absorbs rounding of the product
        return np.asarray(self.levels[np.searchsorted(self.ranks, rank, side="right") - 1])

    def state(self) -> State:
        """Return the range as arrays, for a model file."""
        return {"ranks": self.ranks, "levels": self.levels, "rows": np.asarray(self.n_rows)}

    @classmethod
    def from_state(cls, state: dict[str, Array]) -> Self:
        """Restore a range from the arrays that `state` returned."""
        return cls(state["ranks"], state["levels"], int(state["rows"].item()))
