"""The kinds of columns that tables have, and every value of them as one number.

A number is itself, a boolean 0 or 1, a time its seconds since 1970, a category the digest of its text, in 48 bits; what is
missing is NaN. So a table of any kinds is one matrix in double precision, and the same value is the same number on every
machine, whatever else a table holds.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from egbad.errors import InvalidInputError, unknown

if TYPE_CHECKING:
    import pyarrow as pa

NUMBER, BOOLEAN, CATEGORY, TIME = "number", "boolean", "category", "time"
COLUMN_TYPES = (NUMBER, BOOLEAN, CATEGORY, TIME)
WORDS = {NUMBER: "numbers", BOOLEAN: "true or false", CATEGORY: "categories", TIME: "times"}
_DIGEST = 6  # bytes: below the 53 bits that a double holds, and enough that a million levels hardly ever meet

_FOUR_DIGITS, _ALL_DIGITS = 1e4, 1e12  # between them all digits before the point are shown
_TICKS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}  # of a second

CategoryLabels = dict[float, str]  # of a category: code -> what it stands for


@lru_cache(maxsize=65_536)
def category_code(text: str) -> float:
    """The number that stands for a level of a category.

    >>> category_code("tcp") == category_code("tcp") != category_code("udp")
    True
    """
    return float(int.from_bytes(blake2b(text.encode(), digest_size=_DIGEST).digest(), "little"))


def from_arrow(
    name: str, column: "pa.ChunkedArray", wanted: str | None = None
) -> tuple[str, NDArray[np.float64], CategoryLabels]:
    """A column of a table -> its kind, its numbers (n,), and the texts of its categories.

    Parameters
    ----------
    name : str
        For errors.
    wanted : str, optional
        The kind that it must be brought to: numbers can be categories, and true and false numbers.

    Raises
    ------
    InvalidInputError
        For a type that is none of the kinds, or that can't be brought to the wanted one.
    """
    found = _kind(column.type)
    if found is None:
        raise InvalidInputError(
            f"Columns must be numbers, text, true or false, or times, got '{name}' of type {column.type}. Drop it."
        )
    kind = wanted or found
    empty = column.null_count == len(column)
    if (kind == CATEGORY and found in (NUMBER, BOOLEAN)) or kind == found == CATEGORY:
        return CATEGORY, *_codes(column)
    if kind != found and not empty and {kind, found} != {NUMBER, BOOLEAN}:
        raise column_type_error(name, kind, found)
    if empty:
        return kind, np.full(len(column), np.nan), {}
    return kind, _seconds(column) if kind == TIME else _numbers(column), {}


def column_type_error(name: str, wanted: str, found: str) -> InvalidInputError:
    """What is said of a column that isn't what it was when the detector was fitted."""
    return InvalidInputError(
        f"Column '{name}' must hold {WORDS[wanted]}, as it did when the detector was fitted, got {WORDS[found]}."
    )


def check_column_types(column_types: Iterable[str]) -> None:
    """Refuse kinds that don't exist."""
    for kind in column_types:
        if kind not in COLUMN_TYPES:
            raise unknown("kind of column", kind, COLUMN_TYPES)


def _kind(type_: "pa.DataType") -> str | None:
    import pyarrow as pa

    types = pa.types
    if types.is_boolean(type_):
        return BOOLEAN
    if types.is_dictionary(type_):
        return CATEGORY
    for is_text in (
        types.is_string,
        types.is_large_string,
        types.is_string_view,
        types.is_binary,
        types.is_large_binary,
    ):
        if is_text(type_):
            return CATEGORY
    if types.is_timestamp(type_) or types.is_date(type_):
        return TIME
    for is_number in (types.is_integer, types.is_floating, types.is_decimal, types.is_duration, types.is_null):
        if is_number(type_):
            return NUMBER
    return None


def _numbers(column: "pa.ChunkedArray") -> NDArray[np.float64]:
    """Numbers as they are, and how long something took in seconds."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_duration(column.type):
        return _numbers(pc.cast(column, pa.int64())) / _TICKS[column.type.unit]
    return _filled(pc.cast(column, pa.float64()), np.float64(np.nan))


def _filled(column: "pa.ChunkedArray", value: np.number[Any]) -> NDArray[Any]:
    """Numbers of the type of `value`, which fills the gaps. pyarrow's ways from and to numpy import pandas for nothing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    filling = pa.Array.from_buffers(column.type, 1, [None, pa.py_buffer(value.tobytes())])[0]
    parts = map(np.from_dlpack, pc.fill_null(column, filling).chunks)
    return np.concatenate([np.empty(0, value.dtype), *parts])


def _seconds(column: "pa.ChunkedArray") -> NDArray[np.float64]:
    """Seconds since 1970 by the clock on the wall: where a time zone is given, by that zone's."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_date(column.type):
        column = pc.cast(column, pa.timestamp("ms"))
    elif column.type.tz is not None:
        column = pc.local_timestamp(column)
    unit = column.type.unit
    missing = _filled(pc.cast(pc.is_null(column), pa.uint8()), np.uint8(0))
    return np.where(missing, np.nan, _filled(pc.cast(column, pa.int64()), np.int64(0)) / _TICKS[unit])


def _codes(column: "pa.ChunkedArray") -> tuple[NDArray[np.float64], CategoryLabels]:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    parts = pc.dictionary_encode(column.combine_chunks() if column.num_chunks != 1 else column.chunk(0))
    category_labels = [category_text(value) for value in parts.dictionary.to_pylist()]
    codes = np.array([category_code(text) for text in category_labels] or [np.nan])
    places = _filled(pa.chunked_array([parts.indices]), np.int32(-1))
    return np.where(places < 0, np.nan, codes[places]), dict(zip(codes.tolist(), category_labels, strict=False))


def category_text(value: Any) -> str:
    """A level as text: what a number or a boolean is in a file of text."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def describe_value(kind: str, value: Any) -> str:
    """A value that a column of this kind holds, as a sentence has it.

    >>> describe_value(NUMBER, 54540.0), describe_value(NUMBER, 0.123456), describe_value(BOOLEAN, 1.0), describe_value(TIME, 0.0)
    ('54,540', '0.1235', 'true', '1970-01-01 00:00:00 UTC')
    """
    if kind == TIME:
        try:
            return f"{datetime(1970, 1, 1) + timedelta(seconds=float(value)):%Y-%m-%d %H:%M:%S} UTC"
        except OverflowError:  # before the year 1 or after 9999
            return f"{value:,.0f} seconds after 1970"
    if kind == BOOLEAN:
        return "true" if value >= 0.5 else "false"
    if kind == CATEGORY:
        return f"'{value}'"
    size = abs(value)
    large = size >= _FOUR_DIGITS or float(value).is_integer()
    return f"{value:,.0f}" if large and size < _ALL_DIGITS else f"{value:,.4g}"


def labels_to_json(category_labels: Mapping[int, CategoryLabels]) -> dict[str, list[tuple[float, str]]]:
    """The texts of categories by position of the column, JSON-able."""
    return {str(j): [*own.items()] for j, own in category_labels.items()}


def labels_from_json(plain: Mapping[str, Iterable[tuple[float, str]]]) -> dict[int, CategoryLabels]:
    """The way back."""
    return {int(j): dict(own) for j, own in plain.items()}


MAX_KNOWN_LEVELS = 10_000  # levels: of a category with more, what was never seen is not told from what is rare
