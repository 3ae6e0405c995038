"""Columns of any kind -> columns of numbers without gaps, a block for each, and the way back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egbad.data.column_types import CATEGORY, COLUMN_TYPES, REMEMBERED, TIME

Array = NDArray[Any]
Numbers = NDArray[np.float64]

MOST_LEVELS = 32  # of a category that get a column of their own, the most frequent ones
BUCKETS = 8  # that share all other levels
DAY, YEAR = 86_400.0, 365.2425 * 86_400.0
PERIODS = (DAY, 7 * DAY, YEAR)  # seconds


@dataclass(frozen=True)
class ColumnEncoder:
    """What a column becomes.

    Attributes
    ----------
    kind : str
        Of `egbad.data.column_types.KINDS`.
    gaps : bool
        Whether it had missing values in training: then it has a column that says where, the last one.
    fill : float
        The median of a number; NaN where all were missing.
    levels : array
        Codes of the levels with columns of their own, ascending.
    seen : array
        Codes of all levels in training, ascending; none if they were too many.
    buckets : int
        How many columns the other levels share.
    """

    kind: str
    gaps: bool
    fill: float
    levels: Numbers
    seen: Numbers
    buckets: int

    @classmethod
    def of(cls, kind: str, x: Numbers) -> "ColumnEncoder":
        """Learn from a column (n,) of training rows."""
        known = x[~np.isnan(x)]
        none = np.empty(0)
        gaps = len(known) < len(x)
        if kind != CATEGORY:
            return cls(kind, gaps, float(np.median(known)) if len(known) else np.nan, none, none, 0)
        codes, counts = np.unique(known, return_counts=True)
        often = np.sort(codes[np.argsort(-counts, kind="stable")[:MOST_LEVELS]])
        seen = codes if len(codes) <= REMEMBERED else none
        return cls(kind, gaps, 0.0, often, seen, min(BUCKETS, len(codes) - len(often)))

    @property
    def width(self) -> int:
        """Columns that it becomes."""
        own = {CATEGORY: len(self.levels) + self.buckets + 1, TIME: 2 * len(PERIODS)}.get(self.kind, 1)
        return own + self.gaps

    @property
    def stand_in(self) -> float:
        """For a missing number."""
        return 0.0 if np.isnan(self.fill) else self.fill

    def in_words(self) -> str:
        """For a table of columns.

        >>> Block.of("number", np.array([1.0, np.nan])).in_words()
        'number, some missing'
        >>> Block.of("number", np.array([np.nan, np.nan])).in_words()
        'number, all missing'
        """
        levels = f", {len(self.seen) or f'more than {REMEMBERED:,}'} levels" if self.kind == CATEGORY else ""
        nothing = not len(self.levels) if self.kind == CATEGORY else np.isnan(self.fill)
        gaps = f", {'all' if nothing else 'some'} missing" if self.gaps else ""
        return f"{self.kind}{levels if not nothing else ''}{gaps}"

    def expand(self, x: Numbers) -> Numbers:
        """x (n,) -> (n, width). What is missing though nothing was in training stays NaN, or is like a level never seen."""
        missing = np.isnan(x)
        flag = [missing[:, None].astype(np.float64)] if self.gaps else []
        if self.kind == CATEGORY:
            return np.hstack([self._levels(x, missing), *flag])
        if self.kind == TIME:
            players = np.stack([2 * np.pi * (x % period) / period for period in PERIODS], axis=1)
            parts = np.hstack([np.sin(players), np.cos(players)])
            return np.hstack([np.nan_to_num(parts), *flag]) if self.gaps else parts
        return np.hstack([np.where(missing, self.stand_in, x)[:, None], *flag]) if self.gaps else x[:, None]

    def _levels(self, x: Numbers, missing: NDArray[np.bool_]) -> Numbers:
        """A column for each level, for each bucket, and for what was never seen."""
        own = x[:, None] == self.levels
        other = ~own.any(axis=1) & ~missing
        shared = np.nan_to_num(x) % max(1, self.buckets)
        buckets = (shared[:, None] == np.arange(self.buckets)) & other[:, None]
        never = other & ~np.isin(x, self.seen) if len(self.seen) or not self.buckets else np.zeros_like(other)
        if not self.gaps:
            never = never | missing
        return np.hstack([own, buckets & ~never[:, None], never[:, None]]).astype(np.float64)

    def contract(self, u: Numbers) -> Numbers:
        """The way back, (n, width) -> (n,): NaN for what is missing or has no one value."""
        values = np.full(len(u), np.nan)
        if self.kind == CATEGORY:
            likeliest = u.argmax(axis=1)
            own = likeliest < len(self.levels)
            values[own] = self.levels[likeliest[own]]
        elif self.kind != TIME:
            values = u[:, 0].astype(np.float64)
            if self.gaps:
                values[u[:, -1] > 0.5] = np.nan
        return values


class TableEncoder:
    """A block for each column.

    Parameters
    ----------
    blocks : sequence of Block
    """

    def __init__(self, blocks: Sequence[ColumnEncoder]) -> None:
        self.blocks = tuple(blocks)
        self.stops = np.cumsum([block.width for block in self.blocks])
        self.source = np.repeat(np.arange(len(self.blocks)), [block.width for block in self.blocks])  # of each column

    @classmethod
    def of(cls, column_types: Sequence[str], x: Numbers) -> "TableEncoder":
        """Learn from training rows x (n, d)."""
        return cls([ColumnEncoder.of(kind, x[:, j]) for j, kind in enumerate(column_types)])

    @property
    def width(self) -> int:
        """Columns of all blocks."""
        return len(self.source)

    def weights(self) -> Numbers:
        """What each encoded column (width,) counts where each block counts the same: they add up to 1."""
        return np.asarray([1 / (len(self.blocks) * self.blocks[j].width) for j in self.source])

    def expand(self, x: Numbers) -> Numbers:
        """x (n, d) -> (n, width)."""
        return np.hstack([block.expand(x[:, j]) for j, block in enumerate(self.blocks)])

    def contract(self, u: Numbers) -> Numbers:
        """The way back, (n, width) -> (n, d)."""
        parts = np.split(u, self.stops[:-1], axis=1)
        return np.stack([block.contract(part) for block, part in zip(self.blocks, parts, strict=True)], axis=1)

    def state(self) -> dict[str, Array]:
        """What was learned, as arrays."""
        state: dict[str, Array] = {
            "kinds": np.array([COLUMN_TYPES.index(block.kind) for block in self.blocks]),
            "gaps": np.array([block.gaps for block in self.blocks]),
            "fill": np.array([block.fill for block in self.blocks]),
            "buckets": np.array([block.buckets for block in self.blocks]),
        }
        for name in ("levels", "seen"):
            parts = [getattr(block, name) for block in self.blocks]
            state |= {name: np.concatenate(parts), f"{name}_each": np.array([len(part) for part in parts])}
        return state

    @classmethod
    def restored(cls, state: dict[str, Array]) -> "TableEncoder":
        """What gave this state."""
        levels, seen = (np.split(state[name], np.cumsum(state[f"{name}_each"])[:-1]) for name in ("levels", "seen"))
        return cls(
            [
                ColumnEncoder(COLUMN_TYPES[kind], bool(gaps), float(fill), levels[j], seen[j], int(buckets))
                for j, (kind, gaps, fill, buckets) in enumerate(
                    zip(state["kinds"], state["gaps"], state["fill"], state["buckets"], strict=True)
                )
            ]
        )
