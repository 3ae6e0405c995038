"""Conversion of arrays, data frames and Arrow tables to `Data`."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from egbad.arrays import Array
from egbad.data.array_likes import to_arrays
from egbad.data.arrow_columns import check_field, encode_column, plain_values
from egbad.data.column_roles import ALL_COLUMNS, NO_ROLES, ColumnRoles, ColumnSelection, split_roles
from egbad.data.column_selection import column_names, separate_roles, without_columns
from egbad.data.column_types import (
    BOOLEAN,
    CATEGORY,
    NUMBER,
    ColumnTypes,
    category_code,
    category_text,
    check_column_types,
    unsupported_type_error,
)
from egbad.data.object_columns import from_ids, from_objects, from_series
from egbad.data.pixel_scale import WHITES
from egbad.data.ragged import is_lazy, is_ragged, ragged_array
from egbad.data.stream import Data
from egbad.data.times import change_zone, time_zone
from egbad.errors import InvalidInputError, InvalidTypeError, shorten

_CHANNELS = (1, 3, 4)  # numbers of channels that an image may have


def as_data(X: Any, column_types: ColumnTypes | None = None) -> Data:
    """Convert rows or images in memory to numbers.

    Parameters
    ----------
    X : array-like, DataFrame, Arrow table, Dataset, DataLoader or Data
        Rows of shape (n, d), or images of shape (n, h, w), (n, c, h, w) or (n, h, w, c) with 1, 3 or 4 channels; a list
        of images if they have different sizes. DataFrames are those of pandas, polars and all libraries that support
        Arrow's stream interface. Tensors, and the Datasets and DataLoaders of torch, are read as arrays.
    column_types : mapping or sequence of str, optional
        Types and roles of the columns, as `read` takes them. Without them the columns of an array must be numbers.

    Returns
    -------
    Data

    Raises
    ------
    InvalidInputError
        If a column does not hold what its type says; the message names it.
    InvalidTypeError
        For a sparse matrix, a Series, or an object without rows.

    Examples
    --------
    >>> import pyarrow as pa
    >>> data = as_data(pa.table({"size": [1.5, None], "colour": ["red", "blue"]}))
    >>> data.columns, data.column_types, data.x.shape
    (('size', 'colour'), ('number', 'category'), (2, 2))
    """
    X = collect(X)
    column_types, roles = split_roles(column_types, column_names(X))
    if isinstance(X, Data):
        wanted = column_types if isinstance(column_types, Sequence) else ()
        data = read_in_zones(replace(X, x=_channels_first(X.x)), wanted)
        return separate_roles(data, ColumnSelection(roles)) if roles.names else data
    if hasattr(X, "toarray") and hasattr(X, "nnz"):
        raise InvalidTypeError("X must be dense, got a sparse matrix. Convert it with X.toarray().")
    if hasattr(X, "iloc") and hasattr(X, "columns"):
        return _from_pandas(X, column_types, roles)
    if hasattr(X, "to_frame") or isinstance(X, pa.Array | pa.ChunkedArray):
        raise InvalidTypeError(
            f"X must be a table, got one column as {type(X).__name__}. Pass a table with one column."
        )
    if hasattr(X, "__arrow_c_stream__"):
        table = without_index(_to_table(without_columns(X, roles.ignored)), (*(column_types or ()), *roles.names))
        data = from_table(table, column_types, ColumnSelection(roles))
        return replace(data, roles=roles.among(column_names(X) or table.column_names))
    X = to_arrays(X)
    if (images := _as_image_list(X)) is not None:
        return Data(images)
    x = _as_numbers(X)
    has_all_types = column_types is not None and not isinstance(column_types, Mapping)
    if has_all_types and x.ndim == 2 and len(column_types or ()) == x.shape[1]:
        return _from_typed_array(x, list(column_types or ()))
    if x.dtype.kind == "O":
        x = _object_array_to_numbers(x)
    if x.dtype.names:
        raise InvalidInputError(
            f"X must be numbers, got a structured array with the fields {', '.join(x.dtype.names)}. Pass pandas.DataFrame(X)."
        )
    if x.dtype.kind not in "biufc":
        raise InvalidInputError(
            f"X must be numbers, got an array of {x.dtype}. Pass text and dates as columns of a DataFrame or an Arrow table."
        )
    return Data(_channels_first(x.astype(np.float64) if x.dtype.kind == "b" else x))


def collect(X: Any) -> Any:
    """Return the result of a lazy query of polars or dask, and all other objects as they are.

    Parameters
    ----------
    X : object

    Returns
    -------
    object
    """
    if hasattr(X, "__dask_graph__") and hasattr(X, "compute"):
        return X.compute()
    return X.collect() if hasattr(X, "collect_schema") and hasattr(X, "collect") else X


def _as_numbers(X: Any) -> Array:
    """Convert an array-like, with floats in single or double precision."""
    try:
        x = np.asarray(X)
    except ValueError as error:
        raise InvalidInputError(f"X must have rows of one length: {error}. Fill or cut them.") from error
    if x.dtype.kind == "f" and x.dtype.itemsize not in (4, 8):
        return x.astype(np.float32) if x.dtype.itemsize < 4 else _in_double_precision(x)
    return x


def _in_double_precision(x: Array) -> Array:
    """Convert floating-point numbers of more bits. Those that are too large become infinity, which is refused later."""
    with np.errstate(over="ignore"):
        return x.astype(np.float64)


def _to_table(X: Any) -> pa.Table:
    """Convert an object with Arrow's stream interface, or name the column that Arrow cannot hold."""
    for name, dtype in X.schema.items() if hasattr(X, "collect_schema") else ():
        if str(dtype) == "Object":  # polars would pass the addresses of the objects
            raise unsupported_type_error(name, dtype)
    try:
        return pa.table(X)
    except pa.ArrowException as error:
        for name in getattr(X, "columns", ()):
            try:
                pa.table(X[[name]])
            except pa.ArrowException:
                raise unsupported_type_error(name, X[name].dtype) from error
        raise InvalidInputError(f"X must be a table that Arrow can hold: {str(error).splitlines()[0]}") from error


def _as_image_list(X: Any) -> Array | None:
    """Return images of different sizes as an array of shape (n,), None for anything else."""
    if not (isinstance(X, list | tuple) or (isinstance(X, np.ndarray) and is_ragged(X))):
        return None
    images = [image for image in X if isinstance(image, np.ndarray) and image.ndim in (2, 3)]
    if len(images) < len(X) or not images:
        return None
    types = {image.dtype.newbyteorder("=") for image in images}
    if len(types) > 1 and types & WHITES.keys():
        names = " and ".join(sorted(map(str, types)))
        raise InvalidInputError(f"Images must have one type of pixels, got {names}. Convert them to one type.")
    if len({image.shape for image in images}) == 1:
        return np.stack(images) if isinstance(X, np.ndarray) else None
    return _channels_first(ragged_array(images))


def _channels_first(x: Array) -> Array:
    """Return a contiguous array in native byte order; (n, h, w, c) becomes (n, c, h, w) if the shape is unambiguous.

    The array is contiguous because the order of values in memory decides how their sums are rounded. Model files take no
    other byte order, and no floating-point numbers of more than 64 bits.
    """
    if is_lazy(x):
        return x
    if is_ragged(x):
        return ragged_array([_channels_first(image[None])[0] for image in x])
    if x.ndim == 4 and x.shape[3] in _CHANNELS and x.shape[1] not in _CHANNELS:
        x = np.moveaxis(x, 3, 1)
    if x.dtype.kind == "f" and x.dtype.itemsize > np.dtype(np.float64).itemsize:
        x = _in_double_precision(x)
    return np.ascontiguousarray(x, x.dtype.newbyteorder("=")) if x.ndim else x


def _object_array_to_numbers(x: Array) -> Array:
    """Convert an array of objects to numbers, or name the first value that is none."""
    try:
        return x.astype(np.float64)
    except TypeError as error:
        # scikit-learn's estimator checks expect this wording.
        raise InvalidTypeError(
            f"X must be numbers: argument must be a string or a real number, {shorten(str(error))}."
        ) from error
    except ValueError as error:
        raise InvalidInputError(
            f"X must be numbers, got text{_first_text_position(x)}: {shorten(str(error))}. Drop or encode it."
        ) from error


def _first_text_position(x: Array) -> str:
    """Return the place of the first value that is no number, as part of a sentence."""
    for position in np.ndindex(x.shape):
        try:
            float(x[position])
        except (TypeError, ValueError):
            row = f" in row {position[0]}"
            return f"{row}, column {position[1]}" if len(position) > 1 else row
    return ""


def _from_pandas(frame: Any, column_types: ColumnTypes | None, roles: ColumnRoles) -> Data:
    """Convert a pandas DataFrame; as in scikit-learn, its column names are kept if all are strings."""
    _check_unique(frame.columns)
    if roles.names:
        by_name = {str(name): frame.iloc[:, j] for j, name in enumerate(frame.columns)}
        found = roles.among(by_name)
        data = _from_pandas(without_columns(frame, found.names), column_types, NO_ROLES)
        ids = {name: plain_values(from_ids(name, by_name[name])) for name in found.ids}
        labels = None if found.label is None else by_name[found.label].to_numpy()
        return replace(data, labels=labels, carried=pa.table(ids) if ids else None, roles=found)
    named = all(isinstance(name, str) for name in frame.columns)
    numeric = all(getattr(dtype, "kind", "O") in "iuf" for dtype in frame.dtypes)
    if numeric and column_types is None:  # the common case, and much faster than by Arrow
        x = frame.to_numpy(dtype=np.float64, na_value=np.nan)
        return Data(_channels_first(x), tuple(frame.columns) if named else None)
    columns = [from_series(name, frame.iloc[:, j]) for j, name in enumerate(frame.columns)]
    return _from_columns([str(name) for name in frame.columns], columns, column_types, named=named)


def from_table(
    table: pa.Table,
    column_types: ColumnTypes | None,
    columns: ColumnSelection = ALL_COLUMNS,
    cells: pa.Table | None = None,
) -> Data:
    """Convert an Arrow table.

    Parameters
    ----------
    table : pyarrow.Table
    column_types : mapping or sequence of str, optional
        Types of the columns to score, without roles.
    columns : ColumnSelection
        Columns to score and to carry.
    cells : pyarrow.Table, optional
        The same rows as they are carried, if that differs.

    Returns
    -------
    Data

    Raises
    ------
    InvalidInputError
        If a required column is missing, or a column does not hold what its type says.
    """
    names = table.column_names
    _check_unique(names)
    columns.check(names)
    roles = columns.roles.among(names)
    scored = table.select(columns.features_among(names))
    for field in scored.schema:
        check_field(field)
    data = _from_columns(scored.column_names, scored.columns, column_types)
    label, as_read = roles.label, table if cells is None else cells
    carried = {
        name: plain_values((as_read if name in as_read.column_names else table)[name])
        for name in columns.carried_among(names)
    }
    return replace(
        data,
        x=data.x if data.x.size else np.empty((table.num_rows, 0)),
        labels=None if label is None else table[label].combine_chunks().to_numpy(zero_copy_only=False),
        carried=pa.table(carried) if carried else None,
        roles=roles,
    )


def read_in_zones(data: Data, column_types: Sequence[str]) -> Data:
    """Read times with a zone by the wall clocks of other zones.

    Parameters
    ----------
    data : Data
    column_types : sequence of str
        Column types with the zones. Columns that have no zone, here or there, are left as they are.

    Returns
    -------
    Data
    """
    x, own = data.x, [*(data.column_types or ())]
    if len(own) != len(column_types):
        return data
    for j, wanted in enumerate(column_types):
        old, new = time_zone(own[j]), time_zone(wanted)
        if old is not None and new is not None and old != new:
            x = x.copy() if x is data.x else x
            x[:, j], own[j] = change_zone(x[:, j], old, new), wanted
    return data if x is data.x else replace(data, x=x, column_types=tuple(own))


def _check_unique(names: Sequence[Any]) -> None:
    """Check that no column name occurs twice."""
    seen: set[Any] = set()
    for name in names:
        if name in seen:
            raise InvalidInputError(
                f"Column names must be unique, got '{shorten(str(name))}' more than once. Rename or drop one."
            )
        seen.add(name)


def without_index(table: pa.Table, keep: Collection[str | None]) -> pa.Table:
    """Return a table without the index of the DataFrame that it was made from, which pandas' metadata names.

    Parameters
    ----------
    table : pyarrow.Table
    keep : collection of str
        Columns that are kept, whether they are the index or not.

    Returns
    -------
    pyarrow.Table
    """
    try:
        index = json.loads((table.schema.metadata or {}).get(b"pandas", b"{}"))["index_columns"]
        return table.drop_columns([name for name in table.column_names if name in index and name not in keep])
    except (ValueError, KeyError, TypeError):
        return table


def _from_columns(
    names: Sequence[str], columns: Sequence[pa.ChunkedArray], column_types: ColumnTypes | None, *, named: bool = True
) -> Data:
    """Convert Arrow columns of any type."""
    if isinstance(column_types, Mapping):
        check_column_types(column_types.values())
        wanted: Sequence[str | None] = [column_types.get(name) for name in names]
    else:
        wanted = column_types if column_types is not None and len(column_types) == len(names) else [None] * len(names)
    encoded = [encode_column(*arguments) for arguments in zip(names, columns, wanted, strict=True)]
    found_types = tuple(column_type for column_type, _, _ in encoded)
    all_numbers = all(column_type in (NUMBER, BOOLEAN) for column_type in found_types)
    return Data(
        x=np.column_stack([values for _, values, _ in encoded]) if encoded else np.empty((0, 0)),
        columns=tuple(names) if named else None,
        column_types=None if all_numbers else found_types,
        category_labels={j: labels for j, (_, _, labels) in enumerate(encoded) if labels},
    )


def _from_typed_array(x: Array, column_types: Sequence[str]) -> Data:
    """Convert an array of shape (n, d) whose column types are known."""
    if x.dtype.kind == "O":
        columns = [from_objects(str(j), x[:, j]) for j in range(x.shape[1])]
        return _from_columns([f"{j}" for j in range(x.shape[1])], columns, column_types, named=False)
    if x.dtype.kind not in "biuf":
        raise InvalidInputError(
            f"X must have the column types that the detector was fitted on, got an array of {x.dtype}."
        )
    numbers, category_labels = x.astype(np.float64), {}
    for j, column_type in enumerate(column_types):
        if column_type == CATEGORY:
            values, positions = np.unique(numbers[:, j], return_inverse=True)
            texts = [None if np.isnan(value) else category_text(value) for value in values.tolist()]
            codes = np.array([np.nan if text is None else category_code(text) for text in texts])
            numbers[:, j] = codes[positions]
            category_labels[j] = {
                code: text for code, text in zip(codes.tolist(), texts, strict=True) if text is not None
            }
    return Data(numbers, column_types=tuple(column_types), category_labels=category_labels)
