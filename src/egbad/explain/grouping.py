"""Groups of explanations: a few sets of columns, or regions of images, that account for many anomalies."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egbad.arrays import Array, Floats
from egbad.explain.explanation import Explanation, distribute
from egbad.explain.regions import Region

_MIN_SIMILARITY = 0.7  # cosine similarity of mean shares above which two groups are merged
_MIN_OVERLAP = 0.25  # of the boxes of two regions, as a part of their union, from which on they are one place
_MAX_NAMES = 3  # columns that name a group
_NAMED_SHARE = 0.5  # share that the named columns must reach together

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class ExplanationGroup:
    """Rows or images whose scores have the same explanation.

    Attributes
    ----------
    names : tuple of str
        The columns that make up at least half of the positive shares, at most three, largest first; of images the name of
        the place of the region. Empty for the group of all remaining rows.
    weights : tuple of float
        Mean share of each of them, as a fraction of all positive shares.
    rows : ndarray of int of shape (n_rows,)
        Positions of the rows in the explanation, ascending.
    observed, expected : tuple
        Typical observed and expected value of each named column: the median of numbers, a value of at least half of the
        rows otherwise. None if most are missing, or if there is no typical value. Empty for images.
    is_typical : tuple of bool
        True for columns whose observed value is typical: half of the rows have it, or the middle half of the numbers lies
        on one side of what is expected. Empty for images.
    region : Region, optional
        Region with the largest share of the first image of the group. None for rows, and for all remaining images.
    """

    names: tuple[str, ...]
    weights: tuple[float, ...]
    rows: Rows
    observed: tuple[Any, ...] = ()
    expected: tuple[Any, ...] = ()
    is_typical: tuple[bool, ...] = ()
    region: Region | None = None


def group_explanations(explanation: Explanation, max_groups: int = 5) -> list[ExplanationGroup]:
    """Group rows or images by the columns or regions that explain their scores.

    Rows are first grouped by the column with the largest share. Groups whose mean shares have a cosine similarity of at
    least 0.7 are then merged. Images belong to the first group whose first image has its region with the largest share at
    the same place: a quarter of the union of both boxes is in both, relative to the sizes of the images.

    Parameters
    ----------
    explanation : Explanation
        Usually of the rows or images that were flagged.
    max_groups : int, default=5
        Number of named groups. The rows of all further groups form one last group without names.

    Returns
    -------
    list of ExplanationGroup
        Largest group first. Every row belongs to one group.

    Examples
    --------
    >>> import numpy as np
    >>> from egbad.detectors.knn import KNN
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> anomalies = np.array([[9.0, 0.0, 0.0], [8.0, 0.0, 0.0], [0.0, 0.0, 9.0]])
    >>> explanation = KNN(alpha=0.1, random_state=0).fit(X).explain(anomalies)
    >>> [(group.names, group.rows.tolist()) for group in group_explanations(explanation)]
    [(('0',), [0, 1]), (('2',), [2])]
    """
    grouped = _grouped_rows(explanation) if explanation.shares.ndim == 2 else _grouped_images(explanation)
    by_size = sorted(grouped, key=lambda group: -len(group.rows))
    remaining = [group.rows for group in by_size[max_groups:]]
    rest = [ExplanationGroup((), (), np.sort(np.concatenate(remaining)))] if remaining else []
    return [*by_size[:max_groups], *rest]


def _grouped_rows(explanation: Explanation) -> list[ExplanationGroup]:
    """Return groups of rows with similar shares of columns."""
    shares = _positive_fractions(explanation.shares)
    mean_shares: list[Floats] = []
    members: list[list[Rows]] = []
    largest = shares.argmax(axis=1)
    leading, counts = np.unique(largest, return_counts=True)
    for column in leading[np.argsort(-counts, kind="stable")]:
        rows = np.flatnonzero(largest == column)
        # Only shares above the uniform one tell groups apart: a small share that all columns have says nothing.
        mean = np.maximum(shares[rows].mean(axis=0) - 1 / shares.shape[1], 0)
        similar = (i for i, other in enumerate(mean_shares) if _cosine_similarity(mean, other) >= _MIN_SIMILARITY)
        target = next(similar, None)
        if target is None:
            mean_shares.append(mean)
            members.append([rows])
        else:
            members[target].append(rows)
    return [_described_group(explanation, shares, np.sort(np.concatenate(rows))) for rows in members]


def _grouped_images(explanation: Explanation) -> list[ExplanationGroup]:
    """Return groups of images whose regions with the largest share lie at the same place."""
    main = [regions[0] for regions in explanation.regions(1)]
    boxes = [_relative_box(region, shares.shape) for region, shares in zip(main, explanation.shares, strict=True)]
    members: list[list[int]] = []
    for i, box in enumerate(boxes):
        group = next((rows for rows in members if _overlap(boxes[rows[0]], box) >= _MIN_OVERLAP), None)
        if group is None:
            members.append([i])
        else:
            group.append(i)
    return [
        ExplanationGroup(
            (main[rows[0]].name,),
            (float(np.mean([main[i].share for i in rows])),),
            np.array(rows, dtype=np.intp),
            region=main[rows[0]],
        )
        for rows in members
    ]


def _relative_box(region: Region, shape: tuple[int, ...]) -> Floats:
    """Return the upper left and the lower right corner (2, 2) of a region as fractions of the height and width of its image."""
    return np.array([[region.top, region.left], [region.bottom, region.right]]) / shape


def _overlap(a: Floats, b: Floats) -> float:
    """Return the intersection of two boxes (2, 2) as a part of their union."""
    shared = np.maximum(np.minimum(a[1], b[1]) - np.maximum(a[0], b[0]), 0).prod()
    return float(shared / ((a[1] - a[0]).prod() + (b[1] - b[0]).prod() - shared))


def _positive_fractions(shares: Floats) -> Floats:
    positive = np.maximum(shares, 0)
    return distribute(positive, np.ones(len(positive)))


def _described_group(explanation: Explanation, shares: Floats, rows: Rows) -> ExplanationGroup:
    """Return the group of these rows, named by its largest mean shares, with typical values."""
    mean = shares[rows].mean(axis=0)
    largest = np.argsort(-mean, kind="stable")[:_MAX_NAMES]
    n_named = int(np.searchsorted(mean[largest].cumsum(), _NAMED_SHARE)) + 1
    named = largest[:n_named].tolist()
    names, weights = tuple(explanation.columns[j] for j in named), tuple(float(mean[j]) for j in named)
    observed, expected, is_typical = zip(*(_typical_values(explanation, rows, j) for j in named), strict=True)
    return ExplanationGroup(names, weights, rows, observed, expected, is_typical)


def _typical_values(explanation: Explanation, rows: Rows, j: int) -> tuple[Any, Any, bool]:
    """Return the typical observed and expected value of column j, and whether the observed one is typical."""
    values = explanation.observed[rows, j]
    usual, _ = _typical_value(explanation.rounded(explanation.expected[rows, j], j))
    typical, is_typical = _typical_value(values)
    if is_typical and isinstance(typical, float):
        low, high = np.nanquantile(values.astype(np.float64), (0.25, 0.75), method="nearest")
        if usual is None:  # times have no expected value
            is_typical = bool(low == high) or explanation.is_numeric(j)
        else:
            is_typical = not low <= usual <= high
    elif typical is not None and typical == usual:
        is_typical = False
    return (typical, usual, True) if is_typical else (None, None, False)


def _typical_value(values: Array) -> tuple[Any, bool]:
    """Return the median of numbers or the mode of other values (n,), None if most are missing or differ."""
    all_values = values.tolist()
    known = [v for v in all_values if v is not None and v == v]  # NaN is not equal to itself
    if 2 * len(known) < len(all_values):
        return None, True
    if all(isinstance(v, int | float) for v in known):
        return float(np.sort(np.array(known, dtype=np.float64))[len(known) // 2]), True
    value, count = Counter(known).most_common(1)[0]
    return (value, True) if 2 * count >= len(all_values) else (None, False)


def _cosine_similarity(a: Floats, b: Floats) -> float:
    norms = np.linalg.norm(a) * np.linalg.norm(b)
    return float(a @ b / norms) if norms > 0 else 0.0
