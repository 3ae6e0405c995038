"""Two-sample tests, column by column, of new rows against calibration rows that a model keeps.

Counts of new values between and at the kept values are all that a test needs, so that new rows may be any number.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from egbad.arrays import Array, Floats
from egbad.data.column_types import BOOLEAN, CATEGORY, NUMBER, TIME, base_type

_MIN_EXPECTED = 5.0  # rows that a cell of a chi-square test must be expected to have


@dataclass(frozen=True)
class ColumnDrift:
    """Result of the test of one column.

    Attributes
    ----------
    column : str
    test : {"kolmogorov-smirnov", "chi-square"}
        The first for numbers and times of day, the second for categories and booleans.
    statistic : float
        Largest difference of the distribution functions, or total variation distance of the shares of levels, in [0, 1].
    p_value : float
        For numbers that may be missing, of two tests with Bonferroni's correction: of the values and of the share missing.
    """

    column: str
    test: str
    statistic: float
    p_value: float


class ColumnTests:
    """Tests of all columns against reference rows, by counts.

    Columns of times are left out: they change by nature.

    Parameters
    ----------
    reference : ndarray of shape (n_reference, n_features)
    columns : sequence of str
    column_types : sequence of str, optional
        By default all columns are numbers.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> tests = ColumnTests(rng.normal(size=(200, 2)), ["same", "shifted"])
    >>> tests.add(rng.normal(loc=[0, 1], size=(100, 2)))
    >>> [result.p_value < 0.001 for result in tests.results()]
    [False, True]
    """

    def __init__(self, reference: Floats, columns: Sequence[str], column_types: Sequence[str] | None = None) -> None:
        types = column_types or (NUMBER,) * len(columns)
        self._columns = [
            (j, _ColumnCounts(column, base_type(column_type), reference[:, j]))
            for j, (column, column_type) in enumerate(zip(columns, types, strict=True))
            if base_type(column_type) != TIME
        ]

    def add(self, x: Array) -> None:
        """Count the values of new rows.

        Parameters
        ----------
        x : ndarray of shape (n, n_features)
        """
        for j, counts in self._columns:
            counts.add(x[:, j])

    def results(self) -> list[ColumnDrift]:
        """Return the result of each column that was tested."""
        return [counts.result() for _, counts in self._columns]


class _ColumnCounts:
    """Counts of the values of a column at, between and beside the distinct reference values, and of missing ones."""

    def __init__(self, column: str, column_type: str, reference: Floats) -> None:
        self.column, self.is_category = column, column_type in (CATEGORY, BOOLEAN)
        self.known = np.unique(reference[~np.isnan(reference)])
        self.reference, self.reference_missing = self._count(reference)
        self.new, self.new_missing = np.zeros_like(self.reference), 0

    def _count(self, values: Array) -> tuple[NDArray[np.int64], int]:
        """Return counts between known values, in even places, and at them, in odd ones, and the number missing."""
        present = values[~np.isnan(values)]
        below = np.searchsorted(self.known, present, side="left")
        places = below + np.searchsorted(self.known, present, side="right")
        return np.bincount(places, minlength=2 * len(self.known) + 1), len(values) - len(present)

    def add(self, values: Array) -> None:
        counts, missing = self._count(values)
        self.new += counts
        self.new_missing += missing

    def result(self) -> ColumnDrift:
        missing = self.reference_missing, self.new_missing
        if self.is_category:
            levels = (
                np.array([*counts[1::2], counts[::2].sum(), absent])  # levels that are not known count as one
                for counts, absent in zip((self.reference, self.new), missing, strict=True)
            )
            return ColumnDrift(self.column, "chi-square", *chi_square(*levels))
        statistic, p_value = kolmogorov_smirnov(self.reference, self.new)
        if any(missing):
            present = self.reference.sum(), self.new.sum()
            difference, p_missing = chi_square(*np.transpose([present, missing]))
            statistic, p_value = max(statistic, difference), min(1.0, 2 * min(p_value, p_missing))
        return ColumnDrift(self.column, "kolmogorov-smirnov", statistic, p_value)


def kolmogorov_smirnov(reference: NDArray[np.int64], new: NDArray[np.int64]) -> tuple[float, float]:
    """Compare the distributions of two samples by their counts in ordered cells.

    Parameters
    ----------
    reference, new : ndarray of int of shape (n_cells,)

    Returns
    -------
    statistic : float
        Largest difference of the distribution functions. 0 if a sample is empty.
    p_value : float
        Of the two-sided two-sample test of Kolmogorov and Smirnov.

    Examples
    --------
    >>> kolmogorov_smirnov(np.array([10, 10]), np.array([20, 0]))[0]
    0.5
    """
    n, m = int(reference.sum()), int(new.sum())
    if not n or not m:
        return 0.0, 1.0
    statistic = float(np.abs(reference.cumsum() / n - new.cumsum() / m).max())
    return statistic, float(stats.kstwo.sf(statistic, max(1, round(n * m / (n + m)))))


def chi_square(reference: NDArray[np.int64], new: NDArray[np.int64]) -> tuple[float, float]:
    """Compare the shares of levels in two samples.

    Levels that are too rare for the test count as one.

    Parameters
    ----------
    reference, new : ndarray of int of shape (n_levels,)

    Returns
    -------
    statistic : float
        Total variation distance of the shares. 0 if a sample is empty.
    p_value : float
        Of Pearson's test of homogeneity.

    Examples
    --------
    >>> chi_square(np.array([50, 50]), np.array([100, 0]))[0]
    0.5
    """
    n, m = int(reference.sum()), int(new.sum())
    if not n or not m:
        return 0.0, 1.0
    distance = float(np.abs(reference / n - new / m).sum() / 2)
    common = (reference + new) * (min(n, m) / (n + m)) >= _MIN_EXPECTED
    table = np.array([[*counts[common], counts[~common].sum()] for counts in (reference, new)])
    table = table[:, table.any(axis=0)]
    if table.shape[1] < 2:
        return distance, 1.0
    return distance, float(stats.chi2_contingency(table, correction=False).pvalue)
