"""Exact search of the nearest of many rows, and the choice of the fastest search."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from sklearn.neighbors import KDTree, NearestNeighbors

from egbad.arrays import Array, Floats
from egbad.nn.cells import CellIndex, others

SearchMethod = Literal["kd_tree", "cells", "brute"]

# Rows of more values are found sooner by products with all rows than by a tree.
_MAX_VALUES_OF_TREE, _MAX_VALUES_OF_SMALL_TREE = 15, 4
_MIN_TREE_ROWS, _MIN_CELL_ROWS = 10_000, 50_000  # a tree of longer rows, and cells, pay from these numbers of rows on
_MAX_TREE_VALUES = 3  # of `NearestRows`, whose products are in single precision
_BLOCK_ROWS = 256
_TOLERANCE, _SMALLEST = np.finfo(np.float32).eps, np.finfo(np.float32).tiny  # of the limit in single precision
_MAX_PAIR_VALUES = 2**20  # of pairs that are compared at once


def search_method(n: int, d: int, metric: str = "euclidean", *, images: bool = False) -> SearchMethod:
    """Return the fastest exact search among rows.

    Parameters
    ----------
    n, d : int
        Number of rows and of their values.
    metric : {"euclidean", "correlation", "manhattan", "cosine"}, default="euclidean"
    images : bool, default=False
        Rows are the pixels of images, which are too many for trees and cells.

    Returns
    -------
    {"kd_tree", "cells", "brute"}

    Examples
    --------
    >>> search_method(1_000_000, 40, "euclidean"), search_method(1000, 40, "euclidean"), search_method(1000, 2, "manhattan")
    ('cells', 'brute', 'kd_tree')
    """
    if metric == "cosine":
        return "brute"
    if d <= _MAX_VALUES_OF_TREE and (d <= _MAX_VALUES_OF_SMALL_TREE or n > _MIN_TREE_ROWS):
        return "kd_tree"
    return "cells" if metric == "euclidean" and not images and n >= _MIN_CELL_ROWS else "brute"


class BruteIndex:
    """Search of scikit-learn that compares with all rows, with the interface of the other indexes.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
    metric : str
    """

    def __init__(self, rows: Array, metric: str) -> None:
        self._search = NearestNeighbors(metric=metric, algorithm="brute").fit(rows)

    def query(self, x: Array, k: int) -> tuple[Array, NDArray[np.intp]]:
        """Return distances and positions (m, k) of the nearest rows of x (m, d)."""
        distances, positions = self._search.kneighbors(x, k)
        return distances, positions


def neighbor_index(rows: Array, metric: str, search: SearchMethod) -> "KDTree | CellIndex | BruteIndex":
    """Build an index of rows for their nearest neighbours.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
    metric : {"euclidean", "manhattan", "cosine"}
    search : {"kd_tree", "cells", "brute"}
        See `search_method`.

    Returns
    -------
    KDTree, CellIndex or BruteIndex
        ``query(x, k)`` returns distances and positions of shape (m, k) for x of shape (m, d).

    Examples
    --------
    >>> distances, positions = neighbor_index(np.array([[0.0], [5.0]]), "manhattan", "kd_tree").query(np.array([[4.0]]), 1)
    >>> distances.tolist(), positions.tolist()
    ([[1.0]], [[1]])
    """
    if search == "kd_tree":
        return KDTree(rows, metric=metric)
    return CellIndex(rows) if search == "cells" else BruteIndex(rows, metric)


def other_neighbors(rows: Floats, k: int, search: SearchMethod) -> tuple[Floats, NDArray[np.intp]]:
    """Find the nearest other rows of each row, by Euclidean distance.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
    k : int
        Less than n.
    search : {"kd_tree", "cells", "brute"}
        See `search_method`.

    Returns
    -------
    distances : ndarray of shape (n, k)
        By differences, which are exact where products round.
    positions : ndarray of int of shape (n, k)

    Examples
    --------
    >>> distances, positions = other_neighbors(np.array([[0.0], [1.0], [5.0]]), 1, "brute")
    >>> distances.ravel().tolist(), positions.ravel().tolist()
    ([1.0, 1.0, 4.0], [1, 0, 1])
    """
    if search == "cells":
        positions = others(CellIndex(rows).query(rows, k + 1)[1])
    else:
        positions = NearestNeighbors(n_neighbors=k, algorithm=search).fit(rows).kneighbors()[1]
    distances = np.stack([np.linalg.norm(rows - rows[nearest], axis=1) for nearest in positions.T], axis=1)
    return distances, positions


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
