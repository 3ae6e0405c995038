"""Selection of columns of tables in memory."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from egbad.data.column_roles import ColumnSelection
from egbad.data.column_types import CATEGORY, NUMBER, describe_value
from egbad.data.stream import Data


def column_names(X: Any) -> list[str] | None:
    """Return the names of the columns of a table.

    Parameters
    ----------
    X : DataFrame, Arrow table, Data or any other object

    Returns
    -------
    list of str or None
        None if X has no names, or they are not unique.
    """
    names = _all_names(X)
    return names if names and all(isinstance(name, str) for name in names) and len({*names}) == len(names) else None


def _all_names(X: Any) -> list[Any]:
    """Return the names of the columns of a table of any library, which need not be text. Empty for other objects."""
    is_pandas = hasattr(X, "iloc")  # a column named column_names would be an attribute of the frame
    found = getattr(X, "columns", None) if is_pandas or not hasattr(X, "column_names") else X.column_names
    return [*found] if isinstance(found, Iterable) else []


def select_columns(X: Any, names: Sequence[str]) -> Any:
    """Return a table with some of its columns.

    Parameters
    ----------
    X : DataFrame, Arrow table or Data
    names : sequence of str
        Columns in the order of the result.

    Returns
    -------
    object of the same type
    """
    if isinstance(X, Data):
        positions = [(X.columns or ()).index(name) for name in names]
        return replace(
            X,
            x=X.x[:, positions],
            coverage_rows=None if X.coverage_rows is None else X.coverage_rows[:, positions],
            columns=tuple(names),
            column_types=tuple(X.column_types[j] for j in positions) if X.column_types else None,
            category_labels={k: X.category_labels[j] for k, j in enumerate(positions) if j in X.category_labels},
        )
    return X.select([*names]) if hasattr(X, "select") else X[[*names]]


def without_columns(X: Any, names: Collection[str]) -> Any:
    """Return a table without some of its columns.

    Parameters
    ----------
    X : DataFrame or Arrow table
    names : collection of str
        Columns that need not exist. The names in X need not be text.

    Returns
    -------
    object of the same type
    """
    own = _all_names(X)
    kept = [name for name in own if str(name) not in names]
    return X if not names or len(kept) == len(own) else select_columns(X, kept)


def select_features(X: Any, features: Sequence[str] | None) -> tuple[Any, list[str]]:
    """Return a table with the columns that a detector was fitted on.

    Parameters
    ----------
    X : DataFrame, Arrow table, Data or any other object
    features : sequence of str or None
        Names of these columns.

    Returns
    -------
    X : object of the same type
        With these columns, in this order. A table without names, or without one of these columns, is returned as it is.
    extra : list of str
        Names of the columns that were dropped.
    """
    names = None if features is None else column_names(X)
    if features is None or names is None or names == [*features] or {*features} - {*names}:
        return X, []
    return select_columns(X, features), [name for name in names if name not in features]


def separate_roles(data: Data, columns: ColumnSelection) -> Data:
    """Return data without the columns that have a role, which are carried or become labels.

    Parameters
    ----------
    data : Data
        Rows.
    columns : ColumnSelection

    Returns
    -------
    Data

    Raises
    ------
    InvalidInputError
        If a required column is missing.
    """
    names = data.columns or ()
    columns.check(names)
    roles = columns.roles.among(names)
    carried = {name: _decode(data, name) for name in columns.carried_among(names)}
    labels = data.labels if roles.label is None else _decode(data, roles.label).to_numpy(zero_copy_only=False)
    selected = select_columns(data, columns.features_among(names)) if roles.names else data
    return replace(
        selected, carried=pa.table(carried) if carried else data.carried, labels=labels, roles=data.roles.updated(roles)
    )


def _decode(data: Data, name: str) -> pa.Array:
    """Return the values of a column in the user's terms; times as text."""
    j = (data.columns or ()).index(name)
    column_type = data.column_types[j] if data.column_types else NUMBER
    if column_type == NUMBER:
        return pa.array(data.x[:, j], from_pandas=True)
    labels = data.category_labels.get(j, {})
    values = data.x[:, j].tolist()
    if column_type == CATEGORY:
        return pa.array([labels.get(value) for value in values], pa.string())
    texts = [None if np.isnan(value) else describe_value(column_type, value) for value in values]
    return pa.array(texts, pa.string())
