"""Output of commands: results on stdout, everything else on stderr."""

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TextIO

import typer

from egbad.errors import EgbadError, escape_controls, tidy_message
from egbad.output_files import is_device, printable

_MAX_LISTED = 8  # files that a message names


# -- stderr ------------------------------------------------------------------------------------------------------------


def note(text: str) -> None:
    """Write a line to stderr."""
    sys.stderr.write(tidy_message(printable(text)) + "\n")
    sys.stderr.flush()


def note_all(texts: Iterable[str]) -> None:
    """Write lines to stderr."""
    for text in texts:
        note(text)


def note_skipped(files: Sequence[str]) -> None:
    """List on stderr the files that were skipped because they cannot be read."""
    if files:
        rest = f" and {len(files) - _MAX_LISTED:,} more" if len(files) > _MAX_LISTED else ""
        note(f"Skipped, cannot be read: {', '.join(files[:_MAX_LISTED])}{rest}.")


@contextmanager
def silenced() -> Iterator[None]:
    """Discard stdout and stderr: of a process group only the first process prints."""
    with open(os.devnull, "w", encoding="utf-8") as null, redirect_stdout(null), redirect_stderr(null):
        yield


# -- text --------------------------------------------------------------------------------------------------------------


def count_of(n: int, noun: str) -> str:
    """Return a number with its noun.

    >>> count_of(1, "row"), count_of(1200, "row")
    ('1 row', '1,200 rows')
    """
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def one_line(text: str) -> str:
    r"""Join the lines of a message, and the items of its lists by commas.

    >>> one_line("Names differ.\nUnseen:\n- a\n- b\n")
    'Names differ. Unseen: a, b.'
    """
    joined = ""
    for line in filter(None, (line.strip() for line in text.splitlines())):
        if not line.startswith("- "):
            joined = f"{_with_full_stop(joined)} {line}" if joined else line
        else:
            joined += f"{' ' if joined.endswith(':') else ', '}{line[2:]}"
    return _with_full_stop(joined)


def _with_full_stop(text: str) -> str:
    return text if text.endswith((".", "!", "?", ":")) or not text else f"{text}."


# -- stdout ------------------------------------------------------------------------------------------------------------


@contextmanager
def stdout() -> Iterator[TextIO]:
    """Yield stdout; end the command without an error if its reader has gone away, as with `| head`.

    Characters that its encoding lacks are escaped, such as bytes in file names that are no UTF-8.
    """
    try:
        with _escaping(sys.stdout) as out:
            yield out
    except BrokenPipeError:
        # Python flushes stdout once more at exit. The null device accepts that.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None


@contextmanager
def _escaping(out: TextIO) -> Iterator[TextIO]:
    """Make a stream escape the characters that it cannot encode in a `with` block, and flush it at the end."""
    if not isinstance(out, TextIOWrapper):
        try:
            yield out
        finally:
            out.flush()
        return
    errors = out.errors
    out.reconfigure(errors="backslashreplace")
    try:
        yield out
    finally:
        out.reconfigure(errors=errors)  # flushes


class EscapingFile:
    """A text file that escapes control characters other than line breaks, so that data cannot control a terminal.

    The escape sequences are those of JSON.
    """

    def __init__(self, file: TextIO) -> None:
        self.file = file

    def write(self, text: str) -> int:
        """Write text."""
        return self.file.write("\n".join(map(escape_controls, text.split("\n"))))


def print_json(value: Any) -> None:
    """Print one JSON document."""
    with stdout() as out:
        out.write(_to_json(value, out, indent=2) + "\n")


@contextmanager
def json_lines() -> Iterator[Callable[[Any], None]]:
    """Yield a function that prints a value as one line of JSON and flushes it."""
    with stdout() as out:

        def print_line(value: Any) -> None:
            out.write(_to_json(value, out) + "\n")
            out.flush()

        yield print_line


def _to_json(value: Any, out: TextIO, indent: int | None = None) -> str:
    """Return a value as strict JSON, with escapes for control characters and for what the output cannot encode."""
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
    try:
        text.encode(out.encoding or "utf-8")
    except UnicodeEncodeError:  # half of a surrogate pair, or an output that is not UTF-8
        text = json.dumps(value, indent=indent, allow_nan=False)
    return "\n".join(map(escape_controls, text.split("\n")))


# -- files -------------------------------------------------------------------------------------------------------------


def check_writable(path: Path) -> None:
    """Raise before the work starts if a file cannot be written.

    Raises
    ------
    EgbadError
        If `path` is a folder or a file that is not writable, or its folder does not exist or is not writable.
    """
    if path.is_dir():
        raise EgbadError(f"The output must be a file, but '{path}' is a folder. Name a file in it.")
    if path.exists() and not os.access(path, os.W_OK):
        raise EgbadError(f"The file '{path}' is not writable. Choose another or change its permissions.")
    if is_device(path):
        return
    folder = Path(os.path.realpath(path)).parent if path.is_symlink() else path.parent
    if not folder.is_dir():
        raise EgbadError(f"There is no folder '{folder}' to write '{path.name}' to. Create it first.")
    if not os.access(folder, os.W_OK):
        raise EgbadError(f"The folder '{folder}' is not writable. Choose another or change its permissions.")
