"""Memory of vectors that covers others: greedy choice of its members, and exact search of the nearest one."""

from math import sqrt

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from egbad.arrays import Array
from egbad.nn.precision import matmul_precision
from egbad.nn.threads import one_thread

_CHUNK_ROWS = 1024  # vectors that are compared with the memory together: bounds memory


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

    Products find it, whose rounding depends on their shape: pass the vectors of one image, or any other fixed number.

    Parameters
    ----------
    memory : ndarray of float32 of shape (m, d)
    """

    def __init__(self, memory: Array) -> None:
        self.memory = torch.tensor(memory)
        self._transposed = self.memory.T.contiguous()
        self._half_squares = -self.memory.double().square().sum(1).float() / 2

    def nearest(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return distance and position of the nearest member for each vector.

        Parameters
        ----------
        x : Tensor of shape (n, d)

        Returns
        -------
        distances : Tensor of shape (n,)
            Computed from differences: products would lose the digits of small distances.
        positions : Tensor of int64 of shape (n,)
        """
        found = [
            torch.addmm(self._half_squares, rows, self._transposed).argmax(1) for rows in torch.split(x, _CHUNK_ROWS)
        ]
        positions = torch.cat(found)
        return torch.linalg.vector_norm(x - self.memory[positions], dim=1), positions

    def neighbours(self, position: int, k: int) -> Tensor:
        """Return the k members (k, d) that are nearest to one of them, itself included."""
        distances = torch.linalg.vector_norm(self.memory - self.memory[position], dim=1)
        nearest = distances.argsort(stable=True)[: min(k, len(distances))]
        return self.memory[nearest]
