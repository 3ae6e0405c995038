"""Distances between normal rows and their expected values, column by column."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from egbad.arrays import Array, ArraySpec, Floats, State, check_arrays

MAX_ROWS = 512  # calibration rows that the range is estimated from: enough for a 95 percent range
COVERAGE = 0.95  # share of normal rows inside the range that explanations show
_MAX_LEVELS = 48  # distances kept per column; geometric ranks, so that the tail is resolved best
_RESOLVED_DIGITS = 5  # digits of a column's range that survive scaling in single precision
_WRITTEN_DECIMALS = (
    16  # places that values are searched for; columns of smaller values have as many as their range needs
)
_MAX_DECIMALS = 300
_TOLERANCE = 1e-9  # relative: 0.1 + 0.2 has one decimal place
_ARRAYS = {
    "ranks": ArraySpec("int64", ("n_levels",), low=1, ascending=True),
    "levels": ArraySpec("float64", ("n_levels", "n_features"), low=0),
    "rows": ArraySpec("int64", low=1),
    "decimals": ArraySpec("int64", ("n_features",), low=0, high=_MAX_DECIMALS, optional=True),
}
_FEW_ROWS = 32  # up to here one broadcast comparison is faster than a binary search per column


@dataclass(frozen=True)
class NormalRange:
    """Empirical upper tail of the distance between observed and expected value, for each column.

    A row's distance in a column is compared with those of held-out normal rows. Only some of their order statistics
    are kept.

    Attributes
    ----------
    ranks : ndarray of int of shape (n_levels,)
        Ranks of the kept order statistics, ascending. Rank 1 is the largest distance.
    levels : ndarray of shape (n_levels, n_features)
        Distances with these ranks, in encoded units.
    n_rows : int
        Number of normal rows.
    decimals : ndarray of int of shape (n_features,), optional
        Decimal places that the values of each column are known to. None if they are not known.
    """

    ranks: NDArray[np.int64]
    levels: Floats
    n_rows: int
    decimals: NDArray[np.int64] | None = None

    @classmethod
    def fit(cls, distances: Floats, rows: Array | None = None) -> Self:
        """Estimate the range from normal rows that were not trained on.

        Parameters
        ----------
        distances : ndarray of shape (n_rows, n_features)
            Distances between their observed and expected values.
        rows : ndarray of shape (n_rows, n_features), optional
            The rows, which show the precision of each column.

        Returns
        -------
        NormalRange

        Examples
        --------
        >>> import numpy as np
        >>> NormalRange.fit(np.arange(1.0, 100.0)[:, None]).radius()
        array([95.])
        """
        m = len(distances)
        ranks = np.unique(np.geomspace(1, m, min(m, _MAX_LEVELS)).round().astype(np.int64))
        decimals = None if rows is None else decimal_places(rows)
        return cls(ranks, np.sort(distances, axis=0)[::-1][ranks - 1], m, decimals)

    def p_values(self, distances: Floats) -> Floats:
        """Return conformal p-values of distances, column by column.

        The p-value is ``r / (n_rows + 1)``, where r is the rank of the largest kept distance below the given one; it is
        1 if there is none. This bounds the exact conformal p-value from above.

        Parameters
        ----------
        distances : ndarray of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            In (0, 1].
        """
        if len(distances) <= _FEW_ROWS:
            n_smaller = (distances > self.levels[:, None]).sum(axis=0)
        else:
            columns = zip(self.levels[::-1].T.copy(), distances.T.copy(), strict=True)
            n_smaller = np.stack([levels.searchsorted(values) for levels, values in columns], axis=1)
        return np.asarray(np.r_[1.0, self.ranks[::-1] / (self.n_rows + 1)][n_smaller])

    def radius(self) -> Floats:
        """Return the smallest kept distances that at least `COVERAGE` of normal rows do not exceed.

        Returns
        -------
        ndarray of shape (n_features,)
        """
        rank = max(1, int((1 - COVERAGE) * (self.n_rows + 1) + 1e-9))  # the summand absorbs rounding of the product
        return np.asarray(self.levels[np.searchsorted(self.ranks, rank, side="right") - 1])

    def state(self) -> State:
        """Return the range as arrays, for a model file."""
        decimals = {} if self.decimals is None else {"decimals": self.decimals}
        return {"ranks": self.ranks, "levels": self.levels, "rows": np.asarray(self.n_rows), **decimals}

    @classmethod
    def from_state(cls, state: dict[str, Array], n_features: int) -> Self:
        """Restore a range from the arrays that `state` returned.

        Raises
        ------
        InvalidEntryError
            If an array is not one that `state` returns for this number of columns.
        """
        check_arrays(state, _ARRAYS, {"n_features": n_features})
        return cls(state["ranks"], state["levels"], int(state["rows"].item()), state.get("decimals"))


def decimal_places(rows: Array) -> NDArray[np.int64]:
    """Return the decimal places that the values of each column are known to.

    Those are the places that occur, but no more than resolve a hundred-thousandth of the column's range: beyond that,
    values that were scaled and scaled back differ by rounding.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features)
        NaN is missing.

    Returns
    -------
    ndarray of int of shape (n_features,)

    Examples
    --------
    >>> import numpy as np
    >>> decimal_places(np.array([[3.0, 0.25, 1 / 3], [40.0, 0.5, 2 / 3]])).tolist()
    [0, 2, 6]
    """
    present = np.where(np.isnan(rows), 0.0, rows.astype(np.float64))
    half_span, size = present.max(axis=0) / 2 - present.min(axis=0) / 2, np.abs(present).max(axis=0)
    magnitude = np.floor(np.log10(np.where(half_span > 0, half_span, np.where(size > 0, size, 1.0))))
    most = np.clip(_RESOLVED_DIGITS - magnitude, 0, _MAX_DECIMALS).astype(np.int64)
    decimals: NDArray[np.int64] = most.copy()
    open_columns = np.arange(rows.shape[1])
    for n in range(_WRITTEN_DECIMALS):
        open_columns = open_columns[most[open_columns] > n]
        scaled = present[:, open_columns] * 10.0**n
        exact = np.abs(scaled - np.round(scaled)) <= _TOLERANCE * np.abs(scaled)
        decimals[open_columns[exact.all(axis=0)]] = n
        open_columns = open_columns[~exact.all(axis=0)]
    return decimals


def round_to(values: Floats, decimals: Any) -> Floats:
    """Round values to decimal places, and a negative zero to zero.

    Parameters
    ----------
    values : ndarray of shape (n,) or (n, n_features)
    decimals : int or ndarray of int of shape (n_features,)

    Returns
    -------
    ndarray of the shape of `values`

    Examples
    --------
    >>> import numpy as np
    >>> round_to(np.array([[-3.6e-15, 0.1 + 0.2]]), np.array([2, 1])).tolist()
    [[0.0, 0.3]]
    """
    factor = np.power(10.0, decimals)
    with np.errstate(over="ignore"):
        scaled = values * factor
    return np.asarray(np.where(np.isfinite(scaled), np.round(scaled) / factor, values) + 0.0)
