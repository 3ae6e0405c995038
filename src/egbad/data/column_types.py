"""Types of table columns, and the encoding of every value as one number.

A number is itself, a boolean 0 or 1, a time its seconds since 1970 (see `egbad.data.times`), a time of day its seconds since
midnight, and a category a 48-bit hash of its text. A missing value is NaN. A table with columns of any type is therefore one
matrix in double precision, and equal values are equal numbers on every machine.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from egbad.data.times import TIME as TIME
from egbad.data.times import TIME_OF_DAY as TIME_OF_DAY
from egbad.data.times import check_zone, describe_time, time_zone
from egbad.errors import InvalidInputError, shorten, unknown

NUMBER, BOOLEAN, CATEGORY = "number", "boolean", "category"
COLUMN_TYPES = (NUMBER, BOOLEAN, CATEGORY, TIME, TIME_OF_DAY)  # model files contain positions in this list
ID, IGNORE, LABEL = "id", "ignore", "label"
ROLES = (ID, IGNORE, LABEL)  # of columns that are not scored; they may stand in place of a type
TYPE_DESCRIPTIONS = {
    NUMBER: "numbers",
    BOOLEAN: "booleans",
    CATEGORY: "categories",
    TIME: "times",
    TIME_OF_DAY: "times of day",
}
MAX_KNOWN_LEVELS = 10_000  # of a category with more levels, unknown levels are not told apart from rare ones

CategoryLabels = dict[float, str]  # of one category: code -> text
# Types of columns, either by name for any of them, or for all in order.
ColumnTypes = Mapping[str, str] | Sequence[str]

_HASH_BYTES = 6  # fits into the 53 bits of a double; a million levels collide with a probability of 0.2%
_GROUPED_FROM, _SCIENTIFIC_FROM = 1e4, 1e12  # in between, all digits before the decimal point are shown


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


def base_type(column_type: str) -> str:
    """Return a column type without its time zone.

    Parameters
    ----------
    column_type : str

    Returns
    -------
    str

    Examples
    --------
    >>> base_type("time[Asia/Tokyo]"), base_type("number")
    ('time', 'number')
    """
    return column_type.partition("[")[0]


def unsupported_type_error(name: str, found: Any) -> InvalidInputError:
    """Create the error for a column whose type cannot be encoded.

    Parameters
    ----------
    name : str
    found : object
        Type in the words of the library that the column comes from.

    Returns
    -------
    InvalidInputError
    """
    return InvalidInputError(
        f"Columns must hold numbers, text, booleans, times or durations, got '{shorten(name)}' of type {shorten(str(found))}. "
        "Convert or drop it."
    )


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
    zone_differs = base_type(wanted) == base_type(found)
    return InvalidInputError(
        f"Column '{shorten(name)}' must hold {describe_type(wanted, zone=zone_differs)}, as it did when the detector was fitted, "
        f"got {describe_type(found, zone=zone_differs)}."
    )


def describe_type(column_type: str, *, zone: bool = False) -> str:
    """Describe the values of a column type in the plural.

    Parameters
    ----------
    column_type : str
    zone : bool
        Mention that times have no zone.

    Returns
    -------
    str

    Examples
    --------
    >>> describe_type("number"), describe_type("time[UTC]"), describe_type("time", zone=True)
    ('numbers', 'times with a zone (UTC)', 'times without a zone')
    """
    description = TYPE_DESCRIPTIONS[base_type(column_type)]
    if (found := time_zone(column_type)) is not None:
        return f"{description} with a zone ({found})"
    return f"{description} without a zone" if zone and column_type == TIME else description


def check_column_types(column_types: Iterable[str]) -> None:
    """Check that column types exist.

    Parameters
    ----------
    column_types : iterable of str

    Raises
    ------
    InvalidInputError
        For an unknown type, with the nearest known one, or an unknown time zone.
    """
    for column_type in column_types:
        if (zone := time_zone(column_type)) is not None:
            check_zone(zone)
        elif column_type not in COLUMN_TYPES:
            raise unknown("column type", column_type, (*COLUMN_TYPES, *ROLES))


def category_text(value: Any) -> str:
    """Return the text of a level, as a text file would hold it.

    Parameters
    ----------
    value : str, bytes, bool, int, float or Decimal

    Returns
    -------
    str

    Examples
    --------
    >>> category_text("tcp"), category_text(True), category_text(80.0)
    ('tcp', 'true', '80')
    """
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
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
    ('1970-01-01 00:00:00', "'tcp'")
    """
    if base_type(column_type) in (TIME, TIME_OF_DAY):
        return describe_time(column_type, float(value))
    if column_type == BOOLEAN:
        return "true" if value >= 0.5 else "false"
    if column_type == CATEGORY:
        return f"'{shorten(str(value))}'"
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
