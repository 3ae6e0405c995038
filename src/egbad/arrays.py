"""TODO."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


Array = NDArray[Any]


State = dict[str, Array]


def distinct_rows(x: Array) -> NDArray[np.intp]:
    """Where each distinct row of x (n, ...) comes first -> positions, ascending."""
    return _distinct(x)[0]


def map_unique_rows(score: Callable[[Array], Array], x: Array) -> tuple[Array, int]:
    """What `score`, a function of each row alone, says of rows x (n, ...) -> (n,), and how many rows it was given.

    Rows that are equal, bit for bit, are given to it once.
    """
    first, place = _distinct(x)
    return score(x[first])[place], len(first)


def _distinct(x: Array) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where each distinct row comes first, ascending, and which of those each row of x equals (n,)."""
    known: dict[bytes, int] = {}
    place = np.fromiter(
        (known.setdefault(row.tobytes(), len(known)) for row in np.ascontiguousarray(x)), np.intp, len(x)
    )
    return np.unique(place, return_index=True)[1], place
