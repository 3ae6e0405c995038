"""Charts as inline SVG: light, sharp at any size, coloured by the page's own variables."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import floor, log10

from egbad.report.evaluation import Curve, Histogram, Losses

WIDTH, HEIGHT = 460, 280
_LETTER = 6.2  # of a name, about
LEFT, RIGHT, TOP, BOTTOM = 60, 12, 14, 44


@dataclass(frozen=True)
class Bar:
    """A value in [0, 1], and its spread where one is known."""

    value: float
    spread: float | None = None


@dataclass(frozen=True)
class Dot:
    """A named point; `naive` ones have another colour."""

    name: str
    x: float
    y: float
    naive: bool = False


@dataclass(frozen=True)
class Axis:
    """Values low to high on a stretch of pixels, evenly or by their logarithm."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        """Where a value lies, in pixels."""
        low, high, value = (
            (log10(v) for v in (self.low, self.high, value)) if self.log else (self.low, self.high, value)
        )
        return self.start + (value - low) / ((high - low) or 1.0) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """A few round values."""
        if self.log:
            first, last = floor(log10(self.low)), floor(log10(self.high))
            tens = [10.0**e for e in range(first, last + 2) if self.low <= 10.0**e <= self.high]
            if len(tens) >= 2:
                return tens
        step = 10 ** floor(log10((self.high - self.low) / 3)) if self.high > self.low else 1.0
        while (self.high - self.low) / step > 6:
            step *= 2 if (self.high - self.low) / step <= 12 else 2.5
        first_tick = -floor(-self.low / step + 1e-9) * step
        return [first_tick + i * step for i in range(int((self.high - first_tick) / step + 1e-6) + 1)]


def short(value: float) -> str:
    """A number in few characters."""
    return "0" if abs(value) < 1e-12 else f"{value:.3g}"


def frame(title: str, x: Axis, y: Axis, x_label: str, y_label: str, body: Sequence[str], *, ticks: bool = True) -> str:
    """Axes, grid and labels around what is drawn."""
    grid = [
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y.at(t):.1f}" y2="{y.at(t):.1f}"/>'
        f'<text class="tick" x="{LEFT - 7}" y="{y.at(t) + 4:.1f}" text-anchor="end">{short(t)}</text>'
        for t in y.ticks()
    ]
    grid += [
        f'<text class="tick" x="{x.at(t):.1f}" y="{HEIGHT - BOTTOM + 17}" text-anchor="middle">{short(t)}</text>'
        for t in (x.ticks() if ticks else ())
    ]
    return "\n".join(
        [
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}"><title>{escape(title)}</title>',
            *grid,
            f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{HEIGHT - BOTTOM}" y2="{HEIGHT - BOTTOM}"/>',
            *body,
            f'<text class="label" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">'
            f"{escape(x_label)}</text>",
            f'<text class="label" transform="translate(13 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" '
            f'text-anchor="middle">{escape(y_label)}</text>',
            "</svg>",
        ]
    )


def horizontal(low: float, high: float, log: bool = False) -> Axis:
    """The x axis of a chart."""
    return Axis(low, high if high > low else low + 1, LEFT, WIDTH - RIGHT, log)


def vertical(low: float, high: float) -> Axis:
    """The y axis of a chart."""
    return Axis(low, high if high > low else low + 1, HEIGHT - BOTTOM, TOP)


def path(x: Axis, y: Axis, xs: Sequence[float], ys: Sequence[float | None], kind: str) -> str:
    """A line through the points; where a value is missing the line breaks."""
    parts, pen = [], "M"
    for a, b in zip(xs, ys, strict=True):
        if b is None:
            pen = "M"
            continue
        parts.append(f"{pen}{x.at(a):.1f} {y.at(b):.1f}")
        pen = "L"
    return f'<path class="line {kind}" d="{"".join(parts)}"/>'


def rate_chart(title: str, curve: Curve, x_label: str, y_label: str, chance: Curve) -> str:
    """A curve in the unit square, and chance as a dotted line."""
    x, y = horizontal(0, 1), vertical(0, 1)
    body = [path(x, y, chance.x, chance.y, "chance"), path(x, y, curve.x, curve.y, "main")]
    return frame(title, x, y, x_label, y_label, body)


def histogram_chart(
    title: str,
    histogram: Histogram,
    threshold: float,
    *,
    x_label: str = "anomaly score",
    y_label: str = "share of its kind",
    mark: str = "threshold",
) -> str:
    """Shares of normals and of anomalies per bin of the score, and the threshold."""
    edges = histogram.edges
    shares = [[count / max(sum(counts), 1) for count in counts] for counts in (histogram.normals, histogram.anomalies)]
    x, y = horizontal(edges[0], edges[-1], histogram.log), vertical(0, max(map(max, shares)) * 1.05)
    body = [
        f'<rect class="bar {kind}" x="{x.at(a):.1f}" width="{max(x.at(b) - x.at(a), 0.5):.1f}" y="{y.at(share):.1f}" '
        f'height="{y.at(0) - y.at(share):.1f}"/>'
        for kind, of_kind in zip(("normal", "anomaly"), shares, strict=True)
        for a, b, share in zip(edges[:-1], edges[1:], of_kind, strict=True)
        if share
    ]
    if edges[0] < threshold < edges[-1]:
        place = x.at(threshold)
        anchor, shift = ("end", -5) if place > WIDTH / 2 else ("start", 5)
        body.append(
            f'<line class="threshold" x1="{place:.1f}" x2="{place:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
            f'<text class="tick" x="{place + shift:.1f}" y="{TOP + 10}" text-anchor="{anchor}">'
            f"{escape(mark)} {short(threshold)}</text>"
        )
    return frame(title, x, y, x_label, y_label, body)


def loss_chart(title: str, losses: Losses, name: str, *, x_label: str = "step", y_label: str | None = None) -> str:
    """One loss over the steps, a line per member."""
    members = losses.values[name]
    finite = [v for member in members for v in member if v is not None] or [0.0]
    x, y = horizontal(0, losses.steps[-1]), vertical(min(0.0, *finite), max(finite))
    return frame(
        title, x, y, x_label, y_label or f"loss of {name}", [path(x, y, losses.steps, m, "main") for m in members]
    )


# -- several detectors in one chart --------------------------------------------------------------------------------------

COLOURS = 7  # of series, as the style has them


def curves_chart(title: str, curves: Sequence[Curve], x_label: str, y_label: str, chance: Curve) -> str:
    """Curves in the unit square, one colour each, and chance as a dotted line."""
    x, y = horizontal(0, 1), vertical(0, 1)
    lines = [path(x, y, curve.x, curve.y, f"series c{i % COLOURS}") for i, curve in enumerate(curves)]
    return frame(title, x, y, x_label, y_label, [path(x, y, chance.x, chance.y, "chance"), *lines])


def bars_chart(title: str, groups: Sequence[str], series: Sequence[Sequence[Bar | None]], y_label: str) -> str:
    """Bars in the unit interval, side by side in each group, with whiskers of one spread."""
    x, y = horizontal(0, len(groups)), vertical(0, 1)
    width = 0.8 / max(len(series), 1)
    body = []
    for i, bars in enumerate(series):
        for j, bar in enumerate(bars):
            if bar is None:
                continue
            left, right = x.at(j + 0.1 + i * width), x.at(j + 0.1 + (i + 0.92) * width)
            body.append(
                f'<rect class="bar series c{i % COLOURS}" x="{left:.1f}" width="{right - left:.1f}" '
                f'y="{y.at(bar.value):.1f}" height="{y.at(0) - y.at(bar.value):.1f}"/>'
            )
            if bar.spread:
                low, high = max(0.0, bar.value - bar.spread), min(1.0, bar.value + bar.spread)
                middle = (left + right) / 2
                body.append(
                    f'<line class="whisker" x1="{middle:.1f}" x2="{middle:.1f}" y1="{y.at(low):.1f}" y2="{y.at(high):.1f}"/>'
                )
    body += [
        f'<text class="tick" x="{x.at(j + 0.5):.1f}" y="{HEIGHT - BOTTOM + 17}" text-anchor="middle">{escape(name)}</text>'
        for j, name in enumerate(groups)
    ]
    return frame(title, x, y, "", y_label, body, ticks=False)


def scatter_chart(title: str, dots: Sequence[Dot], x_label: str, y_label: str) -> str:
    """Named dots; x on a logarithmic scale. Names that would lie on each other move apart, up or down."""
    lowest = min(dot.y for dot in dots)
    x = horizontal(min(dot.x for dot in dots) / 1.6, max(dot.x for dot in dots) * 5, log=True)
    y = vertical(max(0.0, lowest - 0.05), min(1.0, max(dot.y for dot in dots) + 0.03))
    body: list[str] = []
    taken: list[tuple[float, float]] = []
    for dot in sorted(dots, key=lambda dot: -dot.y):
        left, top = x.at(dot.x), y.at(dot.y)
        place = top + 4
        while any(abs(place - other) < 11 and abs(left - at) < 110 for at, other in taken):
            place += 3
        taken.append((left, place))
        kind = "dot naive" if dot.naive else "dot"
        body.append(f'<circle class="{kind}" cx="{left:.1f}" cy="{top:.1f}" r="4"/>')
        fits = left + 7 + _LETTER * len(dot.name) < WIDTH
        anchor, shift = ("start", 7) if fits else ("end", -7)
        text = f'<text class="tick" x="{left + shift:.1f}" y="{place:.1f}" text-anchor="{anchor}">{escape(dot.name)}</text>'
        body.append(text)
    return frame(title, x, y, x_label, y_label, body)
