"""The reference of the command line, made from the commands themselves."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import typer

from egbad.cli.japanese_help import describe, paragraphs, read_texts
from egbad.cli.main import app as commands

if TYPE_CHECKING:  # a test reads the text without Sphinx
    from sphinx.application import Sphinx
    from sphinx.util.typing import ExtensionMetadata

MARK = "<!-- commands -->"


def markdown(language: str = "en") -> str:
    """Return a section for each command: its help, usage, arguments and options.

    Parameters
    ----------
    language : {"en", "ja"}

    Returns
    -------
    str
    """
    root: Any = typer.main.get_command(commands)
    texts = read_texts() if language == "ja" else {}
    sections = (_section(f"egbad {name}", command, 2, texts) for name, command in root.commands.items())
    return "\n".join(line for section in sections for line in section)


def _section(path: str, command: Any, level: int, texts: Mapping[str, str]) -> Iterator[str]:
    help_text = "\n\n".join(texts.get(paragraph, paragraph) for paragraph in paragraphs(command.help or ""))
    yield from (f"{'#' * level} {path}", "", _escape(help_text), "")
    with command.make_context(path, [], resilient_parsing=True) as context:
        usage = context.get_usage().removeprefix("Usage: ")
        records = [record for p in command.params if p.name != "help" and (record := p.get_help_record(context))]
    yield from ("```text", usage, "```", "")
    for name, text in records:
        yield from (f"`{name}`", f": {_escape(describe(text, texts))}", "")
    for name, inner in getattr(command, "commands", {}).items():
        yield from _section(f"{path} {name}", inner, level + 1, texts)


def _escape(text: str) -> str:
    """Return plain text as Markdown."""
    text = "".join(f"\\{sign}" if sign in "\\`*_{}[]<>#|$" else sign for sign in text)
    return text.replace("--", "\\-\\-").replace("...", "\\...")


def _read(app: "Sphinx", page: str, source: list[str]) -> None:
    """Insert the sections, which are no messages for the catalogues: the library has its own translations."""
    if MARK in source[0] and app.builder.name != "gettext":
        source[0] = source[0].replace(MARK, markdown(app.config.language))


def setup(app: "Sphinx") -> "ExtensionMetadata":
    """Connect the reader of pages."""
    app.connect("source-read", _read)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
