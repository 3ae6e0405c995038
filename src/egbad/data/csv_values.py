"""Text cells of CSV files as numbers, booleans and times."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from egbad.data.column_types import BOOLEAN, CATEGORY, NUMBER, TIME_OF_DAY

# Cells of columns that are no text: no value. An empty cell is a missing value in any column.
_NULL = pa.nulls(1, pa.string())[0]
_PLAIN_MARKS = "NA N/A n/a NaN nan NULL Null null None none NaT nat <NA> #N/A -NaN -nan 1.#IND -1.#IND 1.#QNAN -1.#QNAN"
# The same, but less certain: reading them is reported.
NOTABLE_MARKS = ("-", "--", "?", ".", "..", "n.a.", "#NA", "#N/A N/A", "#VALUE!", "#DIV/0!", "#REF!", "#NUM!", "#NAME?")

_CURRENCY = r"(?:[A-Z]{0,3}\p{Sc}|USD|EUR|GBP|JPY|CHF|CNY|INR|CAD|AUD|SEK|NOK|DKK|PLN|CZK|BRL|KRW|Fr\.|kr)"
_SPACE, _APOSTROPHE, _MINUS = "[ \u00a0\u2009\u202f]", "['\u2019]", "[\u2212\u2013]"
_SIGN = f"(?:[-+]|{_MINUS})?"
_GROUPS = "|".join(rf"\d{{1,3}}(?:{mark}\d{{3}})+" for mark in ("MARK", _SPACE, _APOSTROPHE, "_"))
_DIGITS = rf"(?:(?:\d+|{_GROUPS})(?:POINT\d*)?|POINT\d+)(?:[eE][-+]?\d+)?"
_AMOUNT = rf"{_DIGITS}{_SPACE}?(?:%|{_CURRENCY})?"
_SIGNED = rf"{_SIGN}{_SPACE}?(?:{_CURRENCY}{_SPACE}?)?{_AMOUNT}|{_CURRENCY}{_SPACE}?{_SIGN}{_AMOUNT}"
_NUMBER = rf"^(?:{_SIGNED}|\((?:{_CURRENCY}{_SPACE}?)?{_AMOUNT}\)|[-+]?(?i:inf|infinity))$"
_TIME = r"^\d{4}-\d\d-\d\d(?:[ T]\d\d(?::?\d\d(?::?\d\d(?:\.\d{1,9})?)?)?)?"
_ZONE = r"(?:Z|[-+]\d\d(?::?\d\d)?)$"
_BOOLEAN = r"^(?i:true|false)$"


@dataclass(frozen=True)
class ParsedCells:
    """Cells of one type.

    Attributes
    ----------
    values : pyarrow.Array of length n
        Null where a cell is missing or invalid.
    missing, invalid : ndarray of bool of shape (n,)
    """

    values: pa.Array
    missing: NDArray[np.bool_]
    invalid: NDArray[np.bool_]


def parse_cells(text: pa.Array, column_type: str, decimal: str = ".", marks: Sequence[str] = ()) -> ParsedCells:
    """Parse text cells as values of one type.

    Parameters
    ----------
    text : pyarrow.StringArray of length n
        Null for an empty cell.
    column_type : str
        "number", "boolean", "time" or "time of day".
    decimal : {".", ","}
        Decimal mark of numbers. The other one may separate thousands.
    marks : sequence of str
        Cells that stand for a missing value, besides the usual ones.

    Returns
    -------
    ParsedCells

    Examples
    --------
    >>> text = pa.array(["$1,234.50", "-", "(12%)", "1O5", None])
    >>> parsed = parse_cells(text, "number")
    >>> parsed.values.to_pylist(), parsed.missing.tolist(), parsed.invalid.tolist()
    ([1234.5, None, -0.12, None, None], [False, True, False, False, True], [False, False, False, True, False])
    """
    if column_type == NUMBER and decimal == "." and not marks:
        try:
            values = pc.cast(text, pa.float64())
        except pa.ArrowInvalid:
            pass
        else:
            return ParsedCells(values, _mask(pc.is_null(values, nan_is_null=True)), np.zeros(len(text), dtype=np.bool_))
    cells = remove_marks(text, marks)
    missing = _mask(pc.is_null(cells))
    if column_type == NUMBER:
        values = _parse_numbers(cells, decimal)
    elif column_type == BOOLEAN:
        values = pc.cast(pc.if_else(pc.match_substring_regex(cells, _BOOLEAN), cells, _NULL), pa.bool_())
    else:
        values = _parse_clock(cells) if column_type == TIME_OF_DAY else _parse_times(cells)
    return ParsedCells(values, missing, _mask(pc.is_null(values, nan_is_null=True)) & ~missing)


def remove_marks(text: pa.Array, marks: Sequence[str] = (), *, usual: bool = True) -> pa.Array:
    """Return cells without surrounding spaces, and null where a cell stands for a missing value.

    Parameters
    ----------
    text : pyarrow.StringArray
    marks : sequence of str
        Cells that stand for a missing value.
    usual : bool
        Add the usual marks, such as NA.

    Returns
    -------
    pyarrow.StringArray
    """
    all_marks = [*marks, *(("", *_PLAIN_MARKS.split(), *NOTABLE_MARKS) if usual else ())]
    trimmed = pc.utf8_trim_whitespace(text)
    if not all_marks:
        return trimmed
    return pc.if_else(pc.match_substring_regex(trimmed, _one_of(all_marks)), _NULL, trimmed)


def is_missing(text: pa.Array, marks: Sequence[str] = ()) -> NDArray[np.bool_]:
    """Return the cells that stand for a missing value in columns that are no text.

    Parameters
    ----------
    text : pyarrow.StringArray of length n
    marks : sequence of str

    Returns
    -------
    ndarray of bool of shape (n,)
    """
    return _mask(pc.is_null(remove_marks(text, marks)))


def find_notable_marks(text: pa.Array) -> list[str]:
    """Return the different cells that are read as missing values although that is less certain.

    Parameters
    ----------
    text : pyarrow.StringArray

    Returns
    -------
    list of str
    """
    trimmed = pc.utf8_trim_whitespace(text)
    found = pc.unique(trimmed.filter(pc.match_substring_regex(trimmed, _one_of(NOTABLE_MARKS))))
    return sorted(mark for mark in found.to_pylist() if mark is not None)


def parse_required(text: pa.Array, column_type: str, decimal: str = ".", marks: Sequence[str] = ()) -> ParsedCells:
    """Parse the cells of a column whose type is known in advance.

    Unlike `parse_cells`, it keeps the text of categories, and accepts booleans as the numbers 0 and 1 and the other way
    round: a model of numbers does not know which of its columns held booleans.

    Parameters
    ----------
    text : pyarrow.StringArray
    column_type : str
    decimal : {".", ","}
    marks : sequence of str

    Returns
    -------
    ParsedCells
    """
    if column_type == CATEGORY:
        cells = remove_marks(text, marks, usual=False) if marks else text
        return ParsedCells(cells, _mask(pc.is_null(cells)), np.zeros(len(text), dtype=np.bool_))
    parsed = parse_cells(text, column_type, decimal, marks)
    if not parsed.invalid.any() or column_type not in (NUMBER, BOOLEAN):
        return parsed
    other = parse_cells(text, BOOLEAN if column_type == NUMBER else NUMBER, decimal, marks)
    values = pc.coalesce(_as_numbers(parsed.values), _as_numbers(other.values))
    return ParsedCells(values, parsed.missing, parsed.invalid & other.invalid)


def _as_numbers(values: pa.Array) -> pa.Array:
    if pa.types.is_boolean(values.type):
        values = pc.cast(values, pa.uint8())
    return pc.cast(values, pa.float64())


def _parse_numbers(cells: pa.Array, decimal: str) -> pa.Array:
    """Return numbers, null where a cell is none."""
    mark = "," if decimal == "." else "."
    pattern = _NUMBER.replace("MARK", re.escape(mark)).replace("POINT", re.escape(decimal))
    valid = pc.if_else(pc.match_substring_regex(cells, pattern), cells, _NULL)
    percent = pc.match_substring(valid, "%")
    digits = pc.replace_substring_regex(valid, r"^\((.*)\)$", r"-\1")
    digits = pc.replace_substring_regex(digits, _MINUS, "-")
    digits = pc.replace_substring_regex(digits, rf"{_CURRENCY}|{_SPACE}|{_APOSTROPHE}|[_%{re.escape(mark)}]", "")
    if decimal != ".":
        digits = pc.replace_substring(digits, decimal, ".")
    digits = pc.replace_substring_regex(digits, "^[-+]([-+])", r"\1")
    numbers = pc.cast(digits, pa.float64())
    if not pc.any(percent).as_py():
        return numbers
    return pc.if_else(percent, pc.divide(numbers, 100.0), numbers)


def _parse_times(cells: pa.Array) -> pa.Array:
    """Return times, in UTC if they have a zone; null where a cell is none, or some have a zone and others have none."""
    zoned = pc.match_substring_regex(cells, _TIME + _ZONE)
    plain = pc.match_substring_regex(cells, _TIME + "$")
    if pc.any(zoned).as_py():
        return _cast_times(pc.if_else(zoned, cells, _NULL), "UTC")
    return _cast_times(pc.if_else(plain, cells, _NULL), None)


def _cast_times(cells: pa.Array, zone: str | None) -> pa.Array:
    """Cast text to times in microseconds; dates that the calendar does not have become null."""
    for unit in ("us", "ns"):
        try:
            return pc.cast(pc.cast(cells, pa.timestamp(unit, zone)), pa.timestamp("us", zone), safe=False)
        except pa.ArrowInvalid:
            pass
    if len(cells) == 1:
        return pa.nulls(1, pa.timestamp("us", zone))
    half = len(cells) // 2
    return pa.concat_arrays([_cast_times(part, zone) for part in (cells.slice(0, half), cells.slice(half))])


def _parse_clock(cells: pa.Array) -> pa.Array:
    """Return times of day, null where a cell is none."""
    clock = pc.match_substring_regex(cells, r"^\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?$")
    dated = pc.binary_join_element_wise("1970-01-01", pc.if_else(clock, cells, _NULL), " ")
    return pc.cast(_cast_times(dated, None), pa.time64("us"))


def _one_of(words: Sequence[str]) -> str:
    return f"^(?:{'|'.join(re.escape(word) for word in words)})$"


def _mask(values: pa.Array) -> NDArray[np.bool_]:
    """Return booleans without nulls as an array. `to_numpy` is not used because it imports pandas."""
    return np.from_dlpack(pc.cast(pc.and_kleene(pc.is_valid(values), values), pa.uint8())).astype(np.bool_)
