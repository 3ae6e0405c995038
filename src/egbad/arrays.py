"""Array types, and rows that occur more than once."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Floats = NDArray[np.float64]
State = dict[str, Array]  # fitted values by name


def distinct_rows(x: Array) -> NDArray[np.intp]:
    """Return the position of the first of all rows that are equal bit for bit.

    Parameters
    ----------
    x : ndarray of shape (n, ...)

    Returns
    -------
    ndarray of shape (n_distinct,)
        Positions in ascending order.

    Examples
    --------
    >>> distinct_rows(np.array([[1.0], [2.0], [1.0]])).tolist()
    [0, 1]
    """
    return _first_and_inverse(x)[0]


def map_unique_rows(score: Callable[[Array], Array], x: Array) -> tuple[Array, int]:
    """Score every distinct row once.

    Parameters
    ----------
    score : callable
        Takes rows of shape (m, ...) and returns values of shape (m,). The value of a row must not depend on the others.
    x : ndarray of shape (n, ...)

    Returns
    -------
    values : ndarray of shape (n,)
    n_distinct : int
        Number of rows that were scored.
    """
    first, inverse = _first_and_inverse(x)
    return score(x[first])[inverse], len(first)


def _first_and_inverse(x: Array) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the position of each distinct row, ascending, and for each row of x the distinct row that it equals."""
    known: dict[bytes, int] = {}
    inverse = np.fromiter(
        (known.setdefault(row.tobytes(), len(known)) for row in np.ascontiguousarray(x)), np.intp, len(x)
    )
    return np.unique(inverse, return_index=True)[1], inverse
