"""Tables on stdout, for people."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from egbad.cli.output import print_json, stdout
from egbad.errors import escape_controls

_MAX_LISTED = 8  # entries of a list that a cell shows


def format_value(value: Any) -> str:
    """Format a value for a table.

    >>> format_value(0.123456789), format_value(5000), format_value([1, 2]), format_value(None)
    ('0.123457', '5,000', '1, 2', '-')
    """
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list | tuple):
        rest = f", ... ({len(value):,} in total)" if len(value) > _MAX_LISTED else ""
        return ", ".join(format_value(item) for item in value[:_MAX_LISTED]) + rest if value else "-"
    return str(value)


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested mappings, with names joined by a space, and drop values that are None.

    >>> flatten({"input": {"kind": "rows", "columns": None}, "seed": 0})
    {'input kind': 'rows', 'seed': 0}
    """
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{name} ")
        elif value is not None:
            flat[prefix + name] = value
    return flat


def print_values(title: str, values: Mapping[str, Any], *, as_json: bool) -> None:
    """Print named values as a table of two columns or as a JSON object.

    Underscores in the names become spaces in the table.
    """
    if as_json:
        print_json(values)
    else:
        rows = [(name.replace("_", " "), format_value(value)) for name, value in values.items()]
        print_table(title, ("", ""), rows, header=False)


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, header: bool = True) -> None:
    """Print a table of text cells."""
    table = Table(title=Text(escape_controls(title)), show_header=header, title_justify="left")
    for name in columns:
        table.add_column(Text(escape_controls(name)), overflow="fold")
    for row in rows:
        table.add_row(*(Text(escape_controls(cell)) for cell in row))  # Text: brackets in a user's names are no markup
    with stdout() as out:
        Console(file=out).print(table)
