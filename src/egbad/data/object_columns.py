"""Columns of pandas and of Python objects as Arrow columns."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from egbad.data.column_types import unsupported_type_error
from egbad.errors import InvalidInputError, shorten

_MAX_REASON = 200  # characters of Arrow's message


def from_series(name: str, series: Any) -> pa.ChunkedArray:
    """Convert a pandas Series.

    Parameters
    ----------
    name : str
        Name of the column, for error messages.
    series : pandas.Series of length n

    Returns
    -------
    pyarrow.ChunkedArray of length n

    Raises
    ------
    InvalidInputError
        If Arrow has no such type, or the objects of the column have different types.
    """
    values = series.array.to_dense() if hasattr(series.array, "to_dense") else series  # of a sparse column
    if values.dtype == np.dtype(object):
        return from_objects(name, np.asarray(values))
    try:
        return _chunked(pa.array(values, from_pandas=True))
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise unsupported_type_error(name, series.dtype) from error


def from_objects(name: str, values: Any) -> pa.ChunkedArray:
    """Convert an array of Python objects of one type.

    Parameters
    ----------
    name : str
        Name of the column, for error messages.
    values : ndarray of shape (n,)
        None and NaN are missing.

    Returns
    -------
    pyarrow.ChunkedArray of length n

    Raises
    ------
    InvalidInputError
        If the objects have different types, or one that Arrow does not know.
    """
    _check_one_kind_of_time(name, values)
    try:
        return _chunked(pa.array(values, from_pandas=True))
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise InvalidInputError(
            f"Column '{shorten(str(name))}' must hold values of one type: {shorten(reason, _MAX_REASON)}. Convert or drop it."
        ) from error


def from_ids(name: str, series: Any) -> pa.ChunkedArray:
    """Convert a pandas Series of ids, which may be objects of different types: those become text.

    Parameters
    ----------
    name : str
    series : pandas.Series of length n

    Returns
    -------
    pyarrow.ChunkedArray of length n
    """
    try:
        return from_series(name, series)
    except InvalidInputError:
        texts = [None if missing else str(value) for value, missing in zip(series, series.isna(), strict=True)]
        return _chunked(pa.array(texts, pa.string()))


def _chunked(array: pa.Array | pa.ChunkedArray) -> pa.ChunkedArray:
    return array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])


def _check_one_kind_of_time(name: str, values: Iterable[Any]) -> None:
    """Raise if dates, times with a zone and times without are mixed: Arrow would take all for the kind of the first."""
    times = (value for value in values if isinstance(value, date) and value == value)  # NaT is not equal to itself
    kinds = {"date" if not isinstance(time, datetime) else time.tzinfo is None for time in times}
    if len(kinds) > 1:
        mixed = "dates and times" if "date" in kinds else "times with and without a zone"
        raise InvalidInputError(
            f"Column '{shorten(str(name))}' must hold values of one type, got {mixed}. Convert it, for example by "
            "pandas.to_datetime."
        )
