"""The reference of the command line, made from the commands themselves."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import typer

from egbad.cli.main import app as commands

if TYPE_CHECKING:  # a test reads the text without Sphinx
    from sphinx.application import Sphinx
    from sphinx.util.typing import ExtensionMetadata

MARK = "<!-- commands -->"


def markdown() -> str:
    """Return a section for each command: its help, usage, arguments and options."""
    root: Any = typer.main.get_command(commands)
    return "\n".join(line for name, command in root.commands.items() for line in _section(f"egbad {name}", command, 2))


def _section(path: str, command: Any, level: int) -> Iterator[str]:
    yield from (f"{'#' * level} {path}", "", _escape(command.help or ""), "")
    with command.make_context(path, [], resilient_parsing=True) as context:
        usage = context.get_usage().removeprefix("Usage: ")
        records = [record for p in command.params if p.name != "help" and (record := p.get_help_record(context))]
    yield from ("```text", usage, "```", "")
    for name, text in records:
        yield from (f"`{name}`", f": {_escape(text.replace('  [', ' ['))}", "")
    for name, inner in getattr(command, "commands", {}).items():
        yield from _section(f"{path} {name}", inner, level + 1)


def _escape(text: str) -> str:
    """Return plain text as Markdown."""
    text = "".join(f"\\{sign}" if sign in "\\`*_{}[]<>#|$" else sign for sign in text)
    return text.replace("--", "\\-\\-").replace("...", "\\...")


def _read(app: "Sphinx", page: str, source: list[str]) -> None:
    if MARK in source[0]:
        source[0] = source[0].replace(MARK, markdown())


def setup(app: "Sphinx") -> "ExtensionMetadata":
    """Connect the reader of pages."""
    app.connect("source-read", _read)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
