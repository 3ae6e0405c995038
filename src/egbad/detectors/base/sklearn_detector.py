"""`SklearnDetector`: base class of the detectors without networks."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np

from egbad import model_file
from egbad.arrays import Array, Floats, State
from egbad.detectors.base.batching import batch_size, map_batches, pad_chunks
from egbad.detectors.base.detector import Detector, FitContext
from egbad.detectors.base.inputs import Encoded
from egbad.detectors.base.settings import S
from egbad.detectors.base.threads import blas_threads

R = TypeVar("R")


@dataclass(kw_only=True, eq=False, repr=False)
class SklearnDetector(Detector[S]):
    """Base class of detectors that learn arrays from flat rows.

    Rows and images are flattened to vectors of doubles. A method defines how it learns (`_fit_rows`) and scores
    (`_score_rows`). The arrays that it learns are stored in the model file as they are, so that a file needs no pickle.

    Attributes
    ----------
    learned_ : dict of str to ndarray
        Everything that scoring needs.
    """

    chunk_rows: ClassVar[int] = 256
    parallel_batches: ClassVar[bool] = False  # off for methods whose scikit-learn estimator starts threads of its own

    @abstractmethod
    def _fit_rows(self, x: Floats, rng: np.random.RandomState) -> State:
        """Return the arrays that scoring needs, learned from x (n, d)."""

    @abstractmethod
    def _score_rows(self, x: Floats) -> dict[str, Floats]:
        """Return the score terms (n,) of x (n, d)."""

    def _set_learned(self, learned: State) -> None:
        """Set the learned arrays and prepare for scoring, after a fit or after loading."""
        self.learned_ = learned

    def _learn(self, x: Encoded, rng: np.random.Generator, context: FitContext) -> None:
        random_state = np.random.RandomState(int(rng.integers(2**31)))  # scikit-learn takes no Generator
        self._set_learned(self._fit_rows(flatten_rows(x), random_state))

    def _terms(self, x: Encoded) -> dict[str, Floats]:
        with blas_threads.single_thread():  # the bits of a product may depend on the number of threads that share it
            parts = [
                {name: values[:n] for name, values in self._score_rows(chunk).items()}
                for chunk, n in pad_chunks(flatten_rows(x), self.chunk_rows)
            ]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _map_batches(self, function: Callable[[Array], R], x: Array) -> list[R]:
        """Apply a function to batches of rows or images x (n, ...), on several threads if the method allows it."""
        if not self.parallel_batches:
            return super()._map_batches(function, x)
        return map_batches(function, x, batch_size(len(x), self.chunk_rows), parallel=True)

    def _state(self) -> tuple[dict[str, Any], State]:
        return {}, {f"learned.{name}": array for name, array in self.learned_.items()}

    def _restore(self, state: dict[str, Any], arrays: State) -> None:
        self._set_learned(model_file.with_prefix_removed("learned.", arrays))


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
