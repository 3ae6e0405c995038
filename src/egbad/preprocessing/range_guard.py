"""The range of training rows, for methods whose own score says nothing of what is far, or too little."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egbad.arrays import Floats

Array = NDArray[Any]

_DRAWN = 2_000  # rows from the range of training, to see how much scores differ


@dataclass(frozen=True)
class RangeGuard:
    """Rows outside the range of training are taken to its edge, and the way there is added to their score.

    Attributes
    ----------
    low, high : array of shape (d,)
        Of encoded training rows.
    spread : float
        Standard deviation of scores all over that range: what a step outside of it is worth.
    """

    low: Array
    high: Array
    spread: float

    @classmethod
    def from_training(cls, x: Array, score: Callable[[Array], Floats], seed: int) -> "RangeGuard":
        """The range of encoded training rows x (n, d), with scores (m,) of rows (m, d) in it."""
        low, high = x.min(0), x.max(0)
        anywhere = np.random.default_rng(seed).uniform(low, high, size=(_DRAWN, x.shape[1]))
        return cls(low, high, float(score(anywhere.astype(np.float32)).std()))

    def clip(self, x: Array) -> Array:
        """Encoded rows x (n, d), taken to the edge of the range."""
        return np.clip(x, self.low, self.high)

    def range_penalty(self, excess: Floats) -> Floats:
        """What the way of rows to the edge, of any shape, adds to their score."""
        return self.spread * excess

    def state(self) -> dict[str, Array]:
        """What a model file keeps."""
        return {"low": self.low, "high": self.high, "spread": np.asarray(self.spread)}

    @classmethod
    def from_state(cls, state: dict[str, Array]) -> "RangeGuard":
        """The guard that `state` was taken of."""
        return cls(state["low"], state["high"], state["spread"].item())


def excess(x: Array, inside: Array) -> Floats:
    """How far encoded rows x (n, d) are from where they were taken to."""
    return np.abs(x.astype(np.float64) - inside)
