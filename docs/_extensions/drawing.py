"""Drawings of boxes and arrows as SVG. Their colours follow the theme of the site; in other places they are those of paper."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from math import dist
from typing import NamedTuple

COLUMN, ROW = 40, 62  # pixels of a step in the grid of nodes
MARGIN, TITLE = 14, 34  # pixels around a drawing, and above a panel with a title
SIZE, SMALL = 15, 12  # font sizes in pixels
_WIDE = 0.58  # mean width of a letter, relative to the font size
_TIP = 2  # pixels between an arrow's tip and its node

# Custom properties of `_static/site.css` with their values on white paper.
COLOURS = {
    "paper": "#ffffff",
    "ink": "#1c2733",
    "line": "#51606f",
    "rule": "#d5dce3",
    "encoder": "#cfe3f7",
    "generator": "#fbdcc0",
    "discriminator": "#d9d3ef",
    "step": "#e8ecf0",
    "score": "#cdeacb",
}
KINDS = ("value", "encoder", "generator", "discriminator", "step", "score")


def colour(name: str) -> str:
    """Return the CSS value of one of `COLOURS`."""
    return f"var(--drawing-{name}, {COLOURS[name]})"


@dataclass(frozen=True)
class Node:
    """Text in the grid of a panel, in a box unless it is a value.

    Parameters
    ----------
    x, y : float
        Centre, in columns and rows.
    text : str
        Lines are separated by newlines. After a letter and an underscore
        follows a subscript, up to another underscore or the end of the word: "D_xx".
    kind : str
        One of `KINDS`.
    w, h : float, optional
        Width in columns and height in rows. By default as large as the text needs.
    """

    x: float
    y: float
    text: str
    kind: str = "value"
    w: float | None = None
    h: float | None = None

    @property
    def size(self) -> int:
        """Font size in pixels."""
        return SMALL if self.kind in ("step", "score") else SIZE

    @property
    def lines(self) -> list[str]:
        """Lines of the text."""
        return self.text.split("\n")

    @property
    def text_width(self) -> float:
        """Estimated width of the text in pixels."""
        return max(len(re.sub(r"[_\u0300-\u036f]", "", line)) for line in self.lines) * self.size * _WIDE

    @property
    def half(self) -> tuple[float, float]:
        """Half the width and height in pixels."""
        is_value = self.kind == "value"
        width = self.text_width + (8 if is_value else 20)
        height = len(self.lines) * (self.size + 4) + (4 if is_value else 14)
        return (self.w * COLUMN if self.w else max(width, 0 if is_value else 46)) / 2, (
            self.h * ROW if self.h else height
        ) / 2

    @property
    def centre(self) -> tuple[float, float]:
        """Centre in pixels."""
        return self.x * COLUMN, self.y * ROW


class Arrow(NamedTuple):
    """Arrow between two nodes of a panel.

    Parameters
    ----------
    start, end : str
        Names of nodes.
    via : {"", "horizontal", "vertical", "below"}
        First direction of an arrow with a corner; "below" leads back under the nodes; "" is straight.
    text : str
        Label.
    dashed : bool
        True for what flows back, such as gradients.
    """

    start: str
    end: str
    via: str = ""
    text: str = ""
    dashed: bool = False


@dataclass(frozen=True)
class Panel:
    """Part of a drawing: nodes by name, and arrows between them; "a b" is a straight arrow from a to b."""

    title: str
    nodes: Mapping[str, Node]
    arrows: Sequence[Arrow | str]

    def all_arrows(self) -> list[Arrow]:
        """Return the arrows, those given as text included."""
        return [arrow if isinstance(arrow, Arrow) else Arrow(*arrow.split()) for arrow in self.arrows]

    @property
    def bottom(self) -> float:
        """Lowest point of the nodes and of arrows below them, in pixels."""
        low = max(node.centre[1] + node.half[1] for node in self.nodes.values())
        return low + (26 if any(arrow.via == "below" for arrow in self.all_arrows()) else 0)


def draw(name: str, panels: Sequence[Panel]) -> str:
    """Return panels, one below the other, as an SVG document.

    Parameters
    ----------
    name : str
        Name of the drawing, used for its identifiers.
    panels : sequence of Panel

    Returns
    -------
    str
    """
    width = max(node.centre[0] + node.half[0] for panel in panels for node in panel.nodes.values()) + MARGIN
    parts, y = list[str](), float(MARGIN)
    for i, panel in enumerate(panels):
        if i:
            parts.append(f'<path d="M{MARGIN} {y:g}H{width - MARGIN:g}" style="stroke: {colour("rule")}"/>')
            y += MARGIN
        if panel.title:
            parts.append(f'<text x="{MARGIN}" y="{y + 14:g}" font-weight="bold">{escape(panel.title)}</text>')
            y += TITLE
        parts.append(f'<g transform="translate(0 {y:g})">\n{_panel(name, panel)}\n</g>')
        y += panel.bottom + MARGIN
    return document(name, width, y, parts)


def document(name: str, width: float, height: float, parts: Sequence[str]) -> str:
    """Return an SVG document with elements in the style of all drawings.

    Parameters
    ----------
    name : str
        Name of the drawing, used for its identifiers.
    width, height : float
        In pixels.
    parts : sequence of str
        Elements.

    Returns
    -------
    str
    """
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}"'
            f' font-family="Helvetica, Arial, sans-serif" font-size="{SIZE}" style="fill: {colour("ink")}">',
            f'<defs><marker id="tip-{name}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
            f'orient="auto"><path d="M0 0 10 5 0 10z" style="fill: {colour("line")}"/></marker></defs>',
            f'<rect width="{width:.0f}" height="{height:.0f}" style="fill: {colour("paper")}"/>',
            *parts,
            "</svg>\n",
        ]
    )


def _panel(name: str, panel: Panel) -> str:
    arrows = "".join(_arrow(name, panel, arrow) for arrow in panel.all_arrows())
    return "\n".join(
        [
            f'<g style="fill: none; stroke: {colour("line")}; stroke-width: 1.5">{arrows}</g>',
            *(_label(panel, arrow) for arrow in panel.all_arrows() if arrow.text),
            *(draw_node(node) for node in panel.nodes.values()),
        ]
    )


def draw_node(node: Node) -> str:
    """Return the elements of a node."""
    (x, y), (a, b) = node.centre, node.half
    first = y - (len(node.lines) - 1) * (node.size + 4) / 2 + 0.35 * node.size
    rows = [
        f'<text x="{x:.1f}" y="{first + i * (node.size + 4):.1f}" text-anchor="middle" font-size="{node.size}">'
        f"{_with_subscripts(line)}</text>"
        for i, line in enumerate(node.lines)
    ]
    if node.kind == "value":
        return "".join(rows)
    style = f"fill: {colour(node.kind)}; stroke: {colour('line')}; stroke-width: 1.2"
    corner = f'x="{x - a:.1f}" y="{y - b:.1f}" width="{2 * a:.1f}" height="{2 * b:.1f}"'
    return f'<rect {corner} rx="6" style="{style}"/>' + "".join(rows)


def _with_subscripts(text: str) -> str:
    """Return text as SVG: "D_xx" with a lowered xx."""
    lowered = r'<tspan dy="4" font-size="0.75em">\1</tspan><tspan dy="-4">&#8203;</tspan>'
    return re.sub(r"(?<=\b[^\W_])_(\w+?)(?:_|\b)", lowered, escape(text))


def _edge(node: Node, towards: tuple[float, float]) -> tuple[float, float]:
    """Return the point of a node's box that faces a point to its side, above or below."""
    (x, y), (a, b) = node.centre, node.half
    dx, dy = towards[0] - x, towards[1] - y
    if abs(dy) < b or (abs(dx) >= a and abs(dx) / a >= abs(dy) / b):  # beside
        level = towards[1] if abs(dy) < b else y
        return (x + (a + _TIP if dx > 0 else -a - _TIP), level)
    return (towards[0] if abs(dx) < a else x, y + (b + _TIP if dy > 0 else -b - _TIP))


def route(panel: Panel, arrow: Arrow) -> list[tuple[float, float]]:
    """Return the corners of an arrow in pixels, from its start to its tip."""
    start, end = panel.nodes[arrow.start], panel.nodes[arrow.end]
    (x, y), (u, v) = start.centre, end.centre
    if arrow.via == "below":
        level = panel.bottom - 6
        return [
            (x, y + start.half[1] + _TIP),
            (x, level),
            (u, level),
            (u, v + end.half[1] + _TIP),
        ]
    if arrow.via:
        corner = (u, y) if arrow.via == "horizontal" else (x, v)
        return [_edge(start, corner), corner, _edge(end, corner)]
    if abs(y - v) < end.half[1] and start.half[1] <= end.half[1]:  # at the level of the smaller box
        return [_edge(start, (u, y)), _edge(end, (x, y))]
    if abs(y - v) < start.half[1]:
        return [_edge(start, (u, v)), _edge(end, (x, v))]
    return [_edge(start, (u, v)), _edge(end, (x, y))]


def _arrow(name: str, panel: Panel, arrow: Arrow) -> str:
    corners = "L".join(f"{x:.1f} {y:.1f}" for x, y in route(panel, arrow))
    dashes = ' stroke-dasharray="5 4"' if arrow.dashed else ""
    return f'<path d="M{corners}" marker-end="url(#tip-{name})"{dashes}/>'


def _label(panel: Panel, arrow: Arrow) -> str:
    """Return the text of an arrow: above the middle of its longest part, or beside it if that is vertical."""
    corners = route(panel, arrow)
    (x, y), (u, v) = max(pairwise(corners), key=lambda pair: dist(*pair))
    left, top, anchor = ((x + u) / 2, (y + v) / 2 - 5, "middle") if x != u else (x + 8, (y + v) / 2 + 4, "start")
    return (
        f'<text x="{left:.1f}" y="{top:.1f}" text-anchor="{anchor}" font-size="{SMALL}">'
        f"{_with_subscripts(arrow.text)}</text>"
    )
