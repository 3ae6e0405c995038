"""Arrow columns of any type as numbers."""

from math import isfinite, isnan
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from egbad.arrays import Floats
from egbad.data.column_types import (
    BOOLEAN,
    CATEGORY,
    NUMBER,
    TIME,
    TIME_OF_DAY,
    CategoryLabels,
    base_type,
    category_code,
    category_text,
    column_type_error,
    unsupported_type_error,
)
from egbad.data.times import encode_times, seconds, time_zone, to_numpy, zoned_time

_EXTENSION_NAME = b"ARROW:extension:name"  # key of a field's metadata


def encode_column(name: str, column: pa.ChunkedArray, wanted: str | None = None) -> tuple[str, Floats, CategoryLabels]:
    """Encode an Arrow column as numbers.

    Parameters
    ----------
    name : str
        Name of the column, for error messages.
    column : pyarrow.ChunkedArray of length n
    wanted : str, optional
        Column type to convert to. Numbers and booleans can become categories, and each can become the other. "time" stands
        for times with any zone or none and for times of day; "time[ZONE]" for times with any zone, read in that one.

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
    column = _plain(name, column)
    found = _column_type(column.type)
    if found is None:
        raise unsupported_type_error(name, column.type)
    if column.null_count == len(column):
        return wanted or found, np.full(len(column), np.nan), {}
    if wanted == CATEGORY and found in (NUMBER, BOOLEAN, CATEGORY):
        return CATEGORY, *_encode_category(column)
    column_type = found if wanted is None or (wanted == TIME and base_type(found) in (TIME, TIME_OF_DAY)) else wanted
    zones_differ = (time_zone(column_type) is None) != (time_zone(found) is None)
    if zones_differ or (base_type(column_type) != base_type(found) and {column_type, found} != {NUMBER, BOOLEAN}):
        raise column_type_error(name, column_type, found)
    if found == CATEGORY:
        return CATEGORY, *_encode_category(column)
    if base_type(found) in (TIME, TIME_OF_DAY):
        return column_type, encode_times(column, time_zone(column_type)), {}
    return column_type, _encode_number(column), {}


def check_field(field: pa.Field) -> None:
    """Check that a column has no extension type that other programs have to tell about its values.

    Whether pyarrow knows such a type depends on the packages that are imported; the field's metadata always names it.

    Parameters
    ----------
    field : pyarrow.Field

    Raises
    ------
    InvalidInputError
        For such a type, for example pandas' periods and intervals.
    """
    extension = (field.metadata or {}).get(_EXTENSION_NAME)
    if extension is not None:
        raise unsupported_type_error(field.name, f"extension<{extension.decode(errors='replace')}>")


def plain_values(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column that is carried to the output by its values, without dictionary and run-end encoding.

    Parameters
    ----------
    column : pyarrow.ChunkedArray of length n

    Returns
    -------
    pyarrow.ChunkedArray of length n
    """
    if pa.types.is_run_end_encoded(column.type):
        return plain_values(pc.run_end_decode(column))
    if pa.types.is_dictionary(column.type):
        return pc.cast(column, column.type.value_type)
    return column


def carried_cells(column: pa.ChunkedArray) -> list[Any]:
    """Return the values of a column that is carried to CSV, JSON or a report.

    Parameters
    ----------
    column : pyarrow.ChunkedArray of length n

    Returns
    -------
    list of bool, int, float, str or None
        Times and other values are text, infinities too. None for missing values.
    """
    types, kind = pa.types, column.type
    if types.is_floating(kind):
        values = pc.cast(column, pa.float64()).to_pylist()
        return [value if value is None or isfinite(value) else None if isnan(value) else str(value) for value in values]
    if types.is_boolean(kind) or types.is_integer(kind) or types.is_string(kind) or types.is_large_string(kind):
        return list(column.to_pylist())
    if types.is_duration(kind):
        column = pc.cast(column, pa.duration("us"), safe=False)  # Python's durations have no nanoseconds
        return [None if value is None else str(value) for value in column.to_pylist()]
    try:
        return list(pc.cast(column, pa.string()).to_pylist())
    except pa.ArrowException:  # lists, structures, and bytes that are no text
        return [None if value is None else category_text(value) for value in column.to_pylist()]


def _plain(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return run-end encoded, dictionary and extension columns by their values, but keep dictionaries of categories."""
    if pa.types.is_run_end_encoded(column.type):
        return _plain(name, pc.run_end_decode(column))
    if isinstance(column.type, pa.BaseExtensionType):
        return _plain_extension(name, column)
    if pa.types.is_dictionary(column.type):
        value_type = column.type.value_type
        if isinstance(value_type, pa.BaseExtensionType) or (found := _column_type(value_type)) is None:
            raise unsupported_type_error(name, column.type)
        if base_type(found) in (TIME, TIME_OF_DAY) or pa.types.is_duration(value_type):
            return pc.cast(column, value_type)
    return column


def _plain_extension(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return UUIDs and JSON as text and 8-bit booleans as booleans."""
    if isinstance(column.type, pa.UuidType):
        texts = [None if value is None else str(value) for value in column.to_pylist()]
        return pa.chunked_array([pa.array(texts, pa.string())])
    if not isinstance(column.type, pa.JsonType | pa.Bool8Type):
        raise unsupported_type_error(name, column.type)
    storage = pa.chunked_array([chunk.storage for chunk in column.chunks], column.type.storage_type)
    return pc.cast(storage, pa.bool_()) if isinstance(column.type, pa.Bool8Type) else storage


def _column_type(arrow_type: pa.DataType) -> str | None:
    """Return the column type for an Arrow type, None for an unsupported one."""
    types = pa.types
    if types.is_timestamp(arrow_type) and arrow_type.tz is not None:
        return zoned_time(arrow_type.tz)
    groups = {
        BOOLEAN: (types.is_boolean,),
        CATEGORY: (
            types.is_dictionary,
            types.is_string,
            types.is_large_string,
            types.is_string_view,
            types.is_binary,
            types.is_large_binary,
            types.is_binary_view,
            types.is_fixed_size_binary,
        ),
        TIME: (types.is_timestamp, types.is_date),
        TIME_OF_DAY: (types.is_time,),
        NUMBER: (types.is_integer, types.is_floating, types.is_decimal, types.is_duration, types.is_null),
    }
    return next((name for name, tests in groups.items() if any(test(arrow_type) for test in tests)), None)


def _encode_number(column: pa.ChunkedArray) -> Floats:
    """Return the nearest doubles of numbers, and durations in seconds."""
    if pa.types.is_duration(column.type):
        return seconds(pc.cast(column, pa.int64()), column.type.unit)
    return to_numpy(pc.cast(column, pa.float64(), safe=False), np.float64(np.nan))


def _encode_category(column: pa.ChunkedArray) -> tuple[Floats, CategoryLabels]:
    """Return the code of every value, and the text of every code."""
    if not pa.types.is_dictionary(column.type):
        if pa.types.is_floating(column.type):
            column = pc.if_else(pc.is_nan(column), None, column)
        column = pa.chunked_array([pc.dictionary_encode(column.combine_chunks())])
    parts, labels = [np.empty(0)], dict[float, str]()
    for chunk in column.chunks:
        n_levels = len(chunk.dictionary)
        positions = to_numpy(pa.chunked_array([pc.cast(chunk.indices, pa.int64())]), np.int64(n_levels))
        is_used, codes = np.zeros(n_levels + 1, dtype=np.bool_), np.full(n_levels + 1, np.nan)
        is_used[positions] = True
        for position in np.flatnonzero(is_used[:-1]).tolist():
            if (value := chunk.dictionary[position].as_py()) is not None:
                text = category_text(value)
                codes[position] = category_code(text)
                labels[float(codes[position])] = text
        parts.append(codes[positions])
    return np.concatenate(parts), labels
