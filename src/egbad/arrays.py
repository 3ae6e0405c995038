"""Array types, checks of stored arrays, and rows that occur more than once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egbad.errors import InvalidEntryError

Array = NDArray[Any]
Floats = NDArray[np.float64]
State = dict[str, Array]  # fitted values by name


_KINDS = {"number": "biuf"}  # kinds of NumPy types that a name stands for


@dataclass(frozen=True)
class ArraySpec:
    """Type, shape and values that a stored array must have.

    Attributes
    ----------
    dtype : str
        Name of a NumPy type, or "number" for any type of booleans, whole numbers and floating-point numbers.
    shape : tuple of int or str
        Number of entries in each dimension. A name stands for a number that must be the same wherever the name occurs.
        Model files hold single numbers, of shape (), as arrays of shape (1,), which fit as well.
    low, high : float
        Least and largest value.
    finite : bool
        False if NaN and infinities are allowed. They are not compared with `low` and `high` then.
    ascending : bool
        True if no value of a one-dimensional array may be smaller than the one before.
    empty : bool
        True if the array may have no entries.
    optional : bool
        True if the array may be missing.
    """

    dtype: str
    shape: tuple[int | str, ...] = ()
    low: float = -inf
    high: float = inf
    finite: bool = True
    ascending: bool = False
    empty: bool = False
    optional: bool = False


def check_arrays(
    arrays: Mapping[str, Array], specs: Mapping[str, ArraySpec], sizes: Mapping[str, int] | None = None
) -> dict[str, int]:
    """Check that stored arrays are those that are expected.

    Parameters
    ----------
    arrays : mapping of str to ndarray
    specs : mapping of str to ArraySpec
        The expected arrays by name; there may be no others.
    sizes : mapping of str to int, optional
        Numbers that names in the shapes stand for, as far as they are known.

    Returns
    -------
    dict of str to int
        `sizes` and the numbers of all other names.

    Raises
    ------
    InvalidEntryError
        If an array is missing, is not expected or does not fit, in one sentence with its name.

    Examples
    --------
    >>> specs = {"rows": ArraySpec("float32", ("n", "d")), "weights": ArraySpec("float64", ("n",), low=0)}
    >>> arrays = {"rows": np.zeros((5, 2), np.float32), "weights": np.ones(5)}
    >>> check_arrays(arrays, specs)
    {'n': 5, 'd': 2}
    >>> check_arrays(arrays | {"weights": np.ones(4)}, specs)
    Traceback (most recent call last):
    egbad.errors.InvalidEntryError: 'weights' must have shape (5,), got (4,).
    """
    found = dict(sizes or {})
    for name in arrays:
        if name not in specs:
            raise InvalidEntryError(name, "is not an array that such a model has")
    for name, spec in specs.items():
        if name in arrays:
            _check_type_and_shape(name, arrays[name], spec, found)
            _check_values(name, arrays[name], spec)
        elif not spec.optional:
            raise InvalidEntryError(name, "is missing")
    return found


def _check_type_and_shape(name: str, array: Array, spec: ArraySpec, sizes: dict[str, int]) -> None:
    """Raise unless an array has the type and shape of a specification. Add sizes that were not known."""
    if array.dtype.kind not in _KINDS[spec.dtype] if spec.dtype in _KINDS else array.dtype != np.dtype(spec.dtype):
        raise InvalidEntryError(name, f"must hold values of type {spec.dtype}, got {array.dtype}")
    if not spec.shape and array.shape == (1,):
        return
    shape = tuple(sizes.get(size, size) if isinstance(size, str) else size for size in spec.shape)
    fits = len(shape) == array.ndim and all(
        isinstance(size, str) or size == n for size, n in zip(shape, array.shape, strict=True)
    )
    if not fits:
        expected = ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "")
        raise InvalidEntryError(name, f"must have shape ({expected}), got {array.shape}")
    sizes |= {size: n for size, n in zip(shape, array.shape, strict=True) if isinstance(size, str)}


def _check_values(name: str, array: Array, spec: ArraySpec) -> None:
    """Raise unless the values of an array are those that a specification allows."""
    if not array.size and not spec.empty:
        raise InvalidEntryError(name, f"must not be empty, got shape {array.shape}")
    if not array.size or not spec.finite:
        return
    if array.dtype.kind == "f" and not (finite := np.isfinite(array)).all():
        raise InvalidEntryError(name, f"must be finite, got {_value_at(array, int(finite.argmin()))}")
    if array.dtype.kind != "b":
        if array.min() < spec.low:
            raise InvalidEntryError(name, f"must be at least {spec.low:g}, got {_value_at(array, int(array.argmin()))}")
        if array.max() > spec.high:
            raise InvalidEntryError(name, f"must be at most {spec.high:g}, got {_value_at(array, int(array.argmax()))}")
    if spec.ascending and (array[1:] < array[:-1]).any():
        place = int((array[1:] < array[:-1]).argmax()) + 1
        raise InvalidEntryError(name, f"must be in ascending order, got {_value_at(array, place)} after a larger value")


def _value_at(array: Array, position: int) -> str:
    """Describe the value at a position of the flattened array."""
    if not array.ndim:
        return str(array.item())
    place = tuple(int(i) for i in np.unravel_index(position, array.shape))
    return f"{array[place].item()} at position {place[0] if array.ndim == 1 else place}"


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
