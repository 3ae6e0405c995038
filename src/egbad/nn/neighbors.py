"""Exact search of the nearest of many rows."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from egbad.arrays import Array, Floats

_MAX_TREE_VALUES = 3  # a tree finds rows of more values later than a matrix product
_BLOCK_ROWS = 256


class NearestRows:
    """Index of rows for the nearest of them: a k-d tree for a few columns, otherwise products in single precision.

    The product finds the neighbour and the difference gives its distance, which products would round.

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
            centred = (self.rows - self._mean).astype(np.float32)
            self._squares = (centred**2).sum(1)
            self._factors = np.ascontiguousarray(-2 * centred.T)

    def query(self, x: Floats) -> tuple[Floats, NDArray[np.intp]]:
        """Return the distance (n,) and the position (n,) of the nearest row of rows x (n, d)."""
        if self._tree is not None:
            distances, positions = self._tree.query(x)
            return np.asarray(distances), np.asarray(positions, dtype=np.intp)
        return self._measured(x, self.products(x).argmin(1))

    def query_others(self) -> tuple[Floats, NDArray[np.intp]]:
        """Return the distance (n,) and the position (n,) of the nearest other row of each row; (0, 0) for a single row."""
        n = len(self.rows)
        if n == 1:
            return np.zeros(1), np.zeros(1, dtype=np.intp)
        if self._tree is not None:
            distances, neighbours = map(np.asarray, self._tree.query(self.rows, 2))
            is_second = (neighbours[:, 0] == np.arange(n)).astype(np.intp)
            return distances[np.arange(n), is_second], neighbours[np.arange(n), is_second]
        nearest = np.empty(n, dtype=np.intp)
        for start in range(0, n, _BLOCK_ROWS):
            own = np.arange(start, min(start + _BLOCK_ROWS, n))
            products = self.products(self.rows[own])
            products[np.arange(len(own)), own] = np.inf
            nearest[own] = products.argmin(1)
        return self._measured(self.rows, nearest)

    def products(self, x: Floats) -> Array:
        """Return the squared distances (m, n) of rows x (m, d), less the square of each, which orders the rows; no tree."""
        products: Array = (x - self._mean).astype(np.float32) @ self._factors
        products += self._squares
        return products

    @property
    def is_tree(self) -> bool:
        """True if a tree is searched, which gives the same bits in any batch."""
        return self._tree is not None

    def _measured(self, x: Floats, nearest: NDArray[np.intp]) -> tuple[Floats, NDArray[np.intp]]:
        return np.linalg.norm(x - self.rows[nearest], axis=1), nearest
