"""Nearest neighbours among many rows, found in a few of the cells that k-means divides them into: exact, or most of them.

A query visits cells in the order of a lower bound of the distance to their rows, and stops when no cell can hold a row nearer
than the k nearest so far. Two bounds follow from the triangle inequality. With the centres c of cells, c_0 the nearest one to a
query q, and r_c the largest distance of a row of the cell to c:

    |q - x| >= |q - c| - r_c                                for each row x of the cell of c,
    |q - x| >= (|q - c|^2 - |q - c_0|^2) / (2 |c - c_0|)    since x is nearer to c than to c_0.

Few cells are left where rows form clusters or lie near a surface of few dimensions, as most tables do. Rows that fill many
dimensions evenly leave nearly all cells, and the search takes as long as one without cells. A search that visits a given number
of cells is faster, and may miss neighbours.
"""

from dataclasses import dataclass
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from egbad.arrays import Array, Floats

MAX_CELLS = 2048
N_SAMPLED = 256  # rows that the recall is measured for
_ROWS_PER_CENTRE = 32  # that k-means learns from
_KMEANS_ROUNDS = 10
_BLOCK_ROWS = 8192  # whose distances to all centres are computed at once
_BLOCK_QUERIES = 4096
_SLACK = 1e-9  # of bounds, for rounding in double precision
_EPS, _TINY = float(np.finfo(np.float32).eps), float(np.finfo(np.float32).tiny)

Positions = NDArray[np.intp]


@dataclass
class Found:
    """Pairs of a query and a row, with their squared distance: the nearest rows so far.

    Attributes
    ----------
    owners, positions : ndarray of int of shape (n_pairs,)
        Of the query and of the row.
    squares : ndarray of shape (n_pairs,)
    """

    owners: Positions
    positions: Positions
    squares: Floats

    @classmethod
    def nothing(cls) -> "Found":
        """Return no pairs."""
        return cls(np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0))

    def nearest(self, k: int, others: "list[Found]") -> "Found":
        """Return the k nearest rows of each query among these pairs and others. Of equal distances the first row wins."""
        parts = [self, *others]
        owners, positions, squares = (
            np.concatenate([getattr(part, name) for part in parts]) for name in ("owners", "positions", "squares")
        )
        order = np.lexsort((positions, squares, owners))
        owners = owners[order]
        rank = np.arange(len(owners)) - np.searchsorted(owners, owners)
        kept = order[rank < k]
        return Found(owners[rank < k], positions[kept], squares[kept])

    def limits(self, n: int, k: int) -> Floats:
        """Return the squared distance (n,) of the k-th row of each query, infinite where there are fewer."""
        limits = np.full(n, np.inf)
        ends = np.searchsorted(self.owners, np.arange(n), side="right")
        full = np.bincount(self.owners, minlength=n) == k
        limits[full] = self.squares[ends[full] - 1]
        return limits


class CellIndex:
    """Index of many rows for the k nearest of them, by Euclidean distance.

    Results are exact unless `n_probes` is set, and have the same bits in any batch: products in single precision leave out rows
    that are certainly farther, differences in double precision decide among the others.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
    n_cells : int, optional
        By default the root of n, at most `MAX_CELLS`.

    Attributes
    ----------
    n_probes : int or None
        Number of cells that a query visits at most, while it has found k rows. None, as at first, makes results exact.

    Examples
    --------
    >>> rows = np.random.default_rng(0).normal(size=(500, 8))
    >>> distances, positions = CellIndex(rows).query(rows[:2], 2)
    >>> distances[:, 0].tolist(), positions[:, 0].tolist(), positions.shape
    ([0.0, 0.0], [0, 1], (2, 2))
    """

    def __init__(self, rows: Array, n_cells: int | None = None) -> None:
        n, d = rows.shape
        self.n_probes: int | None = None
        self._scale = _power_of_two_above(rows)
        self.centres = _centres(rows / self._scale, min(n, n_cells or min(isqrt(n), MAX_CELLS))) * self._scale
        cells = _nearest_centres(rows / self._scale, self.centres / self._scale)
        order = np.argsort(cells, kind="stable")
        self.order = order.astype(np.intp)
        self.rows = rows[order]
        self.starts = np.searchsorted(cells[order], np.arange(len(self.centres) + 1))
        self._factors, self._squares = np.empty((n, d + 1), np.float32), np.empty(n, np.float32)
        self._radii = np.zeros(len(self.centres))
        # A product of vectors x and y in single precision is off by less than |x| |y| times this.
        rounding = (d + 10) * _EPS / 2
        self._rounding = 4 * d * rounding  # of the difference of two squared distances of scaled rows to centres
        for cell in range(len(self.centres)):
            own = self._slice(cell)
            centred = (self.rows[own].astype(np.float64) - self.centres[cell]) / self._scale
            squares = (centred**2).sum(1)
            self._factors[own, :-1], self._factors[own, -1] = -2 * centred, -2 * rounding * np.sqrt(squares)
            self._squares[own] = (1 - rounding) * squares
            self._radii[cell] = np.sqrt(squares.max(initial=0)) * self._scale

    def query(self, x: Array, k: int) -> tuple[Floats, Positions]:
        """Find the k nearest rows.

        Parameters
        ----------
        x : ndarray of shape (m, d)
        k : int
            From 1 to the number of rows.

        Returns
        -------
        distances : ndarray of shape (m, k)
            Ascending.
        positions : ndarray of int of shape (m, k)
            Of equally distant rows the first.
        """
        parts = [
            self._query_block(x[start : start + _BLOCK_QUERIES].astype(np.float64), k)
            for start in range(0, len(x), _BLOCK_QUERIES)
        ]
        squares, positions = zip(*parts, strict=True)
        return np.sqrt(np.concatenate(squares)), np.concatenate(positions)

    def choose_probes(self, recall: float, k: int) -> float:
        """Set `n_probes` so that searches find a share of the true neighbours.

        The number is doubled until at least this share of the nearest other rows of `N_SAMPLED` rows, evenly spaced, is found.

        Parameters
        ----------
        recall : float
            Wanted share, in (0, 1].
        k : int
            Number of neighbours, less than the number of rows.

        Returns
        -------
        float
            Share that is found for these rows.
        """
        chosen = np.linspace(0, len(self.rows) - 1, min(len(self.rows), N_SAMPLED)).astype(np.intp)
        x, own = self.rows[chosen], self.order[chosen]

        def find() -> list[set[int]]:
            return [{*found.tolist()} - {i} for found, i in zip(self.query(x, k + 1)[1], own, strict=True)]

        self.n_probes, exact = None, find()
        self.n_probes = 1
        while (found := sum(map(len, map(set.intersection, find(), exact))) / sum(map(len, exact))) < recall:
            self.n_probes *= 2
        return found

    def _query_block(self, x: Floats, k: int) -> tuple[Floats, Positions]:
        """Return squared distances and positions (m, k) of the nearest rows of x (m, d)."""
        bounds = self._cell_bounds(x)
        order = np.argsort(bounds, axis=1)
        bounds = np.take_along_axis(bounds, order, axis=1)
        found, limits = Found.nothing(), np.full(len(x), np.inf)
        start, width = 0, 1
        while start < order.shape[1]:
            stop = min(start + width, order.shape[1])
            visits = bounds[:, start:stop] <= limits[:, None]
            if self.n_probes is not None:
                visits[np.isfinite(limits), max(0, self.n_probes - start) :] = False
            owners, columns = np.nonzero(visits)
            if not len(owners):
                break
            visited = self._visit(x, owners, order[owners, start + columns], limits, k)
            found = found.nearest(k, visited)
            limits = found.limits(len(x), k)
            start, width = stop, 2 * width if start else 1
        return found.squares.reshape(len(x), k), found.positions.reshape(len(x), k)

    def _cell_bounds(self, x: Floats) -> Floats:
        """Return a lower bound (m, n_cells) of the squared distance of x (m, d) to the rows of each cell."""
        squares = _squared_distances(x, self.centres)
        nearest = squares.argmin(1)
        own = squares[np.arange(len(x)), nearest][:, None]
        between = np.sqrt(_squared_distances(self.centres[nearest], self.centres))
        slack = _SLACK * x.shape[1] * (np.abs(x).max(initial=0) ** 2 + self._scale**2)
        beyond = squares - own - slack - self._rounding * self._scale**2
        beyond = np.divide(beyond, 2 * between, out=np.zeros_like(squares), where=between > 0)
        bounds = np.maximum(np.maximum(np.sqrt(squares) - self._radii, beyond), 0) ** 2
        return np.asarray(np.maximum((1 - _SLACK) * bounds - slack, 0))

    def _visit(self, x: Floats, owners: Positions, cells: Positions, limits: Floats, k: int) -> list[Found]:
        """Search cells, each for the queries x[owners] that are paired with it."""
        by_cell = np.argsort(cells, kind="stable")
        edges = np.flatnonzero(np.diff(cells[by_cell], prepend=-1))
        found = []
        for start, stop in zip(edges, [*edges[1:], len(by_cell)], strict=True):
            pairs = by_cell[start:stop]
            found.append(self._search(x, owners[pairs], int(cells[pairs[0]]), limits[owners[pairs]], k))
        return found

    def _search(self, x: Floats, owners: Positions, cell: int, limits: Floats, k: int) -> Found:
        """Return the rows of a cell that may be among the k nearest of queries x[owners], none farther than `limits`."""
        own = self._slice(cell)
        n = own.stop - own.start
        if not n:
            return Found.nothing()
        centred = (x[owners] - self.centres[cell]) / self._scale
        squares = (centred**2).sum(1)
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is compared exactly
            bounds = np.column_stack([centred, np.sqrt(squares)]).astype(np.float32) @ self._factors[own].T
            bounds += self._squares[own]  # of the squared distances (m, n), less the square of each x
            if n > k and not np.isfinite(limits).all():
                likely = np.argpartition(bounds, k - 1, axis=1)[:, :k]
                exact = self._exact(np.repeat(x[owners], k, axis=0), own.start + likely.ravel()).reshape(-1, k)
                limits = np.minimum(limits, exact.max(1))
            rest = limits / self._scale**2 - squares
            highest = (rest + _EPS * (np.abs(rest) + squares) + _TINY).astype(np.float32)
            rows, columns = np.divmod(np.flatnonzero(~(bounds > highest[:, None])), n)
        exact = self._exact(x[owners[rows]], own.start + columns)
        kept = exact <= limits[rows]
        return Found(owners[rows[kept]], self.order[own.start + columns[kept]], exact[kept])

    def _exact(self, x: Floats, positions: Positions) -> Floats:
        """Return the squared distance (m,) of each of rows x (m, d) to the stored row at its position (m,)."""
        return np.asarray(((x - self.rows[positions]) ** 2).sum(1))

    def _slice(self, cell: int) -> slice:
        return slice(int(self.starts[cell]), int(self.starts[cell + 1]))


def others(positions: Positions) -> Positions:
    """Leave each row out of its own neighbours.

    Parameters
    ----------
    positions : ndarray of int of shape (n, k + 1)
        Neighbours of the rows of an index, nearest first: row i has those of row i of the index.

    Returns
    -------
    ndarray of int of shape (n, k)
        Without i in row i, or without the last one where i is missing, among more equal rows than k.

    Examples
    --------
    >>> others(np.array([[0, 2], [2, 1], [0, 1]])).tolist()
    [[2], [2], [0]]
    """
    is_own = positions == np.arange(len(positions))[:, None]
    is_own[~is_own.any(1), -1] = True
    return np.asarray(positions[~is_own].reshape(len(positions), -1))


def _power_of_two_above(rows: Array) -> float:
    """Return a power of two that is above all numbers, so that those divided by it can be squared in single precision."""
    return float(2.0 ** np.ceil(np.log2(max(float(np.abs(rows).max(initial=0)), _TINY))))


def _squared_distances(x: Floats, centres: Floats) -> Floats:
    """Return the squared distances (m, n_cells), by products in double precision."""
    squares = (x**2).sum(1)[:, None] + (centres**2).sum(1) - 2 * (x @ centres.T)
    return np.asarray(np.maximum(squares, 0))


def _nearest_centres(rows: Array, centres: Floats) -> Positions:
    """Return the cell of each of rows (n, d) of at most 1, but for rounding in single precision."""
    factors, half_squares = centres.T.astype(np.float32), ((centres**2).sum(1) / 2).astype(np.float32)
    blocks = (rows[start : start + _BLOCK_ROWS].astype(np.float32) for start in range(0, len(rows), _BLOCK_ROWS))
    return np.concatenate([(block @ factors - half_squares).argmax(1) for block in blocks])


def _centres(rows: Array, n_cells: int) -> Floats:
    """Return the means that k-means finds in evenly spaced rows."""
    chosen = np.linspace(0, len(rows) - 1, min(len(rows), _ROWS_PER_CENTRE * n_cells)).astype(np.intp)
    sample = rows[chosen].astype(np.float64)
    centres = sample[np.linspace(0, len(sample) - 1, n_cells).astype(np.intp)]
    for _ in range(_KMEANS_ROUNDS):
        cells = _nearest_centres(sample, centres)
        order = np.argsort(cells, kind="stable")
        known, starts = np.unique(cells[order], return_index=True)
        centres[known] = np.add.reduceat(sample[order], starts) / np.diff([*starts, len(order)])[:, None]
    return centres
