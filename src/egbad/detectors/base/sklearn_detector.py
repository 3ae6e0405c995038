"""Detectors without networks: they learn some arrays from flat rows, and score by them."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from egbad import model_file
from egbad.arrays import Array, Floats
from egbad.detectors.base.batching import chunks
from egbad.detectors.base.detector import Detector, FitContext
from egbad.detectors.base.inputs import Encoded
from egbad.detectors.base.settings import S
from egbad.detectors.base.threads import map_threads, products


@dataclass(kw_only=True, eq=False, repr=False)
class SklearnDetector(Detector[S]):
    """A detector that meets rows and images alike as flat vectors of doubles, and keeps what it learned as arrays."""

    chunk_rows: ClassVar[int] = 256
    parallel_chunks: ClassVar[bool] = False  # whether chunks are scored at once: not by what has threads of its own

    @abstractmethod
    def _fit_rows(self, x: Floats, rng: np.random.RandomState) -> model_file.Arrays:
        """Learn from x (n, d) -> all that scoring needs."""

    @abstractmethod
    def _score_rows(self, x: Floats) -> dict[str, Floats]:
        """Terms (n,) of the score of x (n, d), by `learned_`."""

    def _set_learned(self, learned: model_file.Arrays) -> None:
        """Make ready to score by what was learned: after a fit, and after a file was read."""
        self.learned_ = learned

    def _learn(self, x: Encoded, rng: np.random.Generator, context: FitContext) -> None:
        seeds = np.random.RandomState(int(rng.integers(2**31)))  # scikit-learn takes no Generator
        self._set_learned(self._fit_rows(flat(x), seeds))

    def _terms(self, x: Encoded) -> dict[str, Floats]:
        def scored(chunk: tuple[Array, int]) -> dict[str, Floats]:
            rows, n = chunk
            return {name: values[:n] for name, values in self._score_rows(rows).items()}

        with products.undivided():  # a product's bits may depend on how many threads share it
            cut = chunks(flat(x), self.chunk_rows)
            parts = map_threads(scored, cut) if self.parallel_chunks else [scored(chunk) for chunk in cut]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _state(self) -> tuple[dict[str, Any], model_file.Arrays]:
        return {}, {f"learned.{name}": array for name, array in self.learned_.items()}

    def _restore(self, state: dict[str, Any], arrays: model_file.Arrays) -> None:
        self._set_learned(model_file.with_prefix_removed("learned.", arrays))


def flat(x: Encoded) -> Floats:
    """Rows or images x (n, ...) -> (n, d)."""
    return x.reshape(len(x), -1).astype(np.float64)
