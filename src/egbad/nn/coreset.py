"""Memory of vectors that covers others: greedy choice of its members, and exact search of the nearest one."""

from itertools import pairwise
from math import ceil, inf, log2, sqrt

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from egbad.arrays import Array
from egbad.nn.precision import matmul_precision
from egbad.nn.threads import one_thread

_CHUNK_ROWS = 128  # vectors that are compared with the memory together
_FIRST_BLOCK = 1000  # members that every vector is compared with
_ROUNDING = 1e-5  # of squared distances from products, relative to the squared lengths

Blocks = list[
    tuple[int, Tensor, Tensor]
]  # position of the first member, -|m|^2 / 2 of (b,) members m, and these (d, b)


def greedy_k_center(x: Array, size: int, rng: np.random.Generator, n_projected: int | None = None) -> NDArray[np.intp]:
    """Choose vectors so that the farthest of the others is near to one of them (Gonzalez, 1985).

    The first is drawn at random. Each next one is the vector that is farthest from those chosen so far. Memory is that of x
    and of its projection.

    Parameters
    ----------
    x : ndarray of float32 of shape (n, d)
    size : int
        Number of vectors to choose.
    rng : numpy.random.Generator
    n_projected : int, optional
        Values that vectors are randomly projected to before they are compared, if there are more (Johnson and
        Lindenstrauss, 1984). By default distances are exact.

    Returns
    -------
    ndarray of int of shape (m,)
        Positions in the order of the choice. Fewer than `size` if all others equal one of them.

    Examples
    --------
    >>> x = np.array([[0.0], [1.0], [5.0], [9.0]], np.float32)
    >>> sorted(greedy_k_center(x, 3, np.random.default_rng(1)).tolist())[-1]
    3
    """
    first = int(rng.integers(len(x)))
    rows = torch.from_numpy(np.ascontiguousarray(x))
    with one_thread(), torch.no_grad(), matmul_precision("float32", "cpu"):
        if n_projected is not None and n_projected < x.shape[1]:
            projection = rng.normal(scale=1 / sqrt(n_projected), size=(x.shape[1], n_projected)).astype(np.float32)
            rows = rows @ torch.from_numpy(projection)
        squares = rows.square().sum(1)
        chosen, nearest = [first], torch.full((len(x),), torch.inf)
        while len(chosen) < min(size, len(x)):
            last = rows[chosen[-1]]
            torch.minimum(nearest, squares - 2 * (rows @ last) + last.square().sum(), out=nearest)
            nearest[chosen[-1]] = 0  # rounding may leave a little
            farthest = int(nearest.argmax())
            if nearest[farthest] <= 0:
                break
            chosen.append(farthest)
    return np.array(chosen, dtype=np.intp)


class NearestMemory:
    """Finds the nearest member of a memory.

    Products of fixed shape find it, a chunk of vectors with a block of members. The distance is computed from the differences:
    products would lose the digits of small distances.

    Parameters
    ----------
    memory : ndarray of float32 of shape (m, d)
        The first members should cover the others, as those that `greedy_k_center` chooses do: `farthest` is then fast.
    """

    def __init__(self, memory: Array) -> None:
        self.memory = torch.tensor(memory)
        squares = self.memory.double().square().sum(1)
        self._half_squares = -squares.float() / 2
        self._longest = float(squares.max())
        # Each block doubles the number of members.
        n_blocks = ceil(log2(max(1.0, len(memory) / _FIRST_BLOCK))) + 1
        edges = [0, *(_FIRST_BLOCK * 2**i for i in range(n_blocks))]
        self._blocks = [
            (start, self._half_squares[start:stop].clone(), self.memory[start:stop].T.contiguous())
            for start, stop in pairwise(edges)
        ]

    def nearest(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return distance and position of the nearest member for each vector.

        Parameters
        ----------
        x : Tensor of shape (n, d)

        Returns
        -------
        distances : Tensor of shape (n,)
        positions : Tensor of int64 of shape (n,)
        """
        search = _Search(x, self._blocks)
        everything = torch.arange(len(x))
        for block in range(len(self._blocks)):
            search.compare(everything, block)
        return self._distances(x, search.positions), search.positions

    def farthest(self, x: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return the vectors that are farthest from their nearest member.

        They are those that `nearest` finds. Most vectors are compared with a few members only: the distance to these is at
        least that to the nearest member, so that a vector with a small one cannot be among the farthest.

        Parameters
        ----------
        x : Tensor of shape (n, d)
        k : int
            Number of vectors, from 1 to n.

        Returns
        -------
        distances : Tensor of shape (k,)
            From the largest to the smallest.
        rows : Tensor of int64 of shape (k,)
            Positions in x.
        positions : Tensor of int64 of shape (k,)
            Positions of the nearest members.
        """
        search, squares, last = _Search(x, self._blocks), x.square().sum(1), len(self._blocks) - 1
        search.compare(torch.arange(len(x)), 0)
        rows = torch.topk(squares - 2 * search.products, min(len(x), max(k, _CHUNK_ROWS))).indices
        for block in range(1, last + 1):
            search.compare(rows, block)
        least = torch.topk(squares[rows] - 2 * search.products[rows], k).values[-1]  # the k-th largest is not below it
        pruned, done = squares + _ROUNDING * (squares + self._longest), rows
        rows = torch.from_numpy(np.setdiff1d(np.arange(len(x)), rows.numpy()))
        for block in range(1, last + 1):
            rows = rows[pruned[rows] - 2 * search.products[rows] >= least]
            search.compare(rows, block)
        rows = torch.cat([done, rows]).sort().values
        distances = self._distances(x[rows], search.positions[rows])
        order = distances.argsort(descending=True, stable=True)[:k]
        return distances[order], rows[order], search.positions[rows[order]]

    def _distances(self, x: Tensor, positions: Tensor) -> Tensor:
        distances: Tensor = torch.linalg.vector_norm(x - self.memory[positions], dim=1)
        return distances

    def neighbours(self, position: int, k: int) -> Tensor:
        """Return the k members (k, d) that are nearest to one of them, itself included."""
        distances = torch.linalg.vector_norm(self.memory - self.memory[position], dim=1)
        nearest = distances.argsort(stable=True)[: min(k, len(distances))]
        return self.memory[nearest]


class _Search:
    """The best member of each vector so far.

    Attributes
    ----------
    products : Tensor of shape (n,)
        ``x @ m - |m|^2 / 2``, the largest: that of the nearest member m.
    positions : Tensor of int64 of shape (n,)
        Position of m.
    """

    def __init__(self, x: Tensor, blocks: Blocks) -> None:
        self._x, self._blocks = x, blocks
        self.products = torch.full((len(x),), -inf)
        self.positions = torch.zeros(len(x), dtype=torch.int64)

    def compare(self, rows: Tensor, block: int) -> None:
        """Compare some vectors with the members of a block.

        Parameters
        ----------
        rows : Tensor of int64 of shape (n_rows,)
            Positions of the vectors.
        block : int
        """
        first, half_squares, transposed = self._blocks[block]
        for chunk in torch.split(rows, _CHUNK_ROWS):
            padded = F.pad(self._x[chunk], (0, 0, 0, _CHUNK_ROWS - len(chunk)))
            products, positions = torch.addmm(half_squares, padded, transposed)[: len(chunk)].max(dim=1)
            nearer = products > self.products[chunk]
            self.products[chunk[nearer]] = products[nearer]
            self.positions[chunk[nearer]] = first + positions[nearer]
