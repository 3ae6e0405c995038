"""Figures of scores with a threshold, and of p-values against what is expected of normal rows."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from egbad.arrays import Floats
from egbad.errors import InvalidInputError, check_count, shorten
from egbad.plot.axes import (
    MAX_POINTS,
    add_legend,
    as_axes,
    check_fitted,
    check_numbers,
    is_scorer,
    label_once,
    text_colour,
)
from egbad.scoring.calibration import check_rate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LOG_SCALE_RATIO = 30  # scores spread over more than this times their median are drawn on a logarithmic axis
_LINES = ("--", ":", "-.")  # of thresholds


def score_bins(scores: Floats, n_bins: int, log: bool | None = None) -> tuple[Floats, bool]:
    """Return the edges of the bins of a histogram of scores.

    The bins are logarithmic if the highest scores lie far above the median, so that gross anomalies do not press all other
    scores into one bin.

    Parameters
    ----------
    scores : ndarray of shape (n,)
    n_bins : int
    log : bool, optional
        True for logarithmic bins, False for bins of equal width. By default chosen by the scores.

    Returns
    -------
    edges : ndarray of shape (n_bins + 1,)
    log : bool
        True if the bins are logarithmic.
    """
    low, high = float(scores.min()), float(scores.max())
    if log is None:
        log = low > 0 and high > _LOG_SCALE_RATIO * float(np.median(scores))
    if low == high:
        low, high = (low / 2, low * 2) if log else (low - 0.5, high + 0.5)
    edges = np.geomspace(low, high, n_bins + 1) if log else np.linspace(low, high, n_bins + 1)
    edges[0], edges[-1] = low, high  # rounding in geomspace would leave out the extreme scores
    return edges, log


def score_histogram(
    scores: Any,
    threshold: Any = None,
    *,
    anomalous: ArrayLike | None = None,
    bins: int = 50,
    log: bool | None = None,
    density: bool = False,
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw a histogram of anomaly scores, with the threshold.

    Parameters
    ----------
    scores : array-like of shape (n_samples,), mapping of str to array-like, or fitted detector
        Scores, or groups of them by name. For a detector: the scores of its calibration rows, and its threshold.
    threshold : float, mapping of str to float, or fitted detector, optional
        Draw a line at this score, a line for each name, or the threshold of a detector.
    anomalous : array-like of bool of shape (n_samples,), optional
        True for anomalies: normal rows and anomalies are drawn apart.
    bins : int, default=50
        Number of bins.
    log : bool, optional
        True for a logarithmic axis of scores. By default one is used if the highest scores lie far above the median.
    density : bool, default=False
        Draw shares of each group instead of numbers, for groups of very different sizes.
    ax : Axes, optional
        By default those of a new figure of pyplot.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InvalidInputError
        If scores are not finite, there are none, labels do not match them, or `log` is asked for scores that are not
        positive.
    MissingExtraError
        If matplotlib is not installed.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from egbad.plot import score_histogram
    >>> ax = score_histogram([0.1, 0.2, 0.3, 2.0], threshold=1.0, ax=Figure().subplots())
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('anomaly score', 'rows')
    """
    groups = _groups(scores, anomalous)
    source = next((s for s in (threshold, scores) if is_scorer(s)), None)
    lines = _threshold_lines(source if threshold is None else threshold)
    together = np.concatenate([*groups.values()])
    if log and together.min() <= 0:
        raise InvalidInputError(f"A logarithmic axis needs scores above 0, got {together.min():.4g}. Pass log=False.")
    edges, is_log = score_bins(together, check_count("bins", bins), log)
    ax = as_axes(ax)
    for name, values in groups.items():
        weights = np.full(len(values), 1 / len(values)) if density else None
        ax.hist(values, edges.tolist(), weights=weights, alpha=0.65, label=name or None)
    for i, (name, value) in enumerate(lines.items()):
        ax.axvline(value, color=text_colour(ax), linestyle=_LINES[i % len(_LINES)], label=name)
    unit = "images" if getattr(source, "kind_", "rows") == "images" else "rows"
    ax.set(xlabel="anomaly score", ylabel=f"share of the {unit}" if density else unit)
    if is_log:
        ax.set_xscale("log")
    add_legend(ax)
    return ax


def p_value_calibration(
    p_values: Any,
    X: Any = None,
    *,
    n_calibration: int | None = None,
    level: float = 0.95,
    log: bool = False,
    label: str | None = None,
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw the quantiles of p-values of new normal rows against those of the uniform distribution.

    Points on the diagonal mean that p-values keep their promise: a share alpha of normal rows has a p-value of at most alpha.
    Points below it are too small, so that more normal rows are flagged than alpha says. The band is where a point lies with
    the given probability if new rows and calibration rows are exchangeable; it includes that calibration rows are random,
    too. It holds for each point by itself.

    Parameters
    ----------
    p_values : array-like of shape (n_samples,), or fitted detector
        p-values of normal rows that were neither learned nor used for calibration, or a detector that scores X.
    X : array-like or data frame of shape (n_samples, n_features), or images, optional
        New normal rows or images, for a detector.
    n_calibration : int, optional
        Number of calibration rows. By default that of the detector; without one, p-values are compared with independent
        uniform numbers.
    level : float, default=0.95
        Probability of the band, in (0, 1).
    log : bool, default=False
        Draw logarithmic axes, which show small p-values.
    label : str, optional
        Name of the points in the legend.
    ax : Axes, optional
        By default those of a new figure of pyplot.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InvalidInputError
        If a p-value is not in [0, 1], X does not match the detector or is missing, or a parameter is out of its range.
    MissingExtraError
        If matplotlib is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from egbad.plot import p_value_calibration
    >>> ax = p_value_calibration(np.random.default_rng(0).uniform(size=200), ax=Figure().subplots())
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('quantile of the uniform distribution', 'p-value')
    """
    p, m = _p_values(p_values, X, n_calibration)
    check_rate("level", level)
    n = len(p)
    rank = np.geomspace(1, n, MAX_POINTS) if log else np.linspace(1, n, MAX_POINTS)
    rank = np.unique(rank.round())
    expected = rank / (n + 1)
    low, high = _band(rank, n, m, level)
    ax = as_axes(ax, 4.8, 4.4)
    colour = text_colour(ax)
    ends = (1 / (n + 1), 1) if log else (0, 1)
    ax.plot(ends, ends, color=colour, linestyle=":", label=label_once(ax, "uniform"))
    ax.fill_between(
        expected, low, high, color=colour, alpha=0.15, linewidth=0, label=label_once(ax, f"{level:.0%} of normal rows")
    )
    ax.plot(expected, p[rank.astype(np.intp) - 1], marker=".", markersize=3, linewidth=0.8, label=label or "p-values")
    ax.set(xlabel="quantile of the uniform distribution", ylabel="p-value")
    if log:
        ax.set(xscale="log", yscale="log")
    add_legend(ax)
    return ax


def _band(rank: Floats, n: int, m: int | None, level: float) -> tuple[Floats, Floats]:
    """Return the ends of the interval of the p-values of some ranks among n.

    The smallest but ``rank - 1`` of n uniform numbers follows Beta(rank, n + 1 - rank). Given it, the number of m calibration
    scores above that row is binomial, so that it is beta-binomial overall.
    """
    tails = ((1 - level) / 2, (1 + level) / 2)
    if m is None:
        low, high = (stats.beta.ppf(q, rank, n + 1 - rank) for q in tails)
    else:
        low, high = ((1 + stats.betabinom.ppf(q, m, rank, n + 1 - rank)) / (m + 1) for q in tails)
    return np.asarray(low), np.asarray(high)


def _p_values(source: Any, X: Any, n_calibration: int | None) -> tuple[Floats, int | None]:
    """Return sorted p-values and the number of calibration rows."""
    if is_scorer(source):
        check_fitted("p_value_calibration", source, ("calibration_scores_",))
        if X is None:
            raise InvalidInputError("p_value_calibration needs new normal rows X with a detector, got none.")
        source, n_calibration = source.p_value(X), n_calibration or len(source.calibration_scores_)
    elif X is not None:
        raise InvalidInputError("X must come with a fitted detector, got p-values. Leave X out.")
    p = check_numbers("p_values", source)
    if p.min() < 0 or p.max() > 1:
        raise InvalidInputError(f"p_values must be in [0, 1], got {p.min() if p.min() < 0 else p.max():.4g}.")
    if n_calibration is not None and n_calibration < 1:
        raise InvalidInputError(f"n_calibration must be at least 1, got {n_calibration}.")
    return np.sort(p), n_calibration


def _groups(scores: Any, anomalous: ArrayLike | None) -> dict[str, Floats]:
    """Return scores by the name of their group; a single group of scores without labels has no name."""
    if is_scorer(scores):
        check_fitted("score_histogram", scores, ("calibration_scores_",))
        scores = {f"calibration {scores.kind_}": scores.calibration_scores_}
    if isinstance(scores, Mapping):
        if anomalous is not None:
            raise InvalidInputError("anomalous must come with one array of scores, got groups by name. Leave it out.")
        if not scores:
            raise InvalidInputError("scores must have at least one group, got an empty mapping.")
        return {str(name): check_numbers(f"scores of '{shorten(str(name))}'", s) for name, s in scores.items()}
    values = check_numbers("scores", scores)
    if anomalous is None:
        return {"": values}
    is_anomaly = np.asarray(anomalous)
    if is_anomaly.shape != values.shape or not np.isin(is_anomaly, (0, 1)).all():
        raise InvalidInputError(
            f"anomalous must be {len(values)} values True or False, one for each score, got shape {is_anomaly.shape} and "
            f"dtype {is_anomaly.dtype}."
        )
    is_anomaly = is_anomaly.astype(np.bool_)
    parts = {"normal": values[~is_anomaly], "anomalies": values[is_anomaly]}
    return {name: part for name, part in parts.items() if len(part)}


def _threshold_lines(threshold: Any) -> dict[str, float]:
    """Return thresholds by their entries in the legend."""
    if threshold is None:
        return {}
    if is_scorer(threshold):
        check_fitted("score_histogram", threshold, ("calibration_scores_",))
        return {f"threshold, alpha = {threshold.alpha:g}": threshold.threshold_}
    named = dict(threshold) if isinstance(threshold, Mapping) else {"threshold": threshold}
    for name, value in named.items():
        check_numbers(str(name), [value])
    return {str(name): float(value) for name, value in named.items()}
