"""How far normal rows usually are from what a detector expects of them, column by column."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from egbad.explain.explanation import Array, Floats

ROWS = 512  # held-out normal rows that are looked at: a share is told to that
_LEVELS = 48  # that are kept of each column, closer together among the largest
_FEW = 32  # rows: with so few, comparing all at once is sooner done than searching column by column
WITHIN = 0.95  # of normal rows lie in the range that is told


@dataclass(frozen=True)
class NormalRange:
    """Of each column some of the largest distances between what normal rows have and what was expected there.

    Attributes
    ----------
    ranks : array of int (l,)
        Which largest each is, ascending: 1 is the largest.
    levels : array (l, d)
        In encoded units.
    rows : int
        How many normal rows they come from.
    """

    ranks: NDArray[np.int64]
    levels: Floats
    rows: int

    @classmethod
    def of(cls, distances: Floats) -> "NormalRange":
        """Learn from distances (m, d) of normal rows that were not trained on."""
        m = len(distances)
        ranks = np.unique(np.geomspace(1, m, min(m, _LEVELS)).round().astype(np.int64))
        return cls(ranks, np.sort(distances, axis=0)[::-1][ranks - 1], m)

    def tail(self, distances: Floats) -> Floats:
        """Shares (n, d) of normal rows with distances as large as these (n, d), at most, in (0, 1]: a conformal p-value."""
        if len(distances) <= _FEW:
            below = (distances > self.levels[:, None]).sum(axis=0)
        else:
            columns = zip(self.levels[::-1].T.copy(), distances.T.copy(), strict=True)
            below = np.stack([levels.searchsorted(own) for levels, own in columns], axis=1)
        return np.asarray(np.r_[1.0, self.ranks[::-1] / (self.rows + 1)][below])

    def reach(self) -> Floats:
        """The distances (d,) that `WITHIN` of normal rows, or some more, don't exceed."""
        rank = max(1, int((1 - WITHIN) * (self.rows + 1) + 1e-9))
        return np.asarray(self.levels[np.searchsorted(self.ranks, rank, side="right") - 1])

    def state(self) -> dict[str, Array]:
        """As arrays."""
        return {"ranks": self.ranks, "levels": self.levels, "rows": np.asarray(self.rows)}

    @classmethod
    def restored(cls, state: dict[str, Array]) -> "NormalRange":
        """The way back."""
        return cls(state["ranks"], state["levels"], int(state["rows"].item()))
