"""Exact search of the nearest of many rows."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from egbad.arrays import Array, Floats

_MAX_TREE_VALUES = 3  # a tree finds rows of more values later than a matrix product
_BLOCK_ROWS = 256
_TOLERANCE, _SMALLEST = np.finfo(np.float32).eps, np.finfo(np.float32).tiny  # of the limit in single precision
_MAX_PAIR_VALUES = 2**20  # of pairs that are compared at once


class NearestRows:
    """Index of rows for the nearest of them: a k-d tree for a few columns, otherwise products in single precision.

    Products give lower bounds of the distances, rounding included. The row with the least bound is compared exactly, and then
    all rows whose bound is not above its distance. So the result is exact and has the same bits in any batch.

    Parameters
    ----------
    rows : ndarray of shape (n, d)

    Examples
    --------
    >>> index = NearestRows(np.array([[0.0, 0.0], [3.0, 4.0]]))
    >>> distances, positions = index.query(np.array([[3.0, 3.0]]))
    >>> distances.tolist(), positions.tolist()
    ([1.0], [1])
    """

    def __init__(self, rows: Array) -> None:
        self.rows = rows.astype(np.float64)
        self._tree = cKDTree(self.rows) if rows.shape[1] <= _MAX_TREE_VALUES else None
        if self._tree is None:
            self._mean = self.rows.mean(0)
            centred = self.rows - self._mean
            squares = (centred**2).sum(1)
            # A product of vectors x and y is off by less than |x| |y| times this.
            rounding = (rows.shape[1] + 10) * np.finfo(np.float32).eps / 2
            with np.errstate(over="ignore"):
                factors = np.column_stack([-2 * centred, -2 * rounding * np.sqrt(squares)]).astype(np.float32)
                self._squares = ((1 - rounding) * squares).astype(np.float32)
            self._factors = np.ascontiguousarray(factors.T)

    def query(self, x: Floats) -> tuple[Floats, NDArray[np.intp]]:
        """Return the distance (n,) and the position (n,) of the nearest row of rows x (n, d)."""
        if self._tree is not None:
            distances, positions = self._tree.query(x)
            return np.asarray(distances), np.asarray(positions, dtype=np.intp)
        return self._search(x, None)

    def query_others(self) -> tuple[Floats, NDArray[np.intp]]:
        """Return the distance (n,) and the position (n,) of the nearest other row of each row; (0, 0) for a single row."""
        n = len(self.rows)
        if n == 1:
            return np.zeros(1), np.zeros(1, dtype=np.intp)
        if self._tree is not None:
            distances, neighbours = map(np.asarray, self._tree.query(self.rows, 2))
            is_second = (neighbours[:, 0] == np.arange(n)).astype(np.intp)
            return distances[np.arange(n), is_second], neighbours[np.arange(n), is_second]
        distances, nearest = np.empty(n), np.empty(n, dtype=np.intp)
        for start in range(0, n, _BLOCK_ROWS):
            own = np.arange(start, min(start + _BLOCK_ROWS, n))
            distances[own], nearest[own] = self._search(self.rows[own], own)
        return distances, nearest

    def _search(self, x: Floats, excluded: NDArray[np.intp] | None) -> tuple[Floats, NDArray[np.intp]]:
        """Return the distance (m,) and the position (m,) of the nearest row of rows x (m, d), without the `excluded` (m,)."""
        each, centred = np.arange(len(x)), x - self._mean
        squares = (centred**2).sum(1)
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is compared exactly
            bounds = np.column_stack([centred, np.sqrt(squares)]).astype(np.float32) @ self._factors
            bounds += self._squares  # of the squared distances (m, n), less the square of each x
            if excluded is not None:
                bounds[each, excluded] = np.inf
            likely = bounds.argmin(1)
            if excluded is not None:
                likely[likely == excluded] = (excluded[likely == excluded] + 1) % len(self.rows)
            limits = self._squared_distances(x, likely) - squares
            limits = (limits + _TOLERANCE * (np.abs(limits) + squares) + _SMALLEST).astype(np.float32)
        owners, candidates = np.divmod(np.flatnonzero(~(bounds > limits[:, None])), len(self.rows))
        if excluded is not None:
            kept = candidates != excluded[owners]
            owners, candidates = owners[kept], candidates[kept]
        step = max(1, _MAX_PAIR_VALUES // x.shape[1])
        parts = [slice(start, start + step) for start in range(0, len(owners), step)]
        found = np.concatenate([self._squared_distances(x[owners[part]], candidates[part]) for part in parts])
        lowest = np.minimum.reduceat(found, np.searchsorted(owners, each))
        is_nearest = np.flatnonzero(found == lowest[owners])
        return np.sqrt(lowest), candidates[is_nearest[np.searchsorted(owners[is_nearest], each)]]

    def _squared_distances(self, x: Floats, positions: NDArray[np.intp]) -> Floats:
        """Return the squared distance (m,) of each of rows x (m, d) to the row at its position (m,)."""
        return np.asarray(((x - self.rows[positions]) ** 2).sum(1))
