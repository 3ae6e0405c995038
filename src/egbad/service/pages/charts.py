"""Charts of the pages as inline SVG, drawn with the elements of the report's charts."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from markupsafe import Markup

from egbad.arrays import Array, Floats
from egbad.report.svg import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Axis,
    draw_bar,
    draw_chart,
    draw_line,
    draw_polyline,
    draw_text,
    format_number,
    svg_element,
    x_axis,
    y_axis,
)
from egbad.service.pages.texts import Texts
from egbad.service.store import Period

_BINS = 40
_LOG_RATIO = 30  # of the largest value to the median: a linear axis would hold all bars in one place


def calibration_chart(scores: Floats, score: float, threshold: float, text: Texts) -> Markup:
    """Draw the scores of normal calibration rows, the threshold, and one score.

    Parameters
    ----------
    scores : ndarray of shape (n_samples,)
        Calibration scores.
    score : float
        Score of the item.
    threshold : float
    text : Texts

    Returns
    -------
    Markup
    """
    edges, log = _bin_edges(scores, [score, threshold])
    counts = np.histogram(scores, edges)[0]
    x, y = x_axis(float(edges[0]), float(edges[-1]), log), y_axis(0, 1.05 * max(1, int(counts.max())), whole=True)
    body = _bars(x, y, edges, counts)
    body += _markers(x, (("threshold", threshold, "threshold"), ("this_score", score, "item-score")), text)
    return draw_chart(text("score_chart"), x, y, text("score"), text("calibration_count"), body)


def _markers(x: Axis, marked: Sequence[tuple[str, float, str]], text: Texts) -> list[Markup]:
    """Draw vertical lines, and over them their labels, one below the other and inside the chart.

    Each is the key of its name, its value, and a class of the style sheet.
    """
    lines, labels = list[Markup](), list[Markup]()
    for row, (name, value, css_class) in enumerate(marked):
        position = x.to_pixels(value)
        left = position > WIDTH / 2
        at, anchor = position + (-5 if left else 5), "end" if left else "start"
        label = f"{text(name)} {format_number(value)}"
        lines.append(draw_line(css_class, position, position, TOP, HEIGHT - BOTTOM))
        labels.append(draw_text(label, at, TOP + 10 + 16 * row, anchor, f"mark {css_class}"))
    return [*lines, *labels]


def daily_chart(days: Sequence[Period], n: int, text: Texts) -> Markup:
    """Draw the flagged items of each day by review, one above the other.

    Parameters
    ----------
    days : sequence of Period
        Oldest first, at least one.
    n : int
        Number of days that are shown, up to the last one.
    text : Texts

    Returns
    -------
    Markup
    """
    first = days[-1].start - timedelta(days=n - 1)
    x, y = x_axis(0, n), y_axis(0, 1.05 * max(1, *(day.flagged for day in days)), whole=True)
    gap = min(2.0, (x.to_pixels(1) - x.to_pixels(0)) / 5)
    body = []
    for day in days:
        left, right = (x.to_pixels((day.start - first).days + step) for step in (0, 1))
        base = 0
        for count, css_class in ((day.confirmed, "anomaly"), (day.dismissed, "normal"), (day.waiting, "waiting")):
            if count:
                top, bottom = y.to_pixels(base + count), y.to_pixels(base)
                body.append(
                    svg_element(
                        "rect", class_=f"bar {css_class}", x=left, width=right - left - gap, y=top, height=bottom - top
                    )
                )
                base += count
    body += _day_labels(x, first, n)
    return draw_chart(text("daily_chart"), x, y, text("day_utc"), text("flagged_items"), body, x_ticks=False)


def score_chart(scores: Floats, stored: Floats, threshold: float, current: float, text: Texts) -> Markup:
    """Draw the scores of normal calibration rows and of stored items, a threshold, and the current one.

    Parameters
    ----------
    scores : ndarray of shape (n_calibration,)
    stored : ndarray of shape (n_stored,)
    threshold, current : float
    text : Texts

    Returns
    -------
    Markup
    """
    edges, log = _bin_edges(scores, [*stored, threshold, current])
    normal = np.histogram(scores, edges)[0] / len(scores)
    items = np.histogram(stored, edges)[0] / max(1, len(stored))
    x = x_axis(float(edges[0]), float(edges[-1]), log)
    y = y_axis(0, 1.05 * float(max(normal.max(), items.max())))
    body = _bars(x, y, edges, normal)
    if len(stored):
        body.append(draw_polyline(x, y, np.repeat(edges, 2)[1:-1].tolist(), np.repeat(items, 2).tolist(), "stored"))
    marked = [("threshold", threshold, "item-score"), ("now_threshold", current, "threshold")]
    body += _markers(x, marked[: 1 if current == threshold else 2], text)
    return draw_chart(text("histogram"), x, y, text("score"), text("share_axis"), body)


def evidence_chart(trend: Sequence[tuple[int, float]], alarm: float, text: Texts) -> Markup:
    """Draw the capital of a martingale, and the one that raises the alarm.

    Parameters
    ----------
    trend : sequence of (int, float)
        Numbers of items, and the logarithms of the capital to the base 10.
    alarm : float
        Logarithm of the capital that raises the alarm.
    text : Texts

    Returns
    -------
    Markup
    """
    values = [value for _, value in trend]
    x, y = x_axis(0, trend[-1][0]), y_axis(min(values), 1.1 * max(alarm, *values))
    line = draw_polyline(x, y, [n for n, _ in trend], values, "stored")
    height = y.to_pixels(alarm)
    label = draw_text(text("alarm"), LEFT + 5, height - 5, "start", "mark threshold")
    body = [line, draw_line("threshold", LEFT, WIDTH - RIGHT, height, height), label]
    return draw_chart(text("drift_chart"), x, y, text("drift_chart_x"), text("drift_chart_y"), body)


def share_chart(
    days: Sequence[Period], intervals: Sequence[tuple[float, float]], n: int, alpha: float, text: Texts
) -> Markup:
    """Draw the share of items that were flagged on each day, with its interval, beside alpha.

    Parameters
    ----------
    days : sequence of Period
        Oldest first, at least one.
    intervals : sequence of (float, float)
        Interval of the share of each day.
    n : int
        Number of days that are shown, up to the last one.
    alpha : float
    text : Texts

    Returns
    -------
    Markup
    """
    first = days[-1].start - timedelta(days=n - 1)
    x, y = x_axis(0, n), y_axis(0, min(100.0, 105 * max(alpha, *(high for _, high in intervals))))
    height = y.to_pixels(100 * alpha)
    body = [
        draw_line("threshold", LEFT, WIDTH - RIGHT, height, height),
        draw_text("alpha", LEFT + 5, height - 5, "start", "mark threshold"),
    ]
    for day, (low, high) in zip(days, intervals, strict=True):
        at = x.to_pixels((day.start - first).days + 0.5)
        body.append(draw_line("interval", at, at, y.to_pixels(100 * high), y.to_pixels(100 * low)))
        body.append(svg_element("circle", class_="dot", cx=at, cy=y.to_pixels(100 * day.flagged_share), r=3.0))
    body += _day_labels(x, first, n)
    return draw_chart(text("share_chart"), x, y, text("day_utc"), text("share_percent"), body, x_ticks=False)


def _bin_edges(scores: Floats, others: Sequence[float]) -> tuple[Floats, bool]:
    """Return the edges of the bars of scores, with room for other values, and if they are spaced by the logarithm."""
    values = np.array([*scores, *others], dtype=np.float64)
    low, high = float(values.min()), float(values.max())
    log = low > 0 and high > _LOG_RATIO * float(np.median(scores))
    if high <= low:
        return np.histogram_bin_edges(values, _BINS), False
    return np.geomspace(low, high, _BINS + 1) if log else np.linspace(low, high, _BINS + 1), log


def _bars(x: Axis, y: Axis, edges: Floats, heights: Array) -> list[Markup]:
    """Draw the bars of a histogram of normal scores."""
    return [
        draw_bar(x.to_pixels(left), max(x.to_pixels(right) - x.to_pixels(left), 0.5), y, height, "normal")
        for left, right, height in zip(edges[:-1].tolist(), edges[1:].tolist(), heights.tolist(), strict=True)
        if height
    ]


def first_of_days(n: int) -> datetime:
    """Return the beginning, in UTC, of the first of the last n days, today included.

    Parameters
    ----------
    n : int
        Days of a chart.

    Returns
    -------
    datetime

    Examples
    --------
    >>> (first_of_days(1) - first_of_days(30)).days
    29
    """
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return today - timedelta(days=n - 1)


def _day_labels(x: Axis, first: datetime, n: int) -> list[Markup]:
    """Write the dates of some of n days below a chart."""
    return [
        draw_text(f"{first + timedelta(days=day):%m-%d}", x.to_pixels(day + 0.5), HEIGHT - BOTTOM + 17, "middle")
        for day in sorted({0, n // 2, n - 1})
    ]
