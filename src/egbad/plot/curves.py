"""Figures of ROC and precision-recall curves, with intervals."""

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from egbad.errors import InvalidInputError
from egbad.plot.axes import MAX_POINTS, add_legend, as_axes, check_fitted, is_scorer, label_once, text_colour
from egbad.scoring.metrics import base_rate, count_flags
from egbad.scoring.rate_curves import (
    RateCurve,
    precision_recall_with_intervals,
    roc_with_intervals,
    thin_points,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def roc_curve(
    scores: ArrayLike,
    anomalous: ArrayLike,
    *,
    threshold: Any = None,
    level: float = 0.95,
    n_resamples: int = 1000,
    random_state: int = 0,
    label: str | None = None,
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw the ROC curve of a test set, with a band and AUROC.

    The band comes from resamples of the test rows, drawn within each class. It holds for each false-alarm rate by itself. Where
    scores separate the classes completely, so does every resample, and the band has no width. Call the function again with
    the same Axes for another detector.

    Parameters
    ----------
    scores : array-like of shape (n_samples,)
        Anomaly scores of test rows.
    anomalous : array-like of bool of shape (n_samples,)
        True for anomalies. Both kinds must be present.
    threshold : float or fitted detector, optional
        Mark the rates of this threshold.
    level : float, default=0.95
        Probability of the band and of the interval of AUROC, in (0, 1).
    n_resamples : int, default=1000
        Number of resamples.
    random_state : int, default=0
        Seed of the resamples.
    label : str, optional
        Name of the curve in the legend.
    ax : Axes, optional
        By default those of a new figure of pyplot.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InvalidInputError
        If the arrays do not match, a score is not finite, a class is missing, or a parameter is out of its range.
    MissingExtraError
        If matplotlib is not installed.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from egbad.plot import roc_curve
    >>> ax = roc_curve([0.1, 0.4, 0.3, 0.9], [False, False, True, True], ax=Figure().subplots())
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('share of normal rows flagged', 'share of anomalies flagged')
    """
    value = _threshold(threshold)
    curve = roc_with_intervals(scores, anomalous, level=level, n_resamples=n_resamples, random_state=random_state)
    point = None
    if value is not None:
        counts = count_flags(scores, anomalous, value)
        point = (counts.false_alarm_rate, counts.recall)
    ax = as_axes(ax, 5.2, 4.4)
    chance = label_once(ax, "chance")
    ax.plot([0, 1], [0, 1], color=text_colour(ax), alpha=0.6, linestyle=":", label=chance)
    _draw(ax, curve, "AUROC", level, label, point, "default")
    ax.set(xlabel="share of normal rows flagged", ylabel="share of anomalies flagged")
    return ax


def precision_recall_curve(
    scores: ArrayLike,
    anomalous: ArrayLike,
    *,
    threshold: Any = None,
    level: float = 0.95,
    n_resamples: int = 1000,
    random_state: int = 0,
    label: str | None = None,
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw the precision-recall curve of a test set, with a band and average precision.

    The dotted line is chance: the base rate of the test set. Precision depends on it, so that curves of test sets with other
    shares of anomalies cannot be compared. The band comes from resamples of the test rows, drawn within each class.

    Parameters
    ----------
    scores : array-like of shape (n_samples,)
        Anomaly scores of test rows.
    anomalous : array-like of bool of shape (n_samples,)
        True for anomalies. Both kinds must be present.
    threshold : float or fitted detector, optional
        Mark precision and recall of this threshold.
    level : float, default=0.95
        Probability of the band and of the interval of average precision, in (0, 1).
    n_resamples : int, default=1000
        Number of resamples.
    random_state : int, default=0
        Seed of the resamples.
    label : str, optional
        Name of the curve in the legend.
    ax : Axes, optional
        By default those of a new figure of pyplot.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InvalidInputError
        If the arrays do not match, a score is not finite, a class is missing, or a parameter is out of its range.
    MissingExtraError
        If matplotlib is not installed.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from egbad.plot import precision_recall_curve
    >>> ax = precision_recall_curve([0.1, 0.4, 0.3, 0.9], [False, False, True, True], ax=Figure().subplots())
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('recall: share of anomalies flagged', 'precision: share of anomalies among flags')
    """
    value = _threshold(threshold)
    curve = precision_recall_with_intervals(
        scores, anomalous, level=level, n_resamples=n_resamples, random_state=random_state
    )
    point = None
    if value is not None:
        counts = count_flags(scores, anomalous, value)
        point = None if counts.precision is None else (counts.recall, counts.precision)
    ax = as_axes(ax, 5.2, 4.4)
    rate = base_rate(anomalous)
    chance = label_once(ax, f"chance, base rate {rate:.3g}")
    ax.axhline(rate, color=text_colour(ax), alpha=0.6, linestyle=":", label=chance)
    _draw(ax, curve, "average precision", level, label, point, "steps-pre")
    ax.set(xlabel="recall: share of anomalies flagged", ylabel="precision: share of anomalies among flags")
    return ax


def _draw(
    ax: "Axes",
    curve: RateCurve,
    area: str,
    level: float,
    label: str | None,
    point: tuple[float, float] | None,
    steps: Any,
) -> None:
    """Draw a curve with its band, and the rates of a threshold."""
    found = f"{area} {curve.area:.3f}\n{level:.0%} interval {curve.area_low:.3f} to {curve.area_high:.3f}"
    x, y = thin_points(curve.x, curve.y, MAX_POINTS)
    (line,) = ax.plot(x, y, drawstyle=steps, label=f"{label}: {found}" if label else found)
    step: Literal["pre"] | None = None if steps == "default" else "pre"
    ax.fill_between(curve.grid, curve.low, curve.high, step=step, color=line.get_color(), alpha=0.2, linewidth=0)
    if point is not None:
        ax.plot(
            *point,
            marker="o",
            linestyle="none",
            color=line.get_color(),
            label=f"{label}: threshold" if label else "threshold",
        )
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    add_legend(ax)


def _threshold(threshold: Any) -> float | None:
    """Return the threshold to mark."""
    if is_scorer(threshold):
        check_fitted("The threshold", threshold, ("calibration_scores_",))
        return float(threshold.threshold_)
    if threshold is None:
        return None
    if isinstance(threshold, bool) or not isinstance(threshold, int | float | np.number):
        raise InvalidInputError(f"threshold must be a number or a fitted detector, got {type(threshold).__name__}.")
    return float(threshold)
