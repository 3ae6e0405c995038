"""The packages of egbad and their imports, read from the source."""

import ast
from collections import defaultdict
from functools import cache
from itertools import pairwise
from pathlib import Path

from drawing import COLUMN, MARGIN, ROW, Node, colour, document, draw_node

SOURCE = Path(__file__).parents[2] / "src" / "egbad"
_BOX, _BOX_HEIGHT, _GAP = 96, 34, 10  # pixels of a package, and beside it
_BEND = 14  # pixels of an arrow that passes a level
_ROUNDS = 20  # of the ordering


@cache
def imports() -> dict[str, set[str]]:
    """Return the packages and modules of `egbad`, and which others each of them imports."""
    files = [path for path in sorted(SOURCE.rglob("*.py")) if path != SOURCE / "__init__.py"]
    units = {_unit(path): set[str]() for path in files}
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                continue
            found = {name.split(".")[1] for name in names if name.startswith("egbad.")}
            units[_unit(path)] |= (found & units.keys()) - {_unit(path)}
    return units


def _unit(path: Path) -> str:
    """Return the name of the package, or of the module directly in `egbad`, that a file belongs to."""
    return path.relative_to(SOURCE).with_suffix("").parts[0]


def levels(units: dict[str, set[str]]) -> dict[str, int]:
    """Return the level of each unit: 0 if it imports no other, otherwise one above the highest that it imports."""

    @cache
    def level(name: str) -> int:
        return 1 + max((level(other) for other in units[name]), default=-1)

    return {name: level(name) for name in units}


def direct_imports(units: dict[str, set[str]]) -> dict[str, set[str]]:
    """Return the imports that no chain of other imports implies."""

    @cache
    def below(name: str) -> frozenset[str]:
        return frozenset(units[name]).union(*(below(other) for other in units[name]))

    return {
        name: {other for other in others if not any(other in below(middle) for middle in others)}
        for name, others in units.items()
    }


def package_drawing() -> str:
    """Return the packages by level as SVG, with arrows to what they import, unless a longer chain implies it."""
    units = imports()
    level = levels(units)
    routes = [
        _bends(name, other, level) for name, others in sorted(direct_imports(units).items()) for other in sorted(others)
    ]
    top = max(level.values())
    x = _places(level | {bend: i for route in routes for bend, i in _between(route, level).items()}, routes)
    boxes = {
        name: Node(x[name] / COLUMN, top - i + 0.5, name, "step", w=_BOX / COLUMN, h=_BOX_HEIGHT / ROW)
        for name, i in level.items()
    }
    arrows = [_curve(route, boxes, x) for route in routes]
    parts = [
        f'<g style="fill: none; stroke: {colour("line")}; stroke-width: 1.2">{"".join(arrows)}</g>',
        *(draw_node(box) for box in boxes.values()),
    ]
    width = max(x.values()) + min(x.values())
    return document("packages", width, (top + 1) * ROW, parts)


def _bends(start: str, end: str, level: dict[str, int]) -> list[str]:
    """Return the units and the bends between them that an arrow passes, one on each level."""
    return [start, *(f"{start} {end} {i}" for i in range(level[start] - 1, level[end], -1)), end]


def _between(route: list[str], level: dict[str, int]) -> dict[str, int]:
    """Return the levels of the bends of an arrow."""
    return {bend: level[route[0]] - i for i, bend in enumerate(route) if 0 < i < len(route) - 1}


def _places(level: dict[str, int], routes: list[list[str]]) -> dict[str, float]:
    """Return the horizontal place of units and bends in pixels: near to those above and below."""
    rows, near = defaultdict[int, list[str]](list), defaultdict[str, list[str]](list)
    for name in sorted(level):
        rows[level[name]].append(name)
    for route in routes:
        for above, below in pairwise(route):
            near[above].append(below)
            near[below].append(above)
    widths = {name: _BEND if " " in name else _BOX + _GAP for name in level}
    whole = max(sum(widths[name] for name in names) for names in rows.values())
    x = dict.fromkeys(level, whole / 2)
    for _ in range(_ROUNDS):
        for names in rows.values():
            names.sort(key=lambda name: (sum(x[other] for other in near[name]) / max(1, len(near[name])), name))
            spare = (whole - sum(widths[name] for name in names)) / (len(names) + 1)
            left = MARGIN + spare
            for name in names:
                x[name] = left + widths[name] / 2
                left += widths[name] + spare
    return x


def _curve(route: list[str], boxes: dict[str, Node], x: dict[str, float]) -> str:
    """Return an arrow from the first unit of a route to the last one, through the bends between them."""
    (_, y), half = boxes[route[0]].centre, _BOX_HEIGHT / 2
    path = f"M{x[route[0]]:.0f} {y + half:.0f}"
    for i, (above, below) in enumerate(pairwise(route)):
        start = y + i * ROW + half
        end = start + ROW - 2 * half - (2 if below == route[-1] else 0)
        middle = (start + end) / 2
        path += f"C{x[above]:.0f} {middle:.0f} {x[below]:.0f} {middle:.0f} {x[below]:.0f} {end:.0f}"
        if below != route[-1]:
            path += f"V{end + 2 * half:.0f}"
    return f'<path d="{path}" marker-end="url(#tip-packages)"/>'
