"""Why a row or an image has its score: what each column or pixel adds, and what was expected there."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Reason:
    """One column's part in a score.

    Attributes
    ----------
    column : str
        Its name, or its position.
    share : float
        What it adds to the score.
    found, expected
        The value that the row has, and what it would be in a normal row like this; None for what has no one value.
    low, high : float, optional
        Where the value of a number lies in 95 percent of normal rows like this.
    tail : float, optional
        The share of normal rows whose value is as far from what was expected, at most: a conformal p-value.
    """

    column: str
    share: float
    found: Any
    expected: Any
    low: float | None = None
    high: float | None = None
    tail: float | None = None


@dataclass(frozen=True)
class Explanation:
    """What scores are made of: `base` and the sum of a row's `shares` are its score.

    Attributes
    ----------
    score : array (n,)
    base : array (n,)
        The score of what is expected, for methods that tell only why a score differs from that; else 0.
    shares : array (n, d) or (n, h, w)
        What each column, or each pixel over all channels, adds. Of images of different sizes (n,), as `egbad.data.ragged` has
        them, and so are `found` and `expected`.
    found, expected : array (n, d), or images
        The input, and what the detector would expect there, in the user's units.
    columns : tuple of str
        Names, or positions, of the columns of a table.
    method : str
        "exact"; "residual exact, features by hiding columns" or "by gradients"; "gradients", times the way from what
        is expected; "differences", the score shared out by how far each value is from what is expected; "nearest
        images", by how far an image is from normal ones like it; or "occlusion", by how much the score falls when a value is
        replaced by the mean, of the three columns that are farthest from it.
    terms : dict of str to array (n,)
        What the score is made of, as `score_terms` has it.
    spread : array (n,), optional
        How far members, or the parts of a blend, differ over each score: their standard deviation.
    kinds : tuple of str, optional
        What columns hold, of `egbad.data.column_types.KINDS`; None if all are numbers.
    beside : Beside, optional
        For `tail`, `low` and `high` (n, d): of the columns of a table, as `Reason` has them.
    """

    score: Floats
    base: Floats
    shares: Floats
    found: Array
    expected: Array
    columns: tuple[str, ...]
    method: str
    terms: Mapping[str, Floats] = field(default_factory=dict)
    spread: Floats | None = None
    column_types: tuple[str, ...] | None = None
    beside: "LazyComparison | None" = None

    @cached_property
    def _told(self) -> tuple[Floats, Floats, Floats] | tuple[None, None, None]:
        return (None, None, None) if self.beside is None else self.beside()

    @property
    def tail(self) -> Floats | None:
        """The share of normal rows with a value as far from what was expected, at most (n, d)."""
        return self._told[0]

    @property
    def low(self) -> Floats | None:
        """Where the value of a number begins to lie in 95 percent of normal rows like this (n, d)."""
        return self._told[1]

    @property
    def high(self) -> Floats | None:
        """Where that ends (n, d)."""
        return self._told[2]

    def top(self, k: int = 3) -> list[list[Reason]]:
        """For each row of a table its k columns with the largest shares, largest first."""
        order = np.argsort(-self.shares, axis=1, kind="stable")[:, :k]
        return [[self._reason(i, j) for j in own] for i, own in enumerate(order.tolist())]

    def part(self, rows: NDArray[np.intp]) -> "Explanation":
        """Of some of the rows or images, by position."""
        names = ("score", "base", "shares", "found", "expected", "spread")
        own = {name: values[rows] for name in names if (values := getattr(self, name)) is not None}
        terms = {name: values[rows] for name, values in self.terms.items()}
        return replace(self, **own, terms=terms, beside=self.beside and self.beside.part(rows))

    def _reason(self, i: int, j: int) -> Reason:
        more = (None if values is None else _plain(values[i, j]) for values in (self.low, self.high, self.tail))
        found, expected = _plain(self.found[i, j]), _plain(self.expected[i, j])
        return Reason(self.columns[j], float(self.shares[i, j]), found, expected, *more)


@dataclass(frozen=True)
class LazyComparison:
    """Rows beside normal ones, compared once somebody asks.

    Attributes
    ----------
    encoded, expected : array (n, width)
        What rows have, and what was expected of them.
    compare : callable
        Both -> tail, low and high (n, d), as `Explanation` has them.
    """

    encoded: Array
    expected: Array
    compare: Callable[[Array, Array], tuple[Floats, Floats, Floats]]

    def __call__(self) -> tuple[Floats, Floats, Floats]:
        """Compare."""
        return self.compare(self.encoded, self.expected)

    def part(self, rows: NDArray[np.intp]) -> "LazyComparison":
        """Some of the rows, by position."""
        return LazyComparison(self.encoded[rows], self.expected[rows], self.compare)


@dataclass(frozen=True)
class Attribution:
    """What a method says of some rows or images (n, ...): first of encoded ones, then in the user's columns and units.

    Attributes
    ----------
    shares : array (n, ...)
        What each column or pixel adds.
    base : array (n,)
        What is left of the score.
    expected : array (n, ...)
        What a normal one like it would be.
    method, terms, spread, beside
        As `Explanation` has them.
    """

    shares: Floats
    base: Floats
    expected: Array
    method: str
    terms: Mapping[str, Floats] = field(default_factory=dict)
    spread: Floats | None = None
    beside: LazyComparison | None = None


def distribute(weights: Floats, total: Floats) -> Floats:
    """A total (n,), shared out by weights (n, ...), none negative; evenly where all are 0."""
    flat = weights.reshape(len(weights), -1)
    sums = flat.sum(axis=1, keepdims=True)
    even = np.full_like(flat, 1 / flat.shape[1])
    parts = np.divide(flat, sums, out=even, where=sums > 0)
    return np.asarray((parts * total[:, None]).reshape(weights.shape))


def concatenate(parts: Sequence[Attribution]) -> Attribution:
    """Of several batches."""
    if len(parts) == 1:
        return parts[0]

    def whole(name: str) -> Any:
        values = [getattr(part, name) for part in parts]
        return None if values[0] is None else np.concatenate(values)

    arrays = {name: whole(name) for name in ("shares", "base", "expected", "spread")}
    terms = {name: np.concatenate([part.terms[name] for part in parts]) for name in parts[0].terms}
    besides = [part.beside for part in parts if part.beside is not None]
    beside = None
    if besides:
        encoded, expected = (
            np.concatenate([getattr(one, name) for one in besides]) for name in ("encoded", "expected")
        )
        beside = replace(besides[0], encoded=encoded, expected=expected)
    return Attribution(method=parts[0].method, terms=terms, beside=beside, **arrays)


def _plain(value: Any) -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and np.isnan(value) else value
