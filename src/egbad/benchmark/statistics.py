"""Statistics over runs and tasks: means, ranks, significant winners and the agreement of detectors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

import numpy as np
from scipy.stats import rankdata, ttest_rel

from egbad.arrays import Array

SIGNIFICANCE_LEVEL = 0.05


@dataclass(frozen=True)
class MetricCell:
    """Mean of a metric over runs or tasks.

    Parameters
    ----------
    mean : float
    spread : float or None
        Sample standard deviation. None for a single value.
    n : int
        Number of values.
    """

    mean: float
    spread: float | None
    n: int


def metric_cell(values: Sequence[float]) -> MetricCell:
    """Compute the mean and the standard deviation of values.

    Parameters
    ----------
    values : sequence of float
        At least one.

    Returns
    -------
    MetricCell

    Examples
    --------
    >>> metric_cell([1.0, 3.0])
    MetricCell(mean=2.0, spread=1.4142135623730951, n=2)
    """
    return MetricCell(fmean(values), stdev(values) if len(values) > 1 else None, len(values))


def significant_winner(values: Mapping[str, Mapping[Any, float | None]]) -> str | None:
    """Return the detector with the best mean if its lead over the second is significant.

    The test is a paired t-test at 5 percent over the splits that both detectors have. A lead that is the same on all
    splits is significant.

    Parameters
    ----------
    values : mapping of str to mapping
        For each detector the value of each split.

    Returns
    -------
    str or None

    Examples
    --------
    >>> significant_winner({"a": {0: 0.9, 1: 0.91}, "b": {0: 0.8, 1: 0.81}})
    'a'
    """
    known = {label: {split: v for split, v in own.items() if v is not None} for label, own in values.items()}
    order = sorted((label for label in known if known[label]), key=lambda label: -fmean(known[label].values()))
    if len(order) < 2:
        return None
    first, second = known[order[0]], known[order[1]]
    common = sorted(first.keys() & second.keys())
    if len(common) < 2:
        return None
    a, b = [first[s] for s in common], [second[s] for s in common]
    differences = [x - y for x, y in zip(a, b, strict=True)]
    if max(differences) - min(differences) < 1e-12:
        return order[0] if differences[0] > 1e-12 else None
    return order[0] if fmean(differences) > 0 and ttest_rel(a, b).pvalue < SIGNIFICANCE_LEVEL else None


def average_rank(value: float, values: Sequence[float]) -> float:
    """Return the rank of a value among values, 1 for the highest. Equal values share the mean of their ranks.

    Parameters
    ----------
    value : float
    values : sequence of float
        Contains `value`.

    Returns
    -------
    float

    Examples
    --------
    >>> [average_rank(v, [0.9, 0.5, 0.9]) for v in (0.9, 0.5)]
    [1.5, 3.0]
    """
    return sum(other > value for other in values) + (sum(other == value for other in values) + 1) / 2


@dataclass(frozen=True)
class RankAgreement:
    """Rank correlations of the scores of each pair of detectors.

    Parameters
    ----------
    labels : tuple of str
    correlations : tuple of tuple of float
        Spearman correlations in [-1, 1], a row per label.
    """

    labels: tuple[str, ...]
    correlations: tuple[tuple[float, ...], ...]


def rank_agreement(scores: Mapping[str, Array]) -> RankAgreement | None:
    """Compute the rank correlation of each pair of detectors on the same rows.

    Parameters
    ----------
    scores : mapping of str to ndarray of shape (n_samples,)
        For each label the scores.

    Returns
    -------
    RankAgreement or None
        None for fewer than two detectors. Constant scores have correlation 0 with all others.
    """
    if len(scores) < 2:
        return None
    ranks = np.array([rankdata(own) for own in scores.values()])
    with np.errstate(invalid="ignore"):  # constant scores give 0 / 0
        correlations = np.nan_to_num(np.corrcoef(ranks))
    return RankAgreement(tuple(scores), tuple(tuple(float(v) for v in row) for row in correlations))
