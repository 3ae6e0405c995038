"""Times as seconds since 1970 by a wall clock, and times of day as seconds since midnight.

People, shops and machines follow the clock on the wall, so a time with a zone is learned by that clock. All times of a
column are read in one zone, the one in the name of its column type: `time[Asia/Tokyo]`. The same instant is therefore the
same number, whatever zone it is written in.
"""

import re
from datetime import UTC, datetime, time, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from egbad.arrays import Array, Floats
from egbad.errors import InvalidInputError

TIME, TIME_OF_DAY = "time", "time of day"

_EPOCH = datetime(1970, 1, 1)
_TICKS_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_FRACTION = re.compile(r"[.,](\d+)")  # of a second


def zoned_time(zone: str) -> str:
    """Return the column type of times that are read in a zone.

    Parameters
    ----------
    zone : str
        Name in the time zone database, or an offset such as "+09:00".

    Returns
    -------
    str

    Examples
    --------
    >>> zoned_time("Asia/Tokyo")
    'time[Asia/Tokyo]'
    """
    return f"{TIME}[{zone}]"


def time_zone(column_type: str) -> str | None:
    """Return the zone of a column type, None for times without a zone and all other types.

    Parameters
    ----------
    column_type : str

    Returns
    -------
    str or None

    Examples
    --------
    >>> time_zone("time[Asia/Tokyo]"), time_zone("time")
    ('Asia/Tokyo', None)
    """
    return column_type[len(TIME) + 1 : -1] if column_type.startswith(f"{TIME}[") else None


def check_zone(zone: str) -> None:
    """Check that a time zone exists.

    Parameters
    ----------
    zone : str

    Raises
    ------
    InvalidInputError
        If the time zone database does not have it.
    """
    _to_wall_clock(pa.array([0], pa.timestamp("s", tz="UTC")), zone)


def encode_times(column: pa.ChunkedArray, zone: str | None) -> Floats:
    """Convert a column of dates and times to seconds since 1970.

    Parameters
    ----------
    column : pyarrow.ChunkedArray of length n
        Times, dates, or times of day.
    zone : str or None
        Zone whose wall clock counts. It must be None if the column has no zone.

    Returns
    -------
    ndarray of shape (n,)
        NaN where the column is null. Times of day are seconds since midnight.

    Raises
    ------
    InvalidInputError
        If there is no such zone.
    """
    if pa.types.is_date(column.type):
        column = pc.cast(column, pa.timestamp("ms"))
    elif zone is not None:
        column = _to_wall_clock(column, zone)
    unit = column.type.unit
    if pa.types.is_time32(column.type):
        column = pc.cast(column, pa.int32())
    return seconds(pc.cast(column, pa.int64()), unit)


def seconds(ticks: pa.ChunkedArray, unit: str) -> Floats:
    """Convert whole numbers of a unit to seconds.

    Whole seconds and their fraction are converted one by one: the result is then the same for all units.

    Parameters
    ----------
    ticks : pyarrow.ChunkedArray of int64 of length n
    unit : {"s", "ms", "us", "ns"}

    Returns
    -------
    ndarray of shape (n,)
        NaN where the ticks are null.
    """
    missing = to_numpy(pc.cast(pc.is_null(ticks), pa.uint8()), np.uint8(0))
    whole, rest = np.divmod(to_numpy(ticks, np.int64(0)), _TICKS_PER_SECOND[unit])
    return np.where(missing, np.nan, whole + rest / _TICKS_PER_SECOND[unit])


def change_zone(values: Floats, old: str, new: str) -> Floats:
    """Convert seconds by the wall clock of one zone to those of another.

    Where clocks are set back, an hour exists twice: the first one is meant.

    Parameters
    ----------
    values : ndarray of shape (n,)
        NaN is missing.
    old, new : str
        Zones.

    Returns
    -------
    ndarray of shape (n,)
    """
    if old == new:
        return values
    whole = np.floor(values)
    missing = np.isnan(values)
    wall = pa.array(np.where(missing, 0, whole).astype(np.int64)).cast(pa.timestamp("s"))
    instants = pc.assume_timezone(wall, old, ambiguous="earliest", nonexistent="earliest")
    moved = encode_times(pa.chunked_array([instants]), new)
    return np.where(missing, np.nan, moved + (values - whole))


def parse_time(text: str, column_type: str) -> float:
    """Parse a time or a time of day in ISO 8601, as `encode_times` converts it.

    Parameters
    ----------
    text : str
        For example "2024-06-01T12:00:00+09:00" or "12:30".
    column_type : str
        "time", "time[ZONE]" or "time of day".

    Returns
    -------
    float
        Seconds since 1970 or since midnight.

    Raises
    ------
    ValueError
        If the text is nothing of the kind, or has an offset from UTC although there is no zone, or none although there is
        one.

    Examples
    --------
    >>> parse_time("1970-01-02T00:00:00", "time"), parse_time("1970-01-01T00:00:00Z", "time[Asia/Tokyo]")
    (86400.0, 32400.0)
    >>> parse_time("00:01:00.5", "time of day")
    60.5
    """
    if column_type == TIME_OF_DAY:
        return _parse_time_of_day(text)
    zone = time_zone(column_type)
    found = datetime.fromisoformat(text)
    if (found.tzinfo is None) != (zone is None):
        raise ValueError(f"expected {'an' if zone else 'no'} offset from UTC")
    if zone is not None:
        ticks = (found.astimezone(UTC).replace(tzinfo=None) - _EPOCH) // timedelta(seconds=1)
        instant = pa.array([ticks], pa.int64()).cast(pa.timestamp("s", tz="UTC"))
        whole = int(_to_wall_clock(instant, zone).cast(pa.int64())[0].as_py())
    else:
        whole = (found - _EPOCH) // timedelta(seconds=1)
    return whole + _fraction(text)


def _parse_time_of_day(text: str) -> float:
    """Return the seconds since midnight of a time of day in ISO 8601."""
    found = time.fromisoformat(text)
    if found.tzinfo is not None:
        raise ValueError("expected no offset from UTC")
    return 3600 * found.hour + 60 * found.minute + found.second + _fraction(text)


def describe_time(column_type: str, value: float) -> str:
    """Format a time, with its zone, or a time of day.

    Parameters
    ----------
    column_type : str
    value : float

    Returns
    -------
    str

    Examples
    --------
    >>> describe_time("time[Asia/Tokyo]", 0.0), describe_time("time of day", 45_000.0)
    ('1970-01-01 00:00:00 Asia/Tokyo', '12:30:00')
    """
    try:
        found = _EPOCH + timedelta(seconds=float(value))
    except OverflowError:  # before the year 1 or after 9999
        return f"{value:,.0f} seconds after 1970"
    if column_type == TIME_OF_DAY:
        return f"{found:%H:%M:%S}"
    zone = time_zone(column_type)
    return f"{found:%Y-%m-%d %H:%M:%S}" + (f" {zone}" if zone else "")


def to_numpy(column: pa.ChunkedArray, fill_value: np.number[Any]) -> Array:
    """Convert a column of numbers to an array.

    `ChunkedArray.to_numpy` and `pa.scalar` of a NumPy value are not used because they import pandas.

    Parameters
    ----------
    column : pyarrow.ChunkedArray of length n
        Has the type of the fill value.
    fill_value : NumPy number
        Replaces missing values.

    Returns
    -------
    ndarray of shape (n,)
    """
    arrow_value = pa.Array.from_buffers(column.type, 1, [None, pa.py_buffer(fill_value.tobytes())])[0]
    parts = map(np.from_dlpack, pc.fill_null(column, arrow_value).chunks)
    return np.concatenate([np.empty(0, fill_value.dtype), *parts])


def _to_wall_clock(column: Any, zone: str) -> Any:
    """Return times with a zone by the wall clock of a zone, without one."""
    try:
        return pc.local_timestamp(pc.cast(column, pa.timestamp(column.type.unit, tz=zone)))
    except pa.ArrowInvalid as error:
        raise InvalidInputError(
            f"There is no time zone '{zone}'. Give a name such as Europe/Berlin, or an offset such as +09:00."
        ) from error


def _fraction(text: str) -> float:
    """Return the fraction of a second in a time in ISO 8601."""
    match = _FRACTION.search(text)
    return float(f"0.{match[1]}") if match else 0.0
