"""Files of scores: formats, checks and writers."""

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from egbad.cli.options import check_suffix
from egbad.cli.output import EscapingFile, stdout
from egbad.output_files import atomic_write, is_device
from egbad.scoring.score_files import ParquetTableWriter
from egbad.scoring.score_tables import Columns, plain_cells

SCORE_FORMATS = (".csv", ".parquet", ".jsonl")
_FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")


def check_score_target(path: Path) -> None:
    """Raise if the format of a file of scores is not known. Devices and pipes receive CSV."""
    if not is_folder_target(path) and not is_device(path):
        check_suffix(path, SCORE_FORMATS, "scores")


def is_folder_target(path: Path) -> bool:
    """Return True if scores for `path` are written as a folder of parts."""
    return path.is_dir() or not (path.suffix or is_device(path))


class TextTable:
    """A table that is written batch by batch to an open text file, as CSV or as JSON lines."""

    def __init__(self, file: IO[str] | EscapingFile, suffix: str) -> None:
        self.file, self.suffix, self.has_header = file, suffix, False

    def write(self, columns: Columns) -> None:
        """Append rows, given as columns of shape (n_samples,)."""
        if self.suffix == ".jsonl":
            for row in to_records(columns):
                self.file.write(json.dumps(row, ensure_ascii=False) + "\n")
        else:
            _write_csv(self.file, columns, header=not self.has_header)
        self.has_header = True


@contextmanager
def open_score_table(path: Path | None) -> Iterator[TextTable | ParquetTableWriter]:
    """Yield a table to write scores to.

    Parameters
    ----------
    path : Path or None
        A .csv, .parquet or .jsonl file, which appears when all rows are written. None writes CSV to stdout.
    """
    if path is None:
        with stdout() as out:
            yield TextTable(EscapingFile(out) if out.isatty() else out, ".csv")
        return
    suffix = path.suffix.lower()
    with atomic_write(path) as draft:
        if suffix == ".parquet":
            with ParquetTableWriter(draft) as table:
                yield table
        else:
            with draft.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
                yield TextTable(file, suffix)


def _write_csv(file: IO[str] | EscapingFile, columns: Columns, *, header: bool) -> None:
    """Write columns as CSV: floats with all digits, booleans as true and false, missing values as empty cells."""
    writer = csv.writer(file, lineterminator="\n")
    if header:
        writer.writerow(map(safe_cell, columns))
    writer.writerows(zip(*map(_csv_cells, columns.values()), strict=True))


def _csv_cells(column: Any) -> list[Any]:
    """Return the cells of a column (n_samples,) in CSV."""
    return [str(value).lower() if isinstance(value, bool) else safe_cell(value) for value in plain_cells(column)]


def to_records(columns: Columns) -> Iterator[dict[str, Any]]:
    """Yield the rows of columns of shape (n_samples,) as dictionaries of Python values, with None for NaN."""
    for values in zip(*map(plain_cells, columns.values()), strict=True):
        yield dict(zip(columns, values, strict=True))


def safe_cell(value: Any) -> Any:
    """Return a cell of CSV that no spreadsheet takes for a formula: text that begins like one gets an apostrophe.

    >>> safe_cell("=1+1"), safe_cell("-3.5"), safe_cell(-3.5), safe_cell("tcp")
    ("'=1+1", '-3.5', -3.5, 'tcp')
    """
    if not isinstance(value, str) or not value.startswith(_FORMULA_SIGNS):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value
