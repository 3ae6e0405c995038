"""What a user has in memory -> rows or images as numbers, with the names and kinds of columns that came with them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from egbad.data.column_types import CATEGORY, TIME, category_code, category_text, check_column_types, from_arrow
from egbad.data.ragged import is_ragged, ragged_array
from egbad.data.stream import Array, ColumnTypes, Data
from egbad.errors import InvalidInputError, InvalidTypeError, unknown

if TYPE_CHECKING:
    import pyarrow as pa


def as_data(X: Any, column_types: ColumnTypes | None = None) -> Data:
    """What a user has in memory, as numbers.

    Parameters
    ----------
    X : array, DataFrame, Arrow table or Data
        Rows (n, d) or images (n, h, w), (n, c, h, w) or (n, h, w, c) with one, three or four channels. Or a list of images
        of different sizes.
    kinds : mapping or sequence of str, optional
        What columns hold, as `read` takes it. Without it the columns of an array must be numbers.

    Raises
    ------
    InvalidInputError
        When a column can't hold what it should; its name or position is in the message.
    InvalidTypeError
        For a sparse matrix.
    """
    if isinstance(X, Data):
        return replace(X, x=_in_order(X.x))
    if hasattr(X, "toarray") and hasattr(X, "nnz"):
        raise InvalidTypeError("X must be dense, got a sparse matrix. Convert it with X.toarray().")
    if hasattr(X, "iloc") and hasattr(X, "columns"):
        return _from_pandas(X, column_types)
    if hasattr(X, "__arrow_c_stream__"):
        import pyarrow as pa

        return table_data(pa.table(X), None, column_types)
    if (images := _of_different_sizes(X)) is not None:
        return Data(images)
    x = np.asarray(X)
    if (
        x.ndim == 2
        and column_types is not None
        and not isinstance(column_types, Mapping)
        and len(column_types) == x.shape[1]
    ):
        return _from_objects(x, column_types)
    if x.dtype.kind == "O":
        x = _numbers_from_objects(x)
    if x.dtype.kind not in "biufc":
        raise InvalidInputError(
            f"X must be numbers, got an array of {x.dtype}. Give text and dates as the columns of a DataFrame or an Arrow table."
        )
    return Data(_in_order(x.astype(np.float64) if x.dtype.kind == "b" else x))


def _of_different_sizes(X: Any) -> Array | None:
    """Images in a list, or in an array of objects, that haven't all one shape -> (n,) of them; None for all else."""
    if not (isinstance(X, list | tuple) or (isinstance(X, np.ndarray) and is_ragged(X))):
        return None
    images = [one for one in X if isinstance(one, np.ndarray) and one.ndim in (2, 3)]
    if len(images) < len(X) or not images:
        return None
    if len({image.shape for image in images}) == 1:
        return np.stack(images) if isinstance(X, np.ndarray) else None
    return ragged_array([_in_order(image[None])[0] for image in images])


def _in_order(x: Array) -> Array:
    """(n, h, w, c) -> (n, c, h, w), where the axes leave no doubt; row by row in memory, since sums round by its order."""
    channels = (1, 3, 4)
    if x.ndim == 4 and x.shape[3] in channels and x.shape[1] not in channels:
        x = np.moveaxis(x, 3, 1)
    return np.ascontiguousarray(x) if x.ndim else x


def _numbers_from_objects(x: Array) -> Array:
    try:
        return x.astype(np.float64)
    except TypeError as error:
        # scikit-learn's words: its own checks ask for them.
        raise InvalidTypeError(f"X must be numbers: argument must be a string or a real number, {error}.") from error
    except ValueError as error:
        column = _first_text_column(x)
        raise InvalidInputError(f"X must be numbers, got text{column}: {error}. Drop or encode it.") from error


def _first_text_column(x: Array) -> str:
    """Where the first thing stands that is no number, in words."""
    for place in np.ndindex(x.shape):
        try:
            float(x[place])
        except (TypeError, ValueError):
            return f" in row {place[0]}, column {place[1]}" if len(place) > 1 else f" in row {place[0]}"
    return ""


def _from_pandas(frame: Any, column_types: ColumnTypes | None) -> Data:
    """A pandas frame; one whose column names are all text keeps them, as in scikit-learn."""
    import pyarrow as pa

    named = all(isinstance(name, str) for name in frame.columns)
    plain = all(getattr(dtype, "kind", "O") in "iuf" for dtype in frame.dtypes)
    if plain and column_types is None:  # scikit-learn's frames, and the fastest way
        x = frame.to_numpy(dtype=np.float64, na_value=np.nan)
        return Data(_in_order(x), tuple(frame.columns) if named else None)
    columns = []
    for j, name in enumerate(frame.columns):
        try:
            columns.append(pa.chunked_array([pa.array(frame.iloc[:, j], from_pandas=True)]))
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise InvalidInputError(
                f"Column '{name}' must hold values of one kind: {str(error).splitlines()[0].rstrip('.')}. Convert or drop it."
            ) from error
    return _from_columns([str(name) for name in frame.columns], columns, column_types, named=named)


def table_data(table: "pa.Table", label_column: str | None, column_types: ColumnTypes | None) -> Data:
    """An Arrow table, its label column apart."""
    labels = None
    if label_column is not None:
        if label_column not in table.column_names:
            raise unknown("label column", label_column, table.column_names)
        labels = table[label_column].combine_chunks().to_numpy(zero_copy_only=False)
        table = table.drop_columns([label_column])
    data = _from_columns(table.column_names, table.columns, column_types)
    return replace(data, x=data.x if data.x.size else np.empty((table.num_rows, 0)), labels=labels)


def _from_columns(
    names: Sequence[str], columns: "Sequence[pa.ChunkedArray]", column_types: ColumnTypes | None, *, named: bool = True
) -> Data:
    """Columns of any kind, as numbers."""
    if isinstance(column_types, Mapping):
        check_column_types(column_types.values())
        wanted: Sequence[str | None] = [column_types.get(name) for name in names]
    else:
        wanted = column_types if column_types is not None and len(column_types) == len(names) else [None] * len(names)
    found = [from_arrow(*given) for given in zip(names, columns, wanted, strict=True)]
    own = tuple(kind for kind, _, _ in found)
    x = np.column_stack([values for _, values, _ in found]) if found else np.empty((0, 0))
    category_labels = {j: category_labels for j, (_, _, category_labels) in enumerate(found) if category_labels}
    mixed = any(kind in (CATEGORY, TIME) for kind in own)
    return Data(
        x, tuple(names) if named else None, column_types=own if mixed else None, category_labels=category_labels
    )


def _from_objects(x: Array, column_types: Sequence[str]) -> Data:
    """An array (n, d) whose columns are of these kinds."""
    if x.dtype.kind == "O":
        import pyarrow as pa

        columns = [pa.chunked_array([pa.array(x[:, j], from_pandas=True)]) for j in range(x.shape[1])]
        return _from_columns([f"{j}" for j in range(x.shape[1])], columns, column_types, named=False)
    if x.dtype.kind not in "biuf":
        raise InvalidInputError(f"X must hold what the detector was fitted on, got an array of {x.dtype}.")
    numbers, category_labels = x.astype(np.float64), {}
    for j, kind in enumerate(column_types):
        if kind == CATEGORY:
            values, place = np.unique(numbers[:, j], return_inverse=True)
            codes = np.array([np.nan if np.isnan(v) else category_code(category_text(v)) for v in values.tolist()])
            known = ~np.isnan(values)
            category_labels[j] = dict(
                zip(codes[known].tolist(), map(category_text, values[known].tolist()), strict=True)
            )
            numbers[:, j] = codes[place]
    return Data(numbers, column_types=tuple(column_types), category_labels=category_labels)


# -- what is refused at the door -----------------------------------------------------------------------------------------
