"""Elements of SVG charts: axes, frame, lines, bars and text.

Every attribute and text passes through `svg_element`, which escapes it. The result is `Markup`, so that templates insert
it as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log10

from markupsafe import Markup

WIDTH, HEIGHT = 460, 280
LEFT, RIGHT, TOP, BOTTOM = 60, 12, 14, 44  # margins for labels


@dataclass(frozen=True)
class Axis:
    """A linear or logarithmic scale from values to pixels.

    Parameters
    ----------
    low, high : float
        Range of the values.
    start, end : float
        Pixels of `low` and `high`.
    log : bool, default=False
        True for a logarithmic scale.
    whole : bool, default=False
        True for counts: all ticks are whole numbers.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False
    whole: bool = False

    def to_pixels(self, value: float) -> float:
        """Return the position of a value in pixels.

        Parameters
        ----------
        value : float

        Returns
        -------
        float
        """
        low, high = self.low, self.high
        if self.log:
            low, high, value = log10(low), log10(high), log10(value)
        return self.start + (value - low) / ((high - low) or 1.0) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Return a few round values of the axis.

        Returns
        -------
        list of float
            Powers of ten on a logarithmic axis that spans at least two of them.
        """
        if self.log:
            first, last = floor(log10(self.low)), floor(log10(self.high))
            powers = [10.0**e for e in range(first, last + 2) if self.low <= 10.0**e <= self.high]
            if len(powers) >= 2:
                return powers
        step = 10 ** floor(log10((self.high - self.low) / 3)) if self.high > self.low else 1.0
        if self.whole:
            step = max(1.0, step)
        while (self.high - self.low) / step > 6:
            step *= 2 if (self.high - self.low) / step <= 12 else 5 if self.whole and step < 2 else 2.5
        first_tick = -floor(-self.low / step + 1e-9) * step
        return [first_tick + i * step for i in range(int((self.high - first_tick) / step + 1e-6) + 1)]


def x_axis(low: float, high: float, log: bool = False) -> Axis:
    """Return the horizontal axis of a chart.

    Parameters
    ----------
    low, high : float
    log : bool, default=False

    Returns
    -------
    Axis
    """
    return Axis(low, high if high > low else low + 1, LEFT, WIDTH - RIGHT, log)


def y_axis(low: float, high: float, *, whole: bool = False) -> Axis:
    """Return the vertical axis of a chart.

    Parameters
    ----------
    low, high : float
    whole : bool, default=False
        True for counts.

    Returns
    -------
    Axis
    """
    return Axis(low, high if high > low else low + 1, HEIGHT - BOTTOM, TOP, whole=whole)


def format_number(value: float) -> str:
    """Format a number with three significant digits.

    Parameters
    ----------
    value : float

    Returns
    -------
    str

    Examples
    --------
    >>> format_number(0.12345), format_number(2500), format_number(1e7)
    ('0.123', '2,500', '1e+07')
    """
    if abs(value) < 1e-12:
        return "0"
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if 1000 <= abs(rounded) < 1e6 else f"{value:.3g}"


def draw_chart(
    title: str, x: Axis, y: Axis, x_label: str, y_label: str, body: Sequence[Markup], *, x_ticks: bool = True
) -> Markup:
    """Draw axes, grid and labels around the body of a chart.

    Parameters
    ----------
    title : str
        For screen readers.
    x, y : Axis
    x_label, y_label : str
    body : sequence of Markup
    x_ticks : bool, default=True
        False for a chart that labels its x axis itself.

    Returns
    -------
    Markup
    """
    bottom, middle = HEIGHT - BOTTOM, (TOP + HEIGHT - BOTTOM) / 2
    parts = [svg_element("title", title)]
    for tick in y.ticks():
        parts.append(draw_line("grid", LEFT, WIDTH - RIGHT, y.to_pixels(tick), y.to_pixels(tick)))
        parts.append(draw_text(format_number(tick), LEFT - 7, y.to_pixels(tick) + 4, "end"))
    parts += [
        draw_text(format_number(tick), x.to_pixels(tick), bottom + 17, "middle")
        for tick in (x.ticks() if x_ticks else ())
    ]
    parts += [
        draw_line("axis", LEFT, WIDTH - RIGHT, bottom, bottom),
        *body,
        draw_text(x_label, (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, "middle", css_class="label"),
        svg_element(
            "text", y_label, class_="label", transform=f"translate(13 {middle}) rotate(-90)", text_anchor="middle"
        ),
    ]
    return svg_element("svg", Markup("\n").join(parts), viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=title)


def draw_polyline(x: Axis, y: Axis, xs: Sequence[float], ys: Sequence[float | None], css_class: str) -> Markup:
    """Draw a line through points. A missing value breaks the line.

    Parameters
    ----------
    x, y : Axis
    xs : sequence of float
    ys : sequence of float or None
    css_class : str

    Returns
    -------
    Markup
    """
    commands, command = [], "M"
    for a, b in zip(xs, ys, strict=True):
        if b is None:
            command = "M"
            continue
        commands.append(f"{command}{x.to_pixels(a):.1f} {y.to_pixels(b):.1f}")
        command = "L"
    return svg_element("path", class_=f"line {css_class}", d="".join(commands))


def draw_bar(left: float, width: float, y: Axis, value: float, css_class: str) -> Markup:
    """Draw a bar from zero to a value.

    Parameters
    ----------
    left, width : float
        In pixels.
    y : Axis
    value : float
    css_class : str

    Returns
    -------
    Markup
    """
    top = y.to_pixels(value)
    return svg_element("rect", class_=f"bar {css_class}", x=left, width=width, y=top, height=y.to_pixels(0) - top)


def draw_line(css_class: str, x1: float, x2: float, y1: float, y2: float) -> Markup:
    """Draw a straight line.

    Parameters
    ----------
    css_class : str
    x1, x2, y1, y2 : float
        In pixels.

    Returns
    -------
    Markup
    """
    return svg_element("line", class_=css_class, x1=x1, x2=x2, y1=y1, y2=y2)


def draw_text(text: str, x: float, y: float, anchor: str, css_class: str = "tick") -> Markup:
    """Write text.

    Parameters
    ----------
    text : str
    x, y : float
        In pixels.
    anchor : {"start", "middle", "end"}
        The part of the text at x.
    css_class : str, default="tick"

    Returns
    -------
    Markup
    """
    return svg_element("text", text, class_=css_class, x=x, y=y, text_anchor=anchor)


def svg_element(tag: str, content: str | Markup = "", **attributes: str | float) -> Markup:
    """Return an SVG element. Attributes and content are escaped, unless the content is markup.

    Parameters
    ----------
    tag : str
    content : str or Markup, default=""
    **attributes : str or float
        Underscores in names become hyphens. A trailing underscore is removed, as in `class_`.

    Returns
    -------
    Markup

    Examples
    --------
    >>> svg_element("text", "a < b", class_="tick", text_anchor="end", x=1.25)
    Markup('<text class="tick" text-anchor="end" x="1.2">a &lt; b</text>')
    """
    pairs = Markup("").join(
        Markup(' {}="{}"').format(
            name.rstrip("_").replace("_", "-"), value if isinstance(value, str) else f"{value:.1f}"
        )
        for name, value in attributes.items()
    )
    return Markup("<{}{}>{}</{}>").format(tag, pairs, content, tag)
