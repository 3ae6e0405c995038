"""What a command says: results on stdout as a table or JSON, everything else on stderr, files atomically."""

import csv
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import typer

from egbad.errors import EgbadError, InvalidInputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from egbad.scoring.score_files import ParquetTableWriter

Columns = Mapping[str, "NDArray[np.generic]"]

TABLES = (".csv", ".parquet", ".jsonl")
_SHOWN = 8  # entries of a list that a table shows


def note(text: str) -> None:
    """A line on stderr."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def counted(n: int, what: str) -> str:
    """A number of things.

    >>> counted(1, "row"), counted(1200, "row")
    ('1 row', '1,200 rows')
    """
    return f"{n:,} {what}{'' if n == 1 else 's'}"


@contextmanager
def silence() -> Iterator[None]:
    """Say nothing for a while: another process says it."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        yield


def one_line(text: str) -> str:
    r"""A message of several lines as one, its lists joined by commas.

    >>> one_line("Names differ.\nUnseen:\n- a\n- b\n")
    'Names differ. Unseen: a, b.'
    """
    whole = ""
    for line in filter(None, (line.strip() for line in text.splitlines())):
        if not line.startswith("- "):
            whole = f"{_ended(whole)} {line}" if whole else line
        else:
            whole += f"{' ' if whole.endswith(':') else ', '}{line[2:]}"
    return _ended(whole)


def _ended(text: str) -> str:
    return text if text.endswith((".", "!", "?", ":")) or not text else f"{text}."


def show(title: str, values: Mapping[str, Any], *, as_json: bool) -> None:
    """Named values on stdout: a table of two columns, or one JSON object."""
    if as_json:
        show_json(values)
    else:
        show_rows(title, ("", ""), [(name, in_words(value)) for name, value in values.items()], header=False)


def show_json(value: Any) -> None:
    """One JSON document on stdout."""
    with _stdout() as out:
        out.write(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def note_bad(files: Sequence[str]) -> None:
    """Say on stderr which files were left out."""
    if files:
        rest = f" and {len(files) - _SHOWN:,} more" if len(files) > _SHOWN else ""
        note(f"Left out, since they can't be read: {', '.join(files[:_SHOWN])}{rest}.")


@contextmanager
def lines() -> Iterator[Callable[[Any], None]]:
    """A function that puts one value as a line of JSON on stdout, at once."""
    with _stdout() as out:

        def answer(value: Any) -> None:
            out.write(json.dumps(value, ensure_ascii=False) + "\n")
            out.flush()

        yield answer


def show_rows(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, header: bool = True) -> None:
    """A table on stdout."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title), show_header=header, title_justify="left")
    for name in columns:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))  # Text: brackets in a user's names are no markup
    with _stdout() as out:
        Console(file=out).print(table)


def in_words(value: Any) -> str:
    """A value as a table shows it.

    >>> in_words(0.123456789), in_words(5000), in_words([1, 2]), in_words(None)
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
        rest = f", ... ({len(value):,} in all)" if len(value) > _SHOWN else ""
        return ", ".join(in_words(item) for item in value[:_SHOWN]) + rest if value else "-"
    return str(value)


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, names joined by a space; what is None is left out.

    >>> flat({"input": {"kind": "rows", "columns": None}, "seed": 0})
    {'input kind': 'rows', 'seed': 0}
    """
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{name} ")
        elif value is not None:
            found[prefix + name] = value
    return found


# -- files -------------------------------------------------------------------------------------------------------------


def check_target(path: Path) -> None:
    """Refuse a place that can't be written to before the work is done, not after.

    Raises
    ------
    EgbadError
        When `path` is a folder, or its folder is missing or not writable.
    """
    if path.is_dir():
        raise EgbadError(f"The output must be a file, '{path}' is a folder. Name a file in it.")
    if not path.parent.is_dir():
        raise EgbadError(f"There is no folder '{path.parent}' to write '{path.name}' to. Make it first.")
    if not os.access(path.parent, os.W_OK):
        raise EgbadError(f"The folder '{path.parent}' can't be written to. Choose another or change its permissions.")


def check_table(path: Path) -> None:
    """Refuse a table of scores that can't be written, as `check_target` does, or whose ending is unknown."""
    if path.is_dir() or not path.suffix:  # a folder of parts says for itself what is wrong
        return
    if path.suffix.lower() not in TABLES:
        raise InvalidInputError(f"Scores are written to files that end in {', '.join(TABLES)}, got '{path.name}'.")
    check_target(path)


class Table:
    """A table of columns (n,), written batch by batch to an open text file as CSV or as JSON lines."""

    def __init__(self, file: IO[str], kind: str) -> None:
        self.file, self.kind, self.begun = file, kind, False

    def write(self, columns: Columns) -> None:
        """The next rows."""
        if self.kind == ".jsonl":
            self.file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows(columns))
        else:
            _write_csv(self.file, columns, header=not self.begun)
        self.begun = True


@contextmanager
def table(path: Path | None) -> "Iterator[Table | ParquetTableWriter]":
    """A table to write to: a .csv, .parquet or .jsonl file, which is there once all is written, or stdout as CSV."""
    from egbad.model_file import atomic_write

    if path is None:
        with _stdout() as out:
            yield Table(out, ".csv")
        return
    with atomic_write(path) as draft:
        if path.suffix.lower() == ".parquet":
            from egbad.scoring.score_files import ParquetTableWriter

            with ParquetTableWriter(draft) as written:
                yield written
        else:
            with draft.open("w", encoding="utf-8", newline="") as file:
                yield Table(file, path.suffix.lower())


def _write_csv(file: IO[str], columns: Columns, *, header: bool) -> None:
    """Columns (n,) as CSV; floats so that they are read back exactly, booleans as true and false."""
    writer = csv.writer(file, lineterminator="\n")
    if header:
        writer.writerow(columns)
    cells = (
        [str(v).lower() for v in column.tolist()] if column.dtype.kind == "b" else column.tolist()
        for column in columns.values()
    )
    writer.writerows(zip(*cells, strict=True))


def rows(columns: Columns) -> Iterator[dict[str, Any]]:
    """Columns (n,) as n mappings of plain values; a number that is missing is None."""
    for values in zip(*(column.tolist() for column in columns.values()), strict=True):
        yield {name: None if value != value else value for name, value in zip(columns, values, strict=True)}


class _stdout:
    """sys.stdout; a reader that has gone away, as `| head` does, ends the command without a word."""

    def __enter__(self) -> IO[str]:
        return sys.stdout

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        try:
            sys.stdout.flush()
            gone = isinstance(error, BrokenPipeError)
        except BrokenPipeError:
            gone = True
        if gone:
            # Python flushes stdout once more at exit: give it a place where that works.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0)
