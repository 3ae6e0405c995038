"""Comparison of rows with normal ones, computed when it is needed: p-values and normal ranges of each value."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from egbad.arrays import Array, Floats

Compared = tuple[Floats, Floats, Floats]  # p-values, lower and upper ends of the normal range, (n_samples, n_features)


class Comparison(ABC):
    """Comparison of rows with normal ones."""

    @property
    @abstractmethod
    def decimals(self) -> NDArray[np.int64] | None:
        """Decimal places (n_features,) that the values of each column are known to, if they are known."""

    @abstractmethod
    def __call__(self) -> Compared:
        """Return p-values, lower and upper ends of the normal range, each of shape (n_samples, n_features)."""

    @abstractmethod
    def select(self, rows: NDArray[np.intp]) -> "Comparison":
        """Return the comparison of the rows at these positions."""

    @classmethod
    @abstractmethod
    def concatenate(cls, parts: "Sequence[Comparison]") -> "Comparison":
        """Return one comparison for consecutive batches of rows."""


@dataclass(frozen=True)
class LazyComparison(Comparison):
    """Comparison of rows with their expected values.

    Attributes
    ----------
    encoded : ndarray of shape (n_samples, n_encoded)
        Encoded rows.
    expected : ndarray of shape (n_samples, n_encoded)
        Their expected values.
    compare : callable
        Takes both arrays and returns p-values, lower and upper ends of the normal range.
    decimals : ndarray of int of shape (n_features,), optional
        See `Comparison`.
    """

    encoded: Array
    expected: Array
    compare: Callable[[Array, Array], Compared]
    decimals: NDArray[np.int64] | None = None

    def __call__(self) -> Compared:
        """Return p-values, lower and upper ends of the normal range, each of shape (n_samples, n_features)."""
        return self.compare(self.encoded, self.expected)

    def select(self, rows: NDArray[np.intp]) -> "LazyComparison":
        """Return the comparison of the rows at these positions."""
        return replace(self, encoded=self.encoded[rows], expected=self.expected[rows])

    @classmethod
    def concatenate(cls, parts: Sequence[Comparison]) -> "LazyComparison":
        """Return one comparison for consecutive batches of rows."""
        own = [part for part in parts if isinstance(part, cls)]
        encoded, expected = (np.concatenate([getattr(part, name) for part in own]) for name in ("encoded", "expected"))
        return replace(own[0], encoded=encoded, expected=expected)


@dataclass(frozen=True)
class ChosenComparison(Comparison):
    """Comparisons by several detectors, of which each value has its own.

    Attributes
    ----------
    comparisons : tuple of Comparison
        One for each detector.
    choice : ndarray of int of shape (n_samples, n_features)
        Position of the comparison that counts for each value.
    """

    comparisons: tuple[Comparison, ...]
    choice: NDArray[np.intp]

    @property
    def decimals(self) -> NDArray[np.int64] | None:
        """Decimal places that the values of each column are known to; all detectors have the same."""
        return self.comparisons[0].decimals

    def __call__(self) -> Compared:
        """Return p-values, lower and upper ends of the normal range, each of shape (n_samples, n_features)."""
        every = [comparison() for comparison in self.comparisons]
        p, low, high = (choose(np.stack(arrays), self.choice) for arrays in zip(*every, strict=True))
        return p, low, high

    def select(self, rows: NDArray[np.intp]) -> "ChosenComparison":
        """Return the comparison of the rows at these positions."""
        return ChosenComparison(tuple(one.select(rows) for one in self.comparisons), self.choice[rows])

    @classmethod
    def concatenate(cls, parts: Sequence[Comparison]) -> "ChosenComparison":
        """Return one comparison for consecutive batches of rows."""
        own = [part for part in parts if isinstance(part, cls)]
        by_detector = zip(*(part.comparisons for part in own), strict=True)
        joined = tuple(batches[0].concatenate(batches) for batches in by_detector)
        return ChosenComparison(joined, np.concatenate([part.choice for part in own]))


def choose(values: Array, choice: NDArray[np.intp]) -> Array:
    """Choose one of several values for each place.

    Parameters
    ----------
    values : ndarray of shape (n_choices, n, d)
    choice : ndarray of int of shape (n, d)

    Returns
    -------
    ndarray of shape (n, d)
    """
    return np.asarray(np.take_along_axis(values, choice[None], axis=0)[0])
