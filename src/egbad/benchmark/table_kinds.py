"""Kinds of tables: by training rows, columns, discrete columns and duplicates."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from egbad.arrays import Array
from egbad.detectors.column_density import column_histogram

_MAX_BINS = 40


@dataclass(frozen=True)
class KindGroup:
    """A fact about a table, and the bins of its values.

    Parameters
    ----------
    title : str
    bounds : tuple of float
        Largest value of each bin but the last, ascending.
    names : tuple of str
        Name of each bin.
    """

    title: str
    bounds: tuple[float, ...]
    names: tuple[str, ...]

    def bin_of(self, value: float) -> str:
        """Return the name of the bin that holds a value.

        Parameters
        ----------
        value : float

        Returns
        -------
        str

        Examples
        --------
        >>> group = KindGroup("columns", (4, 10), ("up to 4", "5 to 10", "more than 10"))
        >>> group.bin_of(4), group.bin_of(5), group.bin_of(11)
        ('up to 4', '5 to 10', 'more than 10')
        """
        return self.names[int(np.searchsorted(self.bounds, value))]


_ROWS = KindGroup(
    "training rows",
    (500, 1_000, 1_999, 5_000, 20_000),
    ("up to 500", "501 to 1,000", "1,001 to 1,999", "2,000 to 5,000", "5,001 to 20,000", "more than 20,000"),
)
_COLUMNS = KindGroup(
    "columns", (4, 7, 10, 20, 50), ("up to 4", "5 to 7", "8 to 10", "11 to 20", "21 to 50", "more than 50")
)
_DISCRETE = KindGroup(
    "discrete columns", (0, 0.25, 0.5), ("none", "up to a quarter", "a quarter to a half", "more than half")
)
_DUPLICATES = KindGroup(
    "test rows that equal a training row", (0.01, 0.1, 0.5), ("up to 1%", "1% to 10%", "10% to 50%", "more than 50%")
)
GROUPS = (_ROWS, _COLUMNS, _DISCRETE, _DUPLICATES)


def column_facts(x: Array) -> dict[str, float]:
    """Count the columns of a table, and the share of discrete ones.

    A column is discrete if it has at most 30 values, and ten or more rows per value or two values.

    Parameters
    ----------
    x : ndarray of shape (n_samples, n_features)
        Missing values are NaN.

    Returns
    -------
    dict of str to float
        Empty for images.

    Examples
    --------
    >>> column_facts(np.array([[0.0, 0.1], [1.0, 0.2], [1.0, 0.3]]))
    {'columns': 2, 'discrete_share': 0.5}
    """
    if x.ndim != 2:
        return {}
    observed = (column[~np.isnan(column)] for column in np.asarray(x, dtype=np.float64).T)
    discrete = [not len(column) or column_histogram(column, _MAX_BINS)[2] for column in observed]
    return {"columns": x.shape[1], "discrete_share": sum(discrete) / x.shape[1]}


def kinds_of_table(record: Mapping[str, Any]) -> dict[str, str]:
    """Return the bins of a table.

    Parameters
    ----------
    record : mapping
        Record of a run.

    Returns
    -------
    dict of str to str
        Name of the bin by the title of its group. Runs of early releases lack some groups.
    """
    repeats, n_test = record.get("repeats"), record.get("test_rows")
    values = {
        _ROWS: record.get("training_rows"),
        _COLUMNS: record.get("columns"),
        _DISCRETE: record.get("discrete_share"),
        _DUPLICATES: None if repeats is None or not n_test else repeats / n_test,
    }
    return {group.title: group.bin_of(value) for group, value in values.items() if value is not None}
