"""Charts as inline SVG: small, sharp at any size, and coloured by the style sheet of the page."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from egbad.report.curves import Curve, Histogram, Losses
from egbad.report.svg import (
    BOTTOM,
    HEIGHT,
    TOP,
    WIDTH,
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

N_SERIES_COLOURS = 7  # classes c0 to c6 of the style sheet
_CHARACTER_WIDTH = 6.2  # pixels, on average
_LABEL_HEIGHT, _LABEL_WIDTH = 11, 110  # labels of dots that are closer than this are moved apart


@dataclass(frozen=True)
class LegendEntry:
    """An entry of a legend.

    Parameters
    ----------
    label : str
    css_class : str
        Class of the style sheet that sets the colour: "normal", "anomaly", or "series c0" to "series c6".
    """

    label: str
    css_class: str


@dataclass(frozen=True)
class Figure:
    """A chart with a caption and a legend.

    Parameters
    ----------
    chart : Markup
        SVG element.
    caption : str
    legend : tuple of LegendEntry
    """

    chart: Markup
    caption: str
    legend: tuple[LegendEntry, ...] = ()


@dataclass(frozen=True)
class Bar:
    """A value in [0, 1] and its standard deviation, if known.

    Parameters
    ----------
    value : float
    spread : float, optional
    """

    value: float
    spread: float | None = None


@dataclass(frozen=True)
class Dot:
    """A named point of a scatter chart.

    Parameters
    ----------
    name : str
    x, y : float
    baseline : bool, default=False
        Baselines have a colour of their own.
    """

    name: str
    x: float
    y: float
    baseline: bool = False


def rate_chart(title: str, curves: Sequence[Curve], x_label: str, y_label: str, reference: Curve) -> Markup:
    """Draw curves in the unit square, one colour each, and a dotted reference.

    Parameters
    ----------
    title : str
    curves : sequence of Curve
    x_label, y_label : str
    reference : Curve
        For instance the curve of a random ranking.

    Returns
    -------
    Markup
    """
    x, y = x_axis(0, 1), y_axis(0, 1)
    lines = [draw_polyline(x, y, curve.x, curve.y, series_class(i)) for i, curve in enumerate(curves)]
    return draw_chart(
        title, x, y, x_label, y_label, [draw_polyline(x, y, reference.x, reference.y, "reference"), *lines]
    )


def histogram_chart(
    title: str,
    histogram: Histogram,
    threshold: float | None = None,
    *,
    x_label: str = "anomaly score",
    y_label: str = "share of each group",
    threshold_label: str = "threshold",
) -> Markup:
    """Draw the share of normal rows and of anomalies per bin of the score, and the threshold.

    Parameters
    ----------
    title : str
    histogram : Histogram
    threshold : float, optional
        Drawn if it lies within the bins.
    x_label, y_label, threshold_label : str

    Returns
    -------
    Markup
    """
    edges = histogram.edges
    shares = [[count / max(sum(counts), 1) for count in counts] for counts in (histogram.normals, histogram.anomalies)]
    x, y = x_axis(edges[0], edges[-1], histogram.log), y_axis(0, max(map(max, shares)) * 1.05)
    body = []
    for kind, shares_of_kind in zip(("normal", "anomaly"), shares, strict=True):
        for low, high, share in zip(edges[:-1], edges[1:], shares_of_kind, strict=True):
            if share:
                width = max(x.to_pixels(high) - x.to_pixels(low), 0.5)
                body.append(draw_bar(x.to_pixels(low), width, y, share, kind))
    if threshold is not None and edges[0] < threshold < edges[-1]:
        body += _threshold_line(x.to_pixels(threshold), f"{threshold_label} {format_number(threshold)}")
    return draw_chart(title, x, y, x_label, y_label, body)


def loss_chart(title: str, losses: Losses, name: str, *, x_label: str = "step", y_label: str = "loss") -> Markup:
    """Draw one loss over the training steps, with a line per member.

    Parameters
    ----------
    title : str
    losses : Losses
    name : str
        Name of the loss.
    x_label, y_label : str

    Returns
    -------
    Markup
    """
    members = losses.values[name]
    finite = [v for member in members for v in member if v is not None] or [0.0]
    x, y = x_axis(0, losses.steps[-1]), y_axis(min(0.0, *finite), max(finite))
    return draw_chart(title, x, y, x_label, y_label, [draw_polyline(x, y, losses.steps, m, "main") for m in members])


def bars_chart(title: str, groups: Sequence[str], series: Sequence[Sequence[Bar | None]], y_label: str) -> Markup:
    """Draw groups of bars in the unit interval, with whiskers of one standard deviation.

    Parameters
    ----------
    title : str
    groups : sequence of str
        Names of the groups.
    series : sequence of sequence of Bar or None
        For each series a bar per group. None leaves a gap.
    y_label : str

    Returns
    -------
    Markup
    """
    x, y = x_axis(0, len(groups)), y_axis(0, 1)
    width = 0.8 / max(len(series), 1)
    body = []
    for i, bars in enumerate(series):
        for j, bar in enumerate(bars):
            if bar is None:
                continue
            left, right = x.to_pixels(j + 0.1 + i * width), x.to_pixels(j + 0.1 + (i + 0.92) * width)
            body.append(draw_bar(left, right - left, y, bar.value, series_class(i)))
            if bar.spread:
                low, high = max(0.0, bar.value - bar.spread), min(1.0, bar.value + bar.spread)
                middle = (left + right) / 2
                body.append(draw_line("whisker", middle, middle, y.to_pixels(low), y.to_pixels(high)))
    body += [draw_text(name, x.to_pixels(j + 0.5), HEIGHT - BOTTOM + 17, "middle") for j, name in enumerate(groups)]
    return draw_chart(title, x, y, "", y_label, body, x_ticks=False)


def scatter_chart(title: str, dots: Sequence[Dot], x_label: str, y_label: str) -> Markup:
    """Draw named dots over a logarithmic x axis. Labels that would overlap are moved apart.

    Parameters
    ----------
    title : str
    dots : sequence of Dot
        At least one, with positive x.
    x_label, y_label : str

    Returns
    -------
    Markup
    """
    x = x_axis(min(dot.x for dot in dots) / 1.6, max(dot.x for dot in dots) * 5, log=True)
    y = y_axis(max(0.0, min(dot.y for dot in dots) - 0.05), min(1.0, max(dot.y for dot in dots) + 0.03))
    body: list[Markup] = []
    labels: list[tuple[float, float]] = []
    for dot in sorted(dots, key=lambda dot: -dot.y):
        left, top = x.to_pixels(dot.x), y.to_pixels(dot.y)
        label_y = top + 4
        while any(abs(label_y - b) < _LABEL_HEIGHT and abs(left - a) < _LABEL_WIDTH for a, b in labels):
            label_y += 3
        labels.append((left, label_y))
        body.append(svg_element("circle", class_="dot baseline" if dot.baseline else "dot", cx=left, cy=top, r=4))
        fits = left + 7 + _CHARACTER_WIDTH * len(dot.name) < WIDTH
        label_x = left + 7 if fits else left - 7
        if label_y > top + _LABEL_HEIGHT:
            body.append(draw_line("leader", left, label_x, top, label_y - 4))
        body.append(draw_text(dot.name, label_x, label_y, "start" if fits else "end"))
    return draw_chart(title, x, y, x_label, y_label, body)


def series_class(i: int) -> str:
    """Return the classes of the style sheet for the i-th series.

    Parameters
    ----------
    i : int

    Returns
    -------
    str
    """
    return f"series c{i % N_SERIES_COLOURS}"


def _threshold_line(position: float, label: str) -> list[Markup]:
    """Draw a vertical line and its label, which stays inside the chart."""
    on_right = position > WIDTH / 2
    return [
        draw_line("threshold", position, position, TOP, HEIGHT - BOTTOM),
        draw_text(label, position - 5 if on_right else position + 5, TOP + 10, "end" if on_right else "start"),
    ]
