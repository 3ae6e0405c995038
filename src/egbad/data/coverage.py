"""What a sample of a table may miss: levels of its categories, gaps, and the ends of its columns, with a row for each."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egbad.data.column_types import CATEGORY, MAX_KNOWN_LEVELS, NUMBER

Array = NDArray[Any]
Shown = tuple[int, str | float]  # a column, and what a row shows of it: a level's code, or one of these:
_GAP, _LEAST, _LARGEST = "gap", "least", "largest"


class Cover:
    """The first row that shows each level, gap and end of a column, told batch by batch.

    Parameters
    ----------
    kinds : sequence of str, optional
        What the d columns hold, of `egbad.data.column_types.KINDS`; None if all are numbers.
    most : int
        Rows that are held at most; what only later rows show is not covered then. Nor is a level of a category after the
        first 10,000.
    """

    def __init__(self, column_types: Sequence[str] | None, d: int, most: int) -> None:
        self.column_types, self.most = tuple(column_types or (NUMBER,) * d), most
        self.numbers = np.array([kind != CATEGORY for kind in self.column_types])
        self.levels = {j: np.empty(0) for j in np.flatnonzero(~self.numbers).tolist()}  # that were met, ascending
        self.edges = np.full((2, d), np.nan)
        self.gaps = np.zeros(d, dtype=np.bool_)
        self.first: dict[Shown, int] = {}  # -> which of all rows
        self.rows: dict[int, Array] = {}
        self.preprocess = 0

    def add(self, x: Array) -> None:
        """The next rows (n, d)."""
        if len(x):
            self._add_gaps(x)
            self._add_edges(x)
            self._add_levels(x)
        self.preprocess += len(x)
        held = set(self.first.values())
        self.rows = {number: row for number, row in self.rows.items() if number in held}

    def _add_gaps(self, x: Array) -> None:
        missing = np.isnan(x)
        for j in np.flatnonzero(missing.any(axis=0) & ~self.gaps).tolist():
            self.gaps[j] = self._take((j, _GAP), x, int(missing[:, j].argmax()))

    def _add_edges(self, x: Array) -> None:
        for edge, (name, end, sign) in enumerate(((_LEAST, np.fmin, 1), (_LARGEST, np.fmax, -1))):
            found, known = end.reduce(x, axis=0), self.edges[edge]
            for j in np.flatnonzero(self.numbers & ~np.isnan(found) & ~(sign * known <= sign * found)).tolist():
                if self._take((j, name), x, int((x[:, j] == found[j]).argmax())):
                    known[j] = found[j]

    def _add_levels(self, x: Array) -> None:
        for j, known in self.levels.items():
            if len(known) > MAX_KNOWN_LEVELS:
                continue
            codes, places = np.unique(x[:, j], return_index=True)
            new = ~np.isnan(codes) & ~np.isin(codes, known, assume_unique=True)
            for code, place in sorted(
                zip(codes[new].tolist(), places[new].tolist(), strict=True), key=lambda at: at[1]
            ):
                self._take((j, code), x, place)
            self.levels[j] = np.union1d(known, codes[new])

    def _take(self, what: Shown, x: Array, place: int) -> bool:
        """Hold a row of a batch for what it shows, if there is room."""
        number = self.preprocess + place
        if number not in self.rows:
            if len(self.rows) >= self.most:
                return False
            self.rows[number] = x[place].copy()
        self.first[what] = number
        return True

    def beside(self, sample: Array) -> Array:
        """The rows (m, d), in their order, that show what no row of a sample (n, d) does."""
        own = Cover(self.column_types, sample.shape[1], most=len(sample))
        own.add(sample)
        missed = {number for what, number in self.first.items() if not own._shows(what, self)}
        kept = [self.rows[number] for number in sorted(missed)]
        return np.stack(kept) if kept else np.empty((0, sample.shape[1]))

    def _shows(self, what: Shown, whole: "Cover") -> bool:
        """Whether a row of these shows the same of a column."""
        j, which = what
        if which in (_LEAST, _LARGEST):
            edge = (_LEAST, _LARGEST).index(str(which))
            return bool(self.edges[edge, j] == whole.edges[edge, j])
        return what in self.first
