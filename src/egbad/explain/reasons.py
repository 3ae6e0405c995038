"""Contribution of one column of a table to a score."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Reason:
    """Contribution of one column to the score of one row.

    Attributes
    ----------
    column : str
        Name of the column, or its position if the columns have no names.
    share : float
        The part of the score that the column contributes.
    observed : object
        The value in the row. None if it is missing.
    expected : object
        The value that the detector expects in a normal row like this one. None if there is no single such value.
    low, high : float, optional
        Range that holds the column's value in about 95 percent of normal rows like this one. Numeric columns only.
    p_value : float, optional
        Conformal p-value of the distance between observed and expected value: at most this share of normal rows is as
        far off in this column.

    See Also
    --------
    Explanation.top : Returns the reasons of every row.
    """

    column: str
    share: float
    observed: Any
    expected: Any
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
