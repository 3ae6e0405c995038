"""Rows on their way through a detector: batches on threads, and chunks of fixed shapes within a batch.

A batch is encoded and scored on one thread. Matrix products round by the shape of their factors, but the bits of a row do
not depend on its position in a product of one shape. A batch is therefore scored in chunks of one fixed number of rows,
the last one padded with zeros. Smaller or larger chunks are used only where they give the same bits on this machine.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from itertools import chain
from math import ceil, prod
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from egbad.arrays import Array
from egbad.detectors.base.model import Model
from egbad.nn.precision import Precision, matmul_precision
from egbad.nn.threads import blas_threads, map_threads, one_thread

C = TypeVar("C")

BATCH_ROWS = 16_384  # rows that are encoded together at most: bounds memory, changes no score
_MAX_BATCH_CHUNKS = 16
_MIN_PARALLEL_CHUNKS = 4  # fewer chunks take no longer than threads take to start
_MAX_CHUNK_PIXELS = 2**18  # of a chunk larger than the standard one
_MAX_GPU_CHUNK_PIXELS = 2**22
_MAX_PADDING = 1.125  # rows in larger chunks, with padding, per row in standard chunks
_COMPARED_ROWS, _COMPARED_IMAGES = (
    32,
    8,
)  # at least so many are compared to decide whether two chunk sizes give the same bits


def map_batches(function: Callable[[Array], C], x: Array, size: int = BATCH_ROWS, *, parallel: bool = False) -> list[C]:
    """Apply a function to batches of rows.

    Parameters
    ----------
    function : callable
        Takes a batch of shape (size, ...) or, at the end, a smaller one.
    x : ndarray of shape (n, ...)
    size : int
        Rows of a batch.
    parallel : bool, default=False
        Whether to use several threads, see `egbad.nn.threads.map_threads`.

    Returns
    -------
    list
        The results, in the order of the batches.
    """
    batches = [x[start : start + size] for start in range(0, len(x), size)]
    return map_threads(function, batches, len(batches)) if parallel else [function(batch) for batch in batches]


def batch_size(n: int, chunk_size: int, max_chunks: int = _MAX_BATCH_CHUNKS) -> int:
    """Return the rows of a batch, whole chunks, so that n rows make at least one batch for each thread.

    Parameters
    ----------
    n : int
        Number of rows.
    chunk_size : int
        Rows of a chunk.
    max_chunks : int
        Limit for the chunks of a batch.

    Returns
    -------
    int
    """
    threads = torch.get_num_threads() if n >= _MIN_PARALLEL_CHUNKS * chunk_size else 1
    return min(max_chunks, ceil(n / (threads * chunk_size))) * chunk_size


def pad_chunks(x: Array, size: int) -> Iterator[tuple[Array, int]]:
    """Cut rows into chunks of one size, the last one padded with zeros.

    Parameters
    ----------
    x : ndarray of shape (n, ...)
    size : int

    Yields
    ------
    ndarray of shape (size, ...)
        A chunk.
    int
        Number of its rows that are rows of x.
    """
    for start in range(0, len(x), size):
        chunk = x[start : start + size]
        n = len(chunk)
        if n < size:
            chunk = np.concatenate([chunk, np.zeros((size - n, *x.shape[1:]), dtype=x.dtype)])
        yield chunk, n


def map_chunks(function: Callable[[Array], Array], x: Array, size: int) -> Array:
    """Apply a function with products of matrices to rows in chunks of one size, on one thread, so that its bits are the same.

    Parameters
    ----------
    function : callable
        Takes rows of shape (size, ...) and returns as many.
    x : ndarray of shape (n, ...)
    size : int

    Returns
    -------
    ndarray of shape (n, ...)
    """
    with blas_threads.single_thread():
        return np.concatenate([function(chunk)[:n] for chunk, n in pad_chunks(x, size)])


class ModelRunner:
    """Runs a trained model on any number of encoded rows or images.

    Parameters
    ----------
    model : Model
        Model of K members.
    device : str
        Device of its weights.
    precision : {"float32", "tf32", "bf16"}
        Precision of matrix products and convolutions.
    """

    def __init__(self, model: Model[Any], device: str, precision: Precision) -> None:
        self.model, self.device, self.precision = model, device, precision
        self.members = len(model.generators)
        self._members: list[Model[Any]] = []  # each member as a model of its own, once they are needed
        # (chunk size, of attributions or of scores) -> whether it gives the bits of the standard size
        self._same_bits: dict[tuple[int, bool], bool] = {}

    def __reduce__(self) -> tuple[type["ModelRunner"], tuple[Any, ...]]:
        """Copy the arguments only: another machine decides about its own chunk sizes."""
        return type(self), (self.model, self.device, self.precision)

    # -- running -----------------------------------------------------------------------------------------------------

    def map(self, function: Callable[[Tensor, int], C], x: Array, *, attributes: bool = False) -> list[C]:
        """Apply a function to chunks of encoded rows, on several threads.

        On a GPU it is one thread.

        Parameters
        ----------
        function : callable
            Takes a chunk of shape (K, C, ...) and the number of its rows that are not padding.
        x : ndarray of shape (n, ...)
            Encoded rows or images.
        attributes : bool, default=False
            Whether the function attributes scores; chunk sizes must then give attributions with the same bits.

        Returns
        -------
        list
            The results, in the order of the chunks.
        """
        if not self._one_thread_each:
            return self.map_serial(function, x, attributes=attributes)
        batches = map_batches(
            lambda batch: self.map_serial(function, batch, attributes=attributes),
            x,
            self.batch_size(len(x), x.shape[1:]),
            parallel=True,
        )
        return [*chain.from_iterable(batches)]

    def map_serial(self, function: Callable[[Tensor, int], C], x: Array, *, attributes: bool = False) -> list[C]:
        """Apply a function to chunks of encoded rows on the calling thread; parameters and result are those of `map`."""
        threads = one_thread() if self._one_thread_each else nullcontext()
        with threads, torch.no_grad(), matmul_precision(self.precision, self.device):
            return [function(chunk, n) for chunk, n in self.chunks(x, self._choose_chunk_size(x, attributes))]

    def terms(self, x: Array) -> list[dict[str, Tensor]]:
        """Return the score terms of each chunk, on the calling thread.

        Parameters
        ----------
        x : ndarray of shape (n, ...)
            Encoded rows or images.

        Returns
        -------
        list of dict of str to Tensor of shape (K, C)
            Without padding, in double precision.
        """
        return self.map_serial(self._chunk_terms, x)

    def chunks(self, x: Array, size: int | None = None) -> Iterator[tuple[Tensor, int]]:
        """Cut encoded rows into chunks on the model's device, which all members share.

        Parameters
        ----------
        x : ndarray of shape (n, ...)
        size : int, optional
            Rows of a chunk, by default the standard size.

        Yields
        ------
        Tensor of shape (K, size, ...)
            A chunk.
        int
            Number of its rows that are not padding.
        """
        for chunk, n in pad_chunks(x, size or self.chunk_size(x.shape[1:])):
            rows = torch.from_numpy(chunk).to(self.device)
            yield rows.expand(self.members, *rows.shape), n

    @property
    def _one_thread_each(self) -> bool:
        """True if a chunk is computed on one thread and chunks may be computed at the same time."""
        return self.device == "cpu"

    # -- sizes -------------------------------------------------------------------------------------------------------

    def batch_size(self, n: int, shape: tuple[int, ...]) -> int:
        """Return how many of n rows or images, encoded to `shape`, are encoded and scored together."""
        return batch_size(n, self.chunk_size(shape), _MAX_BATCH_CHUNKS if self.device == "cpu" else 1)

    def chunk_size(self, shape: tuple[int, ...]) -> int:
        """Return the standard number of encoded rows or images of a chunk; on a GPU it is bounded by memory."""
        size = self.model.chunk_rows if len(shape) == 1 else self.model.chunk_images
        if self.device == "cpu":
            return size
        largest = self.model.gpu_chunks * size // self.members
        if len(shape) == 3:
            largest = min(largest, _MAX_GPU_CHUNK_PIXELS // prod(shape))
        return max(size, 1 << (max(1, largest).bit_length() - 1))

    def _choose_chunk_size(self, x: Array, attributes: bool) -> int:
        """Return the size of chunks for x (n, ...): the smallest that holds all rows, or the largest with little padding."""
        shape = x.shape[1:]
        standard = self.chunk_size(shape)
        if self.device != "cpu":
            return standard
        others = self._other_chunk_sizes(shape)
        smaller = sorted(size for size in others if len(x) <= size < standard)
        most = _MAX_PADDING * standard * ceil(len(x) / standard)
        fitting = [size for size in others if standard < size <= len(x) and size * ceil(len(x) / size) <= most]
        candidates = smaller if attributes else (*smaller, *sorted(fitting, reverse=True))
        same_bits = self.has_same_attribution_bits if attributes else self.has_same_bits
        return next((size for size in candidates if same_bits(size, shape)), standard)

    def _other_chunk_sizes(self, shape: tuple[int, ...]) -> Sequence[int]:
        """Return the chunk sizes that may replace the standard one."""
        if len(shape) == 1:
            return self.model.other_chunk_rows
        standard = self.chunk_size(shape)
        sizes = self.model.other_chunk_images
        return [size for size in sizes if size <= standard or size * prod(shape) <= _MAX_CHUNK_PIXELS]

    def has_same_bits(self, size: int, shape: tuple[int, ...]) -> bool:
        """Return whether scores in chunks of a size have the bits of scores in standard chunks on this machine.

        Both score the same random rows. The answer is decided once, when the size is first needed.

        Parameters
        ----------
        size : int
        shape : tuple of int
            Shape of an encoded row or image.

        Returns
        -------
        bool
        """
        return self._compare_bits(size, shape, self._stacked_terms)

    def has_same_attribution_bits(self, size: int, shape: tuple[int, ...]) -> bool:
        """Return whether attributions in chunks of a size have the bits of attributions in standard chunks.

        Parameters and result are those of `has_same_bits`.
        """
        return self._compare_bits(size, shape, self._stacked_shares)

    def _compare_bits(self, size: int, shape: tuple[int, ...], compute: Callable[[Array, int], Tensor]) -> bool:
        """Compare results for random rows in chunks of a size and in standard chunks, once for each size."""
        key = (size, compute == self._stacked_shares)
        if key not in self._same_bits:
            n = max(size, _COMPARED_ROWS if len(shape) == 1 else _COMPARED_IMAGES)
            x = np.random.default_rng(0).normal(size=(n, *shape)).astype(np.float32)
            one, other = (compute(x, number) for number in (size, self.chunk_size(shape)))
            self._same_bits[key] = torch.equal(one, other)
        return self._same_bits[key]

    # -- terms -------------------------------------------------------------------------------------------------------

    def _stacked_terms(self, x: Array, size: int) -> Tensor:
        """Return all terms of each member (terms, K, n), computed in chunks of a size."""
        with torch.no_grad(), matmul_precision(self.precision, self.device):
            parts = [torch.stack([*self._chunk_terms(*chunk).values()]) for chunk in self.chunks(x, size)]
        return torch.cat(parts, dim=2)

    def _stacked_shares(self, x: Array, size: int) -> Tensor:
        """Return the attributions and expected values of each member (K, n, ...), computed in chunks of a size."""
        with torch.no_grad(), matmul_precision(self.precision, self.device):
            found = [(self.model.attribute(chunk), n) for chunk, n in self.chunks(x, size)]
        return torch.cat([torch.cat([part.shares, part.expected], dim=2)[:, :n].detach() for part, n in found], dim=1)

    def _chunk_terms(self, chunk: Tensor, n: int) -> dict[str, Tensor]:
        """Return the terms (K, n) of the first n rows of a chunk (K, C, ...)."""
        large = chunk.ndim == 3 and chunk.shape[1] > self.model.chunk_rows
        if self.members > 1 and large and self.device == "cpu":
            # One member after the other: a large chunk of all members does not fit into the cache.
            self._members = self._members or [self.model.member(k) for k in range(self.members)]
            each = [member.score_terms(chunk[k : k + 1]) for k, member in enumerate(self._members)]
            return {name: torch.cat([terms[name] for terms in each]).double()[:, :n] for name in each[0]}
        return {name: values.double()[:, :n] for name, values in self.model.score_terms(chunk).items()}
