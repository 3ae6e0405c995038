"""Figures of drift over time."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from egbad.arrays import Floats
from egbad.errors import InvalidInputError, check_count
from egbad.plot.axes import add_legend, as_axes, check_fitted, check_numbers, label_once, text_colour
from egbad.scoring.calibration import false_alarm_rate
from egbad.scoring.drift import DriftMonitor
from egbad.scoring.intervals import binomial_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PARTS = 200  # of the rows, between which the capital is drawn
_WINDOWS = 40  # in which flagged rows are counted


def drift_over_time(
    scorer: Any,
    X: Any,
    *,
    statistic: Literal["capital", "flagged"] = "capital",
    level: float = 0.01,
    threshold: float | None = None,
    interval: int | None = None,
    random_state: int = 0,
    label: str | None = None,
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw evidence of drift as new rows come, as `egbad drift` computes it.

    "capital" is that of the conformal test martingale: it begins with 1, and without drift it ever reaches the dashed limit
    with a probability of at most ``level / 2``. A dot marks the row of the alarm. "flagged" is the share of rows above the
    threshold in consecutive windows, each with its 95 percent interval, and the share that is expected of normal rows.

    Parameters
    ----------
    scorer : fitted detector or exported graph
    X : array-like or data frame of shape (n_samples, n_features), images, or ndarray of float of shape (n_samples,)
        New rows or images in the order in which they came, or their anomaly scores.
    statistic : {"capital", "flagged"}, default="capital"
    level : float, default=0.01
        Probability of a false alarm of `egbad drift`, in (0, 1). Half of it is for the martingale.
    threshold : float, optional
        Score above which a row is flagged. By default that of the scorer.
    interval : int, optional
        Rows between two points of the capital, or in a window. By default a 200th and a 40th of the rows.
    random_state : int, default=0
        Seed of the random numbers of the p-values.
    label : str, optional
        Name of the rows in the legend.
    ax : Axes, optional
        By default those of a new figure of pyplot.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InvalidInputError
        If X does not match the scorer or has no rows, or a parameter is out of its range.
    MissingExtraError
        If matplotlib is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from egbad.detectors.knn import KNN
    >>> from egbad.plot import drift_over_time
    >>> rng = np.random.default_rng(0)
    >>> detector = KNN(alpha=0.1, random_state=0).fit(rng.normal(size=(1000, 3)))
    >>> ax = drift_over_time(detector, rng.normal(size=(400, 3)), ax=Figure().subplots())
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('rows so far', 'log10 of the capital of the martingale')
    """
    if statistic not in ("capital", "flagged"):
        raise InvalidInputError(f"statistic must be 'capital' or 'flagged', got {statistic!r}.")
    check_fitted("drift_over_time", scorer, ("calibration_scores_", "threshold_"))
    scores = _scores(scorer, X)
    parts = _PARTS if statistic == "capital" else _WINDOWS
    interval = max(1, len(scores) // parts) if interval is None else check_count("interval", interval)
    monitor = DriftMonitor(scorer, level, threshold, random_state)
    ax = as_axes(ax)
    unit = "images" if scorer.kind_ == "images" else "rows"
    if statistic == "capital":
        _draw_capital(ax, monitor, scores, interval, label or "capital")
        ax.set(xlabel=f"{unit} so far", ylabel="log10 of the capital of the martingale")
    else:
        _draw_flagged(ax, monitor, scores, interval, label or f"windows of {interval:,} {unit}")
        ax.set(xlabel=f"{unit} so far", ylabel=f"share of the {unit} flagged")
    add_legend(ax)
    return ax


def _draw_capital(ax: "Axes", monitor: DriftMonitor, scores: Floats, interval: int, label: str) -> None:
    """Draw the capital after each part of the rows, the limit and the row of the alarm."""
    rows, values = [0], [0.0]
    for start, stop in _parts(len(scores), interval):
        monitor.martingale.update(scores[start:stop])
        rows.append(stop)
        values.append(monitor.martingale.log_value / np.log(10))
    (line,) = ax.plot(rows, values, label=label)
    limit = np.log10(2 / monitor.level)
    ax.axhline(
        limit, color=text_colour(ax), linestyle="--", label=label_once(ax, f"alarm, {2 / monitor.level:,.0f} times")
    )
    alarm = monitor.martingale.alarm_row
    if alarm is not None:
        ax.plot(alarm, limit, marker="o", linestyle="none", color=line.get_color(), label=f"alarm at {alarm:,}")


def _draw_flagged(ax: "Axes", monitor: DriftMonitor, scores: Floats, interval: int, label: str) -> None:
    """Draw the share of flagged rows in windows, and the share that is expected."""
    edges = np.array([0, *(stop for _, stop in _parts(len(scores), interval))])
    sizes = np.diff(edges)
    flagged: NDArray[np.int64] = np.add.reduceat((scores > monitor.threshold).astype(np.int64), edges[:-1])
    low, high = zip(*(binomial_interval(int(k), int(n)) for k, n in zip(flagged, sizes, strict=True)), strict=True)
    share = flagged / sizes
    (line,) = ax.plot(edges, [*share[:1], *share], drawstyle="steps-pre", label=label)
    ax.fill_between(
        edges, [*low[:1], *low], [*high[:1], *high], step="pre", color=line.get_color(), alpha=0.2, linewidth=0
    )
    expected = false_alarm_rate(monitor.calibration, monitor.threshold)
    ax.axhline(
        expected, color=text_colour(ax), linestyle="--", label=label_once(ax, f"expected of normal: {expected:.2%}")
    )
    ax.set_ylim(bottom=0)


def _parts(n: int, interval: int) -> Iterator[tuple[int, int]]:
    """Yield the first row and the end of each part."""
    for start in range(0, n, interval):
        yield start, min(start + interval, n)


def _scores(scorer: Any, X: Any) -> Floats:
    """Return the scores of rows or images, or those that were given."""
    if isinstance(X, np.ndarray) and X.ndim == 1 and X.dtype != object:
        return check_numbers("X", X)
    return check_numbers("The scores of X", scorer.anomaly_score(X))
