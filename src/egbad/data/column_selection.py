"""Selection of the columns that a detector was fitted on."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from egbad.data.stream import Data


def drop_extra_columns(X: Any, columns: Sequence[str] | None) -> tuple[Any, list[str]]:
    """Return a table without the columns that a detector does not know.

    Parameters
    ----------
    X : DataFrame, Arrow table, Data or any other object
    columns : sequence of str or None
        Names of the columns that the detector was fitted on.

    Returns
    -------
    X : object of the same type
        With these columns, in this order. A table without extra columns, or without one of these, is returned as it is.
    extra : list of str
        Names of the columns that were dropped.
    """
    found = getattr(X, "column_names", None) or getattr(X, "columns", None)
    if columns is None or found is None or not len(found) > len(columns):
        return X, []
    names = [*found]
    if not {*columns} <= {*names} or len({*names}) < len(names):
        return X, []
    extra = [name for name in names if name not in columns]
    if isinstance(X, Data):
        return _select(X, [names.index(name) for name in columns]), extra
    return (X.select(list(columns)) if hasattr(X, "select") else X[list(columns)]), extra


def _select(data: Data, positions: Sequence[int]) -> Data:
    """Return data with the columns at these positions."""
    return replace(
        data,
        x=data.x[:, positions],
        columns=tuple(data.columns[j] for j in positions) if data.columns else None,
        column_types=tuple(data.column_types[j] for j in positions) if data.column_types else None,
        category_labels={k: data.category_labels[j] for k, j in enumerate(positions) if j in data.category_labels},
    )
