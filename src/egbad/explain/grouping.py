"""Groups of explanations: a few sets of columns or image regions that account for many anomalies."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egbad.arrays import Array, Floats
from egbad.explain.explanation import Explanation, distribute
from egbad.explain.regions import REGIONS

_MIN_SIMILARITY = 0.7  # cosine similarity of mean shares above which two groups are merged
_MAX_NAMES = 3  # columns or regions that name a group
_NAMED_SHARE = 0.5  # share that the named columns or regions must reach together


@dataclass(frozen=True)
class ExplanationGroup:
    """Rows or images whose scores have the same explanation.

    Attributes
    ----------
    names : tuple of str
        The columns or image regions that make up at least half of the positive shares, at most three, largest first.
        Empty for the group of all remaining rows.
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
    """

    names: tuple[str, ...]
    weights: tuple[float, ...]
    rows: NDArray[np.intp]
    observed: tuple[Any, ...] = ()
    expected: tuple[Any, ...] = ()
    is_typical: tuple[bool, ...] = ()


def group_explanations(explanation: Explanation, max_groups: int = 5) -> list[ExplanationGroup]:
    """Group rows or images by the columns or regions that explain their scores.

    Rows are first grouped by the column or region with the largest share. Groups whose mean shares have a cosine
    similarity of at least 0.7 are then merged.

    Parameters
    ----------
    explanation : Explanation
        Usually of the rows that were flagged. Images of one size or rows.
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
    names, shares = _names_and_shares(explanation)
    mean_shares: list[Floats] = []
    members: list[list[NDArray[np.intp]]] = []
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
    by_size = sorted((np.sort(np.concatenate(rows)) for rows in members), key=len, reverse=True)
    groups = [_described_group(explanation, names, shares, rows) for rows in by_size[:max_groups]]
    if by_size[max_groups:]:
        groups.append(ExplanationGroup((), (), np.sort(np.concatenate(by_size[max_groups:]))))
    return groups


def region_shares(shares: Floats) -> tuple[tuple[str, ...], Floats]:
    """Sum the positive shares of pixels in a 3 x 3 grid of regions.

    Parameters
    ----------
    shares : ndarray of shape (n_samples, height, width)
        Shares of pixels. Images of different sizes as an object array of shape (n_samples,).

    Returns
    -------
    names : tuple of str
        The nine regions, for instance "upper left" and "centre".
    fractions : ndarray of shape (n_samples, 9)
        Positive share of each region, as a fraction of the image's total.

    Examples
    --------
    >>> import numpy as np
    >>> heatmap = np.zeros((1, 6, 6))
    >>> heatmap[0, 0, 5] = 2.0
    >>> names, fractions = region_shares(heatmap)
    >>> names[fractions[0].argmax()]
    'upper right'
    """
    return REGIONS, _positive_fractions(np.stack([_region_sums(image) for image in shares]))


def _names_and_shares(explanation: Explanation) -> tuple[Sequence[str], Floats]:
    """Return the names of columns or regions, and the fraction (n, d) of the positive shares that each of them has."""
    if explanation.shares.ndim == 2:
        return explanation.columns, _positive_fractions(explanation.shares)
    return region_shares(explanation.shares)


def _region_sums(shares: Floats) -> Floats:
    """Return the sums (9,) of shares (h, w) over the nine regions."""
    regions = (region for rows in np.array_split(shares, 3, axis=0) for region in np.array_split(rows, 3, axis=1))
    return np.array([region.sum() for region in regions])


def _positive_fractions(shares: Floats) -> Floats:
    positive = np.maximum(shares, 0)
    return distribute(positive, np.ones(len(positive)))


def _described_group(
    explanation: Explanation, names: Sequence[str], shares: Floats, rows: NDArray[np.intp]
) -> ExplanationGroup:
    """Return the group of these rows, named by its largest mean shares, with typical values."""
    mean = shares[rows].mean(axis=0)
    largest = np.argsort(-mean, kind="stable")[:_MAX_NAMES]
    n_named = int(np.searchsorted(mean[largest].cumsum(), _NAMED_SHARE)) + 1
    named = largest[:n_named].tolist()
    group_names, weights = tuple(names[j] for j in named), tuple(float(mean[j]) for j in named)
    if explanation.shares.ndim != 2:
        return ExplanationGroup(group_names, weights, rows)
    observed, expected, is_typical = zip(*(_typical_values(explanation, rows, j) for j in named), strict=True)
    return ExplanationGroup(group_names, weights, rows, observed, expected, is_typical)


def _typical_values(explanation: Explanation, rows: NDArray[np.intp], j: int) -> tuple[Any, Any, bool]:
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
