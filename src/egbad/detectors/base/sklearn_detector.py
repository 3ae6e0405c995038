"""`SklearnDetector`: base class of the detectors without networks."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar, TypeVar

import numpy as np

from egbad.arrays import Array, ArraySpec, Floats, State, check_arrays
from egbad.detectors.base.batching import batch_size, map_batches, pad_chunks
from egbad.detectors.base.detector import FitContext
from egbad.detectors.base.feature_detector import FeatureDetector
from egbad.detectors.base.inputs import Encoded
from egbad.detectors.base.settings import S
from egbad.errors import InvalidEntryError
from egbad.model_file import entries_within, with_prefix_removed
from egbad.nn.threads import blas_threads

R = TypeVar("R")

_MAX_CHUNK_ROWS, _MAX_CHUNK_VALUES = 4096, 2**19  # of chunks that are not padded: bounds memory
_COMPARED_ROWS = 32  # rows that decide whether another size of chunks gives the same bits


@dataclass(kw_only=True, eq=False, repr=False)
class SklearnDetector(FeatureDetector[S]):
    """Base class of detectors that learn arrays from flat rows.

    Rows and images are flattened to vectors of doubles. A method defines how it learns (`_fit_rows`) and scores
    (`_score_rows`). The arrays that it learns (`learned_specs`) are stored in the model file as they are, so that a file
    needs no pickle.

    Attributes
    ----------
    learned_ : dict of str to ndarray
        Everything that scoring needs.
    """

    array_names: ClassVar[frozenset[str]] = frozenset({"learned"})
    learned_specs: ClassVar[Mapping[str, ArraySpec]]  # "n_values" stands for the number of values of a flat row
    chunk_rows: ClassVar[int] = 256
    small_chunk_rows: ClassVar[tuple[int, ...]] = (1, 16)  # for a few rows, where they give the same bits
    parallel_batches: ClassVar[bool] = False  # off for methods whose scikit-learn estimator starts threads of its own

    @property
    def pads_chunks(self) -> bool:
        """True if rows are padded to chunks of one size, since the bits of a score may depend on the number of rows."""
        return True

    @abstractmethod
    def _fit_rows(self, x: Floats, rng: np.random.RandomState) -> State:
        """Return the arrays that scoring needs, learned from x (n, d)."""

    @abstractmethod
    def _score_rows(self, x: Floats) -> dict[str, Floats]:
        """Return the score terms (n,) of x (n, d)."""

    def _check_learned(self, learned: State) -> None:
        """Raise unless arrays that fit `learned_specs` fit each other as well."""

    def _compared_values(self, x: Floats) -> list[Array]:
        """Return values of rows x (n, d) whose bits show whether another size of chunks gives the same scores."""
        return [*self._score_rows(x).values()]

    def _set_learned(self, learned: State) -> None:
        """Set the learned arrays and prepare for scoring, after a fit or after loading."""
        self.learned_ = learned
        self._same_bits: dict[int, bool] = {}

    def _learn(self, x: Encoded, rng: np.random.Generator, context: FitContext) -> None:
        random_state = np.random.RandomState(int(rng.integers(2**31)))  # scikit-learn takes no Generator
        self._set_learned(self._fit_rows(flatten_rows(x), random_state))

    def _terms(self, x: Encoded) -> dict[str, Floats]:
        with blas_threads.single_thread():  # the bits of a product may depend on the number of threads that share it
            parts = [
                {name: values[:n] for name, values in self._score_rows(chunk).items()}
                for chunk, n in self._chunks(flatten_rows(x))
            ]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _chunks(self, x: Array) -> Iterator[tuple[Array, int]]:
        """Yield rows x (n, d) in the chunks that they are scored in, and how many rows of each are rows of x."""
        if self.pads_chunks:
            yield from pad_chunks(x, self._chunk_size(x))
            return
        size = max(self.chunk_rows, min(_MAX_CHUNK_ROWS, _MAX_CHUNK_VALUES // x.shape[1]))
        for start in range(0, len(x), size):
            chunk = x[start : start + size]
            yield chunk, len(chunk)

    def _chunk_size(self, x: Encoded) -> int:
        """Return the size of the chunks that x (n, ...) is scored in: the smallest that holds all rows, or the standard."""
        small = (size for size in self.small_chunk_rows if len(x) <= size)
        return next((size for size in small if self._has_same_bits(size, x[0].size)), self.chunk_rows)

    def _has_same_bits(self, size: int, n_values: int) -> bool:
        """Return True if random rows have the same bits in chunks of a size as in standard chunks, on this machine.

        Products round by the shape of their factors. The answer is decided once, when the size is first needed.
        """
        if size not in self._same_bits:
            x = np.random.default_rng(0).normal(size=(_COMPARED_ROWS, n_values))
            padded, _ = next(pad_chunks(x, self.chunk_rows))
            chunks = [self._compared_values(x[start : start + size]) for start in range(0, len(x), size)]
            small = [np.concatenate(values) for values in zip(*chunks, strict=True)]
            standard = [values[: len(x)] for values in self._compared_values(padded)]
            self._same_bits[size] = all(map(np.array_equal, small, standard))
        return self._same_bits[size]

    def _map_batches(self, function: Callable[[Array], R], x: Array) -> list[R]:
        """Apply a function to batches of rows or images x (n, ...), on several threads if the method allows it."""
        if not self.parallel_batches:
            return super()._map_batches(function, x)
        return map_batches(function, x, batch_size(len(x), self.chunk_rows), parallel=True)

    def _state(self) -> tuple[dict[str, Any], State]:
        return {}, {f"learned.{name}": array for name, array in self.learned_.items()}

    def _restore(self, state: dict[str, Any], arrays: State) -> None:
        if state:
            raise InvalidEntryError("state.method", f"must be empty, got {[*state]}")
        learned = with_prefix_removed("learned.", arrays)
        with entries_within("learned."):
            check_arrays(learned, self.learned_specs, {"n_values": prod(self.encoded_shape)})
            self._check_learned(learned)
        self._set_learned(learned)


def flatten_rows(x: Encoded) -> Floats:
    """Flatten rows or images to vectors in double precision.

    Parameters
    ----------
    x : ndarray of shape (n_samples, ...)

    Returns
    -------
    ndarray of shape (n_samples, n_values)
    """
    return x.reshape(len(x), -1).astype(np.float64)
