"""Types of table columns, and the encoding of every value as one number.

A number is itself, a boolean 0 or 1, a time its seconds since 1970, and a category a 48-bit hash of its text. A missing
value is NaN. A table with columns of any type is therefore one matrix in double precision, and equal values are equal
numbers on every machine.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from egbad.arrays import Array, Floats
from egbad.errors import InvalidInputError, unknown

NUMBER, BOOLEAN, CATEGORY, TIME = "number", "boolean", "category", "time"
COLUMN_TYPES = (NUMBER, BOOLEAN, CATEGORY, TIME)
TYPE_DESCRIPTIONS = {NUMBER: "numbers", BOOLEAN: "booleans", CATEGORY: "categories", TIME: "times"}
MAX_KNOWN_LEVELS = 10_000  # of a category with more levels, unknown levels are not told apart from rare ones

CategoryLabels = dict[float, str]  # of one category: code -> text
# Types of columns, either by name for any of them, or for all in order.
ColumnTypes = Mapping[str, str] | Sequence[str]

_HASH_BYTES = 6  # fits into the 53 bits of a double; a million levels collide with a probability of 0.2%
_GROUPED_FROM, _SCIENTIFIC_FROM = 1e4, 1e12  # in between, all digits before the decimal point are shown
_TICKS_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


@lru_cache(maxsize=65_536)
def category_code(text: str) -> float:
    """Return the number that encodes a level of a category.

    Parameters
    ----------
    text : str

    Returns
    -------
    float
        A hash of the text; a whole number below 2**48.

    Examples
    --------
    >>> category_code("tcp") == category_code("tcp") != category_code("udp")
    True
    """
    return float(int.from_bytes(blake2b(text.encode(), digest_size=_HASH_BYTES).digest(), "little"))


def encode_column(name: str, column: pa.ChunkedArray, wanted: str | None = None) -> tuple[str, Floats, CategoryLabels]:
    """Encode an Arrow column as numbers.

    Parameters
    ----------
    name : str
        Name of the column, for error messages.
    column : pyarrow.ChunkedArray of length n
    wanted : str, optional
        Column type to convert to. Numbers and booleans can become categories, and each can become the other.

    Returns
    -------
    column_type : str
    values : ndarray of shape (n,)
    category_labels : dict of float to str
        The text of every code; empty unless the column is a category.

    Raises
    ------
    InvalidInputError
        If the column has an unsupported type or cannot be converted to the wanted one.
    """
    found = _column_type(column.type)
    if found is None:
        raise InvalidInputError(
            f"Columns must hold numbers, text, booleans or times, got '{name}' of type {column.type}. Drop it."
        )
    column_type = wanted or found
    all_missing = column.null_count == len(column)
    if (column_type == CATEGORY and found in (NUMBER, BOOLEAN)) or column_type == found == CATEGORY:
        return CATEGORY, *_encode_category(column)
    if column_type != found and not all_missing and {column_type, found} != {NUMBER, BOOLEAN}:
        raise column_type_error(name, column_type, found)
    if all_missing:
        return column_type, np.full(len(column), np.nan), {}
    return column_type, _encode_time(column) if column_type == TIME else _encode_number(column), {}


def column_type_error(name: str, wanted: str, found: str) -> InvalidInputError:
    """Create the error for a column that has not the type it had when the detector was fitted.

    Parameters
    ----------
    name : str
    wanted, found : str
        Column types.

    Returns
    -------
    InvalidInputError
    """
    return InvalidInputError(
        f"Column '{name}' must hold {TYPE_DESCRIPTIONS[wanted]}, as it did when the detector was fitted, "
        f"got {TYPE_DESCRIPTIONS[found]}."
    )


def check_column_types(column_types: Iterable[str]) -> None:
    """Check that column types exist.

    Parameters
    ----------
    column_types : iterable of str

    Raises
    ------
    InvalidInputError
        For an unknown type, with the nearest known one.
    """
    for column_type in column_types:
        if column_type not in COLUMN_TYPES:
            raise unknown("column type", column_type, COLUMN_TYPES)


def _column_type(arrow_type: pa.DataType) -> str | None:
    """Return the column type for an Arrow type, None for an unsupported one."""
    types = pa.types
    groups = {
        BOOLEAN: (types.is_boolean,),
        CATEGORY: (
            types.is_dictionary,
            types.is_string,
            types.is_large_string,
            types.is_string_view,
            types.is_binary,
            types.is_large_binary,
        ),
        TIME: (types.is_timestamp, types.is_date),
        NUMBER: (types.is_integer, types.is_floating, types.is_decimal, types.is_duration, types.is_null),
    }
    return next((name for name, tests in groups.items() if any(test(arrow_type) for test in tests)), None)


def _encode_number(column: pa.ChunkedArray) -> Floats:
    """Return numbers as they are and durations in seconds."""
    if pa.types.is_duration(column.type):
        return _encode_number(pc.cast(column, pa.int64())) / _TICKS_PER_SECOND[column.type.unit]
    return _to_numpy(pc.cast(column, pa.float64()), np.float64(np.nan))


def _to_numpy(column: pa.ChunkedArray, fill_value: np.number[Any]) -> Array:
    """Convert a column to an array of the fill value's type, which replaces missing values.

    `ChunkedArray.to_numpy` and `pa.scalar` of a NumPy value are not used because they import pandas.
    """
    arrow_value = pa.Array.from_buffers(column.type, 1, [None, pa.py_buffer(fill_value.tobytes())])[0]
    parts = map(np.from_dlpack, pc.fill_null(column, arrow_value).chunks)
    return np.concatenate([np.empty(0, fill_value.dtype), *parts])


def _encode_time(column: pa.ChunkedArray) -> Floats:
    """Return seconds since 1970 in local time: a time with a zone is taken by the clock of that zone."""
    if pa.types.is_date(column.type):
        column = pc.cast(column, pa.timestamp("ms"))
    elif column.type.tz is not None:
        column = pc.local_timestamp(column)
    unit = column.type.unit
    missing = _to_numpy(pc.cast(pc.is_null(column), pa.uint8()), np.uint8(0))
    return np.where(missing, np.nan, _to_numpy(pc.cast(column, pa.int64()), np.int64(0)) / _TICKS_PER_SECOND[unit])


def _encode_category(column: pa.ChunkedArray) -> tuple[Floats, CategoryLabels]:
    """Return the code of every value, and the text of every code."""
    if pa.types.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    encoded = pc.dictionary_encode(column.combine_chunks() if column.num_chunks != 1 else column.chunk(0))
    texts = [category_text(value) for value in encoded.dictionary.to_pylist()]
    codes = np.array([category_code(text) for text in texts] or [np.nan])
    positions = _to_numpy(pa.chunked_array([encoded.indices]), np.int32(-1))
    return np.where(positions < 0, np.nan, codes[positions]), dict(zip(codes.tolist(), texts, strict=False))


def category_text(value: Any) -> str:
    """Return the text of a level, as a text file would hold it.

    Parameters
    ----------
    value : str, bytes, bool, int or float

    Returns
    -------
    str

    Examples
    --------
    >>> category_text("tcp"), category_text(True), category_text(80.0)
    ('tcp', 'true', '80')
    """
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def describe_value(column_type: str, value: Any) -> str:
    """Format a value of a column for a sentence or a table.

    Parameters
    ----------
    column_type : str
    value : float or str
        Text for a category, a number for all other types.

    Returns
    -------
    str

    Examples
    --------
    >>> describe_value(NUMBER, 54540.0), describe_value(NUMBER, 0.123456), describe_value(BOOLEAN, 1.0)
    ('54,540', '0.1235', 'true')
    >>> describe_value(TIME, 0.0), describe_value(CATEGORY, "tcp")
    ('1970-01-01 00:00:00 UTC', "'tcp'")
    """
    if column_type == TIME:
        try:
            return f"{datetime(1970, 1, 1) + timedelta(seconds=float(value)):%Y-%m-%d %H:%M:%S} UTC"
        except OverflowError:  # before the year 1 or after 9999
            return f"{value:,.0f} seconds after 1970"
    if column_type == BOOLEAN:
        return "true" if value >= 0.5 else "false"
    if column_type == CATEGORY:
        return f"'{value}'"
    size = abs(value)
    show_all_digits = size >= _GROUPED_FROM or float(value).is_integer()
    return f"{value:,.0f}" if show_all_digits and size < _SCIENTIFIC_FROM else f"{value:,.4g}"


def labels_to_json(category_labels: Mapping[int, CategoryLabels]) -> dict[str, list[tuple[float, str]]]:
    """Convert category labels to values that JSON can hold.

    Parameters
    ----------
    category_labels : mapping of int to dict of float to str
        For each category column, by position, the text of every code.

    Returns
    -------
    dict of str to list of (float, str)
    """
    return {str(j): [*labels.items()] for j, labels in category_labels.items()}


def labels_from_json(content: Mapping[str, Iterable[tuple[float, str]]]) -> dict[int, CategoryLabels]:
    """Restore the category labels that `labels_to_json` converted.

    Parameters
    ----------
    content : mapping of str to iterable of (float, str)

    Returns
    -------
    dict of int to dict of float to str
    """
    return {int(j): dict(labels) for j, labels in content.items()}
