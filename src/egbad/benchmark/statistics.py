"""Statistics over runs and tasks: means, ranks, winners, paired differences and the agreement of detectors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median, stdev
from typing import Any

import numpy as np
from scipy.stats import rankdata, ttest_rel, wilcoxon

from egbad.arrays import Array

SIGNIFICANCE_LEVEL = 0.05
_RESAMPLES = 5_000
_TIE = 1e-9  # a smaller difference is rounding


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


@dataclass(frozen=True)
class PairedDifference:
    """Differences of a metric between a detector and a baseline on the same tables.

    Parameters
    ----------
    n : int
        Number of tables.
    mean, median : float
    low, high : float
        Ends of the bootstrap interval of the mean over tables.
    p_value : float
        Of Wilcoxon's signed-rank test, two-sided.
    wins, ties, losses : int
        Tables on which the detector is better than, as good as and worse than the baseline.
    """

    n: int
    mean: float
    median: float
    low: float
    high: float
    p_value: float
    wins: int
    ties: int
    losses: int


def paired_difference(differences: Sequence[float], seed: int = 0) -> PairedDifference:
    """Summarize differences between a detector and a baseline, one for each table.

    Parameters
    ----------
    differences : sequence of float
        At least one. Values below 1e-9 count as ties.
    seed : int, default=0
        Seed of the bootstrap.

    Returns
    -------
    PairedDifference

    Examples
    --------
    >>> found = paired_difference([0.1, 0.2, 0.3, -0.2, 0.0])
    >>> round(found.mean, 3), found.wins, found.ties, found.losses
    (0.08, 3, 1, 1)
    """
    wins = sum(d > _TIE for d in differences)
    losses = sum(d < -_TIE for d in differences)
    return PairedDifference(
        len(differences),
        fmean(differences),
        median(differences),
        *bootstrap_interval(differences, seed=seed),
        signed_rank_p_value(differences),
        wins,
        len(differences) - wins - losses,
        losses,
    )


def bootstrap_interval(
    values: Sequence[float], *, level: float = 0.95, n_resamples: int = _RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """Return the percentile interval of the mean by resampling with replacement (Efron, 1979).

    All resamples are enumerated where there are no more than `n_resamples` of them.

    Parameters
    ----------
    values : sequence of float
        At least one.
    level : float, default=0.95
        Share of the resamples whose mean lies in the interval.
    n_resamples : int, default=5000
    seed : int, default=0

    Returns
    -------
    low, high : float

    Examples
    --------
    >>> bootstrap_interval([0.0, 1.0])
    (0.0, 1.0)
    """
    x, n = np.asarray(values, dtype=np.float64), len(values)
    if n**n <= n_resamples:
        drawn = np.indices((n,) * n).reshape(n, -1).T
    else:
        drawn = np.random.default_rng(seed).integers(n, size=(n_resamples, n))
    low, high = np.quantile(x[drawn].mean(axis=1), [(1 - level) / 2, (1 + level) / 2], method="inverted_cdf")
    return float(low), float(high)


def signed_rank_p_value(differences: Sequence[float]) -> float:
    """Return the two-sided p-value of Wilcoxon's signed-rank test. Ties with the baseline are left out.

    Parameters
    ----------
    differences : sequence of float

    Returns
    -------
    float
        1 if all are ties.

    Examples
    --------
    >>> signed_rank_p_value([0.1, 0.2, 0.3, 0.4, 0.5])
    0.0625
    """
    # Rounding makes equal differences equal, so that they share a rank.
    clear = np.round([d for d in differences if abs(d) > _TIE], 12)
    return float(wilcoxon(clear).pvalue) if len(clear) else 1.0
