"""Many explanations as few causes: which columns, or which regions of images, flagged rows have in common."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egbad.explain.explanation import Explanation, Floats, distribute

REGIONS = tuple(
    f"{row} {column}".strip().replace("middle centre", "centre")
    for row in ("upper", "middle", "lower")
    for column in ("left", "centre", "right")
)
_ALIKE = 0.7  # cosine of two groups' mean shares, from which on they are one cause
_MOST_COLUMNS = 3
_HALF = 0.5  # of the excess is what the named columns make together


@dataclass(frozen=True)
class ExplanationGroup:
    """A group of flagged rows or images with one reason.

    Attributes
    ----------
    names : tuple of str
        The columns, or regions of the images, that make at least half of what is strange, at most three, largest first;
        none for what is left over.
    weights : tuple of float
        What part of the shares each has, on average.
    rows : array (m,)
        Positions in the explanation.
    found, expected : tuple
        What these columns typically hold, and what would be expected: medians of numbers, else the most frequent value.
    """

    names: tuple[str, ...]
    weights: tuple[float, ...]
    rows: NDArray[np.intp]
    found: tuple[Any, ...] = ()
    expected: tuple[Any, ...] = ()


def group_explanations(explanation: Explanation, most: int = 5) -> list[ExplanationGroup]:
    """The causes of the given rows or images, the most frequent first; where there are more than `most`, the rest is one.

    Rows are put together by the column with the largest share, and then groups whose shares look alike.
    """
    names, shares = _named(explanation)
    leaders: list[Floats] = []
    members: list[list[NDArray[np.intp]]] = []
    first = shares.argmax(axis=1)
    column_types, counts = np.unique(first, return_counts=True)
    for kind in column_types[np.argsort(-counts, kind="stable")]:
        rows = np.flatnonzero(first == kind)
        # What a column or a region has beyond its part of the whole: what all have alike tells no causes apart.
        mean = np.maximum(shares[rows].mean(axis=0) - 1 / shares.shape[1], 0)
        place = next((i for i, leader in enumerate(leaders) if _cosine(mean, leader) >= _ALIKE), None)
        if place is None:
            leaders.append(mean)
            members.append([rows])
        else:
            members[place].append(rows)
    groups = sorted((np.sort(np.concatenate(parts)) for parts in members), key=len, reverse=True)
    found = [_cause(explanation, names, shares, rows) for rows in groups[:most]]
    if groups[most:]:
        found.append(ExplanationGroup((), (), np.sort(np.concatenate(groups[most:]))))
    return found


def _named(explanation: Explanation) -> tuple[Sequence[str], Floats]:
    """Columns, or regions, and what part of what is strange each of them has (n, d)."""
    if explanation.shares.ndim == 2:
        return explanation.columns, _parts(explanation.shares)
    return by_region(explanation.shares)


def by_region(shares: Floats) -> tuple[Sequence[str], Floats]:
    """Nine regions of images, and what part each has of what is strange, by shares of pixels (n, h, w) -> (n, 9)."""
    return REGIONS, _parts(np.stack([_of_regions(image) for image in shares]))


def _of_regions(shares: Floats) -> Floats:
    """The sums of shares (h, w) in the nine regions (9,)."""
    strips = (strip for rows in np.array_split(shares, 3, axis=0) for strip in np.array_split(rows, 3, axis=1))
    return np.array([strip.sum() for strip in strips])


def _parts(shares: Floats) -> Floats:
    strange = np.maximum(shares, 0)
    return distribute(strange, np.ones(len(strange)))


def _cause(explanation: Explanation, names: Sequence[str], shares: Floats, rows: NDArray[np.intp]) -> ExplanationGroup:
    mean = shares[rows].mean(axis=0)
    order = np.argsort(-mean, kind="stable")[:_MOST_COLUMNS]
    enough = int(np.searchsorted(mean[order].cumsum(), _HALF)) + 1
    chosen = order[:enough].tolist()
    named, weights = tuple(names[j] for j in chosen), tuple(float(mean[j]) for j in chosen)
    if explanation.shares.ndim != 2:
        return ExplanationGroup(named, weights, rows)
    found, expected = (
        tuple(_typical(values[rows, j]) for j in chosen) for values in (explanation.found, explanation.expected)
    )
    return ExplanationGroup(named, weights, rows, found, expected)


def _typical(values: NDArray[Any]) -> Any:
    """The median of numbers, or the most frequent of other values; None where most are missing."""
    plain = values.tolist()
    known = [v for v in plain if v is not None and v == v]  # NaN differs from itself
    if 2 * len(known) < len(plain):
        return None
    if all(isinstance(v, int | float) for v in known):
        return float(np.sort(np.array(known, dtype=np.float64))[len(known) // 2])
    return max(sorted(set(known), key=str), key=known.count)


def _cosine(a: Floats, b: Floats) -> float:
    lengths = np.linalg.norm(a) * np.linalg.norm(b)
    return float(a @ b / lengths) if lengths > 0 else 0.0
