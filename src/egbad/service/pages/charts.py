"""Charts of the pages as inline SVG, drawn with the elements of the report's charts."""

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
from markupsafe import Markup

from egbad.arrays import Floats
from egbad.report.svg import (
    BOTTOM,
    HEIGHT,
    TOP,
    WIDTH,
    draw_bar,
    draw_chart,
    draw_line,
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
    values = np.array([*scores, score, threshold], dtype=np.float64)
    low, high = float(values.min()), float(values.max())
    log = low > 0 and high > _LOG_RATIO * float(np.median(scores))
    edges = np.geomspace(low, high, _BINS + 1) if log else np.linspace(low, high, _BINS + 1)
    counts, edges = np.histogram(scores, edges if high > low else _BINS)
    x, y = x_axis(float(edges[0]), float(edges[-1]), log), y_axis(0, 1.05 * max(1, int(counts.max())), whole=True)
    body = [
        draw_bar(x.to_pixels(left), max(x.to_pixels(right) - x.to_pixels(left), 0.5), y, int(count), "normal")
        for left, right, count in zip(edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), strict=True)
        if count
    ]
    for row, (name, value, css_class) in enumerate(
        (("threshold", threshold, "threshold"), ("this_score", score, "item-score"))
    ):
        body += _marker(x.to_pixels(value), f"{text(name)} {format_number(value)}", css_class, row)
    return draw_chart(text("score_chart"), x, y, text("score"), text("calibration_count"), body)


def _marker(position: float, label: str, css_class: str, row: int) -> list[Markup]:
    """Draw a vertical line with a label that stays inside the chart, below those of earlier rows."""
    left = position > WIDTH / 2
    return [
        draw_line(css_class, position, position, TOP, HEIGHT - BOTTOM),
        draw_text(
            label, position + (-5 if left else 5), TOP + 10 + 16 * row, "end" if left else "start", f"mark {css_class}"
        ),
    ]


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
    for day_number in sorted({0, n // 2, n - 1}):
        label = f"{first + timedelta(days=day_number):%m-%d}"
        body.append(draw_text(label, x.to_pixels(day_number + 0.5), HEIGHT - BOTTOM + 17, "middle"))
    return draw_chart(text("daily_chart"), x, y, text("day_utc"), text("flagged_items"), body, x_ticks=False)
