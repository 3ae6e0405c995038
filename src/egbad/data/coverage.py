"""Rows with levels, missing values and extremes of a table, which a random sample may lack."""

from collections.abc import Sequence

import numpy as np

from egbad.arrays import Array
from egbad.data.column_types import CATEGORY, MAX_KNOWN_LEVELS, NUMBER

# Something that a row shows: a column, and the code of a level or one of the following.
Feature = tuple[int, str | float]
_MISSING, _MINIMUM, _MAXIMUM = "missing", "minimum", "maximum"
_EXTREMES = (_MINIMUM, _MAXIMUM)


class RowCoverage:
    """The first row with each level, with a missing value and with each extreme of every column.

    Parameters
    ----------
    column_types : sequence of str, optional
        Type of each column. None if all are numbers.
    d : int
        Number of columns.
    max_rows : int
        Maximal number of rows that are held. Once it is reached, new levels, missing values and extremes are ignored.
    max_levels : int
        New levels of a category are ignored once it has more levels than this.
    """

    def __init__(
        self, column_types: Sequence[str] | None, d: int, max_rows: int, max_levels: int = MAX_KNOWN_LEVELS
    ) -> None:
        self.column_types = tuple(column_types or (NUMBER,) * d)
        self.max_rows = max_rows
        self.max_levels = max_levels
        self.is_number = np.array([column_type != CATEGORY for column_type in self.column_types], dtype=np.bool_)
        # Codes of the levels of each category so far, ascending.
        self.levels = {j: np.empty(0) for j in np.flatnonzero(~self.is_number).tolist()}
        self.extremes = np.full((2, d), np.nan)
        self.has_missing = np.zeros(d, dtype=np.bool_)
        self.first_rows: dict[Feature, int] = {}  # position in the table
        self.rows: dict[int, Array] = {}
        self.n_rows = 0

    def add(self, x: Array) -> None:
        """Add the next rows of the table.

        Parameters
        ----------
        x : ndarray of shape (n, d)
        """
        if len(x):
            self._add_missing(x)
            self._add_extremes(x)
            self._add_levels(x)
        self.n_rows += len(x)
        held = set(self.first_rows.values())
        self.rows = {row: values for row, values in self.rows.items() if row in held}

    def _add_missing(self, x: Array) -> None:
        """Hold the first row with a missing value of each column."""
        missing = np.isnan(x)
        for j in np.flatnonzero(missing.any(axis=0) & ~self.has_missing).tolist():
            self.has_missing[j] = self._hold((j, _MISSING), x, int(missing[:, j].argmax()))

    def _add_extremes(self, x: Array) -> None:
        """Hold the row with the minimum and the row with the maximum of each number."""
        for known, name, extreme, sign in zip(self.extremes, _EXTREMES, (np.fmin, np.fmax), (1, -1), strict=True):
            found = extreme.reduce(x, axis=0)
            for j in np.flatnonzero(self.is_number & ~np.isnan(found) & ~(sign * known <= sign * found)).tolist():
                if self._hold((j, name), x, int((x[:, j] == found[j]).argmax())):
                    known[j] = found[j]

    def _add_levels(self, x: Array) -> None:
        """Hold the first row with each level of each category."""
        for j, known in self.levels.items():
            if len(known) > self.max_levels:
                continue
            codes, positions = np.unique(x[:, j], return_index=True)
            is_new = ~np.isnan(codes) & ~np.isin(codes, known, assume_unique=True)
            new = zip(codes[is_new].tolist(), positions[is_new].tolist(), strict=True)
            for code, position in sorted(new, key=lambda level: level[1]):
                self._hold((j, code), x, position)
            self.levels[j] = np.union1d(known, codes[is_new])

    def _hold(self, feature: Feature, x: Array, position: int) -> bool:
        """Hold a row of the current batch for a feature; return False if there is no room."""
        row = self.n_rows + position
        if row not in self.rows:
            if len(self.rows) >= self.max_rows:
                return False
            self.rows[row] = x[position].copy()
        self.first_rows[feature] = row
        return True

    def rows_missing_from(self, sample: Array) -> Array:
        """Return the held rows that show something that no row of a sample shows.

        Parameters
        ----------
        sample : ndarray of shape (n, d)

        Returns
        -------
        ndarray of shape (m, d)
            Rows in the order of the table.
        """
        shown = RowCoverage(self.column_types, sample.shape[1], max_rows=len(sample), max_levels=self.max_levels)
        shown.add(sample)
        lacking = {row for feature, row in self.first_rows.items() if not self._is_shown(feature, shown)}
        kept = [self.rows[row] for row in sorted(lacking)]
        return np.stack(kept) if kept else np.empty((0, sample.shape[1]))

    def _is_shown(self, feature: Feature, shown: "RowCoverage") -> bool:
        """Return True if a sample shows a feature, given the coverage of the sample."""
        j, which = feature
        if which in _EXTREMES:
            extreme = _EXTREMES.index(str(which))
            return bool(shown.extremes[extreme, j] == self.extremes[extreme, j])
        return feature in shown.first_rows
