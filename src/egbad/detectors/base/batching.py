"""Encoded rows on their way through a model: in chunks, whose size changes no bit of what comes out."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil, prod
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from egbad.detectors.base.model import Model
from egbad.detectors.base.threads import map_threads, one_thread
from egbad.nn.precision import Precision, matmul_precision

C = TypeVar("C")
Array = NDArray[Any]

_CHUNKS_A_PART = 16  # that are encoded together, at most
_WORTH_THREADS = 4  # usual chunks: fewer take no longer than threads take to start
_PIXELS = 2**18  # of a large chunk of images, the same
_PIXELS_ON_GPU = 2**22  # the same there
_PADDED = 1.125  # of the rows that usual chunks come to: what larger ones may come to, with those that fill the last
_COMPARED = 8  # images by which chunks of two sizes are compared


def chunks(x: Array, size: int) -> Iterator[tuple[Array, int]]:
    """Parts of x (n, ...) of one shape (size, ...), and how many of their rows are real: the last is padded with zeros.

    Matrix products round differently by shape, but a row's bits do not depend on its place in a product of one shape.
    """
    for start in range(0, len(x), size):
        part = x[start : start + size]
        n = len(part)
        yield (part if n == size else np.concatenate([part, np.zeros((size - n, *x.shape[1:]), dtype=x.dtype)])), n


@dataclass(frozen=True)
class Chunked:
    """A model of `members` on a device, for rows and images of any number.

    Parameters
    ----------
    model : Model
    members : int
    device : str
        Where its weights are.
    precision : {"float32", "tf32", "bf16"}
        Of its products.
    """

    model: Model[Any]
    members: int
    device: str
    precision: Precision

    def each(self, work: Callable[[Tensor, int], C], x: Array) -> list[C]:
        """What `work` makes of every chunk (K, C, ...) of encoded x (n, ...) and the number of its rows that are real."""
        if not self.side_by_side:
            return self.in_turn(work, x)  # on a GPU it is parts that are side by side

        def precise(part: tuple[Tensor, int]) -> C:
            with matmul_precision(self.precision, self.device):  # a thread has its own
                return work(*part)

        return map_threads(precise, self.chunks(x, self._best(x)))

    def in_turn(self, work: Callable[[Tensor, int], C], x: Array, size: int = 0) -> list[C]:
        """The same, one chunk after the other."""
        with torch.no_grad(), matmul_precision(self.precision, self.device):
            return [work(*part) for part in self.chunks(x, size)]

    def terms(self, x: Array) -> list[dict[str, Tensor]]:
        """Terms (K, n) of each member for encoded x (n, ...), in parts."""
        return self.each(self._some_terms, x)

    def chunks(self, x: Array, size: int = 0) -> Iterator[tuple[Tensor, int]]:
        """Chunks (K, C, ...) of one size, by default the usual one, and how many of their rows are real."""
        for part, n in chunks(x, size or self.usual(x.shape[1:])):
            rows = torch.from_numpy(part).to(self.device)
            yield rows.expand(self.members, *rows.shape), n

    @property
    def side_by_side(self) -> bool:
        """Whether chunks are scored at the same time."""
        return self.device == "cpu" and not self.model.scores_sequentially

    def part(self, n: int, shape: tuple[int, ...]) -> int:
        """How many of n rows or images that are encoded to `shape` are encoded and scored together."""
        chunk = self.usual(shape)
        threads = torch.get_num_threads() if n >= _WORTH_THREADS * chunk else 1
        most = _CHUNKS_A_PART if self.device == "cpu" else 1
        return min(most, ceil(n / (threads * chunk))) * chunk

    def usual(self, shape: tuple[int, ...]) -> int:
        """How many encoded rows or images of `shape` are scored at once, if not a few or very many."""
        usual = self.model.chunk_rows if len(shape) == 1 else self.model.chunk_images
        if self.device == "cpu":
            return usual
        most = self.model.gpu_chunks * usual // self.members
        if len(shape) == 3:
            most = min(most, _PIXELS_ON_GPU // prod(shape))
        return max(usual, 1 << (max(1, most).bit_length() - 1))

    def _best(self, x: Array) -> int:
        """The size of chunks to score x (n, ...) in: the smallest that holds all, or the largest that is filled well enough."""
        usual = self.usual(x.shape[1:])
        pixels = int(np.prod(x.shape[1:]))
        others = (
            self.model.other_chunk_rows
            if x.ndim == 2
            else [n for n in self.model.other_chunk_images if n <= usual or n * pixels <= _PIXELS]
        )
        if self.device != "cpu" or usual <= min(others, default=usual):
            return usual
        holding = sorted(n for n in others if len(x) <= n < usual)
        most = _PADDED * usual * ceil(len(x) / usual)
        filled = sorted((n for n in others if usual < n <= len(x) and n * ceil(len(x) / n) <= most), reverse=True)
        return next((n for n in (*holding, *filled) if self._alike(n, usual, x.shape[1:])), usual)

    def _alike(self, size: int, usual: int, shape: tuple[int, ...]) -> bool:
        """Whether rows in chunks of this size have the bits here that they have in the usual ones.

        Found out when it is asked a second time: a first few rows are sooner scored in a usual chunk.
        """
        known: dict[int, bool | None] = self.model.__dict__.setdefault("alike", {})
        if size not in known:
            known[size] = None
            return False
        found = known[size]
        if found is None:
            n = max(size, usual if len(shape) == 1 else _COMPARED)
            x = np.random.default_rng(0).normal(size=(n, *shape)).astype(np.float32)
            found = known[size] = torch.equal(self._bits(x, size), self._bits(x, usual))
        return found

    def _bits(self, x: Array, size: int) -> Tensor:
        """All terms of each member (terms, K, n) by chunks of this size, on one thread."""
        with one_thread():
            parts = self.in_turn(lambda chunk, n: torch.stack([*self._some_terms(chunk, n).values()]), x, size)
        return torch.cat(parts, dim=2)

    def _some_terms(self, chunk: Tensor, n: int) -> dict[str, Tensor]:
        """Terms (K, n) of the first n rows of a chunk (K, C, ...)."""
        if self.members > 1 and chunk.ndim == 3 and self.device == "cpu" and chunk.shape[1] > self.model.chunk_rows:
            # One member after the other, so that a chunk fits into the cache, and memory, as one member's does.
            each = [one.score_terms(chunk[k : k + 1]) for k, one in enumerate(self.model.split_members())]
            return {name: torch.cat([terms[name] for terms in each]).double()[:, :n] for name in each[0]}
        return {name: values.double()[:, :n] for name, values in self.model.score_terms(chunk).items()}
