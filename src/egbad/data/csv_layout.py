"""Layout of a CSV file: its dialect, compression and column names, detected from its first lines."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from egbad.data.column_types import NUMBER, TIME, TIME_OF_DAY
from egbad.data.csv_options import DELIMITER_NAMES, CsvDialect, CsvOptions
from egbad.data.csv_sample import DEFAULT_CSV_LIMITS, CsvLimits, CsvSample, SampleTable, read_sample
from egbad.data.csv_values import parse_cells
from egbad.errors import InvalidInputError, UnreadableFileError, shorten

_MAX_RAGGED = 0.1  # of the rows of a sample: rows of another length may be damaged
_MAX_DAMAGED = 0.5  # of the rows of a sample whose delimiter is still plain
_COMMON_DELIMITERS = (",", ";", "\t")
_MOST = 0.9  # of the cells of a column that must be numbers to tell something about the decimal mark


@dataclass(frozen=True)
class CsvLayout:
    """Dialect of one file, and where its rows are.

    Attributes
    ----------
    path : Path
    dialect : CsvDialect
    compression : str, optional
        Name of a codec of Arrow.
    names : tuple of str
        Names of the columns.
    skipped_lines : int
        Lines before the first row that are no comments.
    """

    path: Path
    dialect: CsvDialect
    compression: str | None
    names: tuple[str, ...]
    skipped_lines: int


def find_layout(
    path: Path, options: CsvOptions, known_names: Collection[str] = (), limits: CsvLimits = DEFAULT_CSV_LIMITS
) -> CsvLayout:
    """Find out the layout of a file from its first lines.

    Parameters
    ----------
    path : Path
    options : CsvOptions
        Signs that are known.
    known_names : collection of str
        Names of columns: a first line with one of them is a header.
    limits : CsvLimits
        Limits of columns and of the length of lines.

    Returns
    -------
    CsvLayout

    Raises
    ------
    InvalidInputError
        If the file is empty, its decimal mark is ambiguous, or the given delimiter leaves one column where another would
        split the lines.
    UnreadableFileError
        If the file is damaged or exceeds a limit.
    """
    options = options.check()
    like = options.like or CsvDialect()
    sample = read_sample(path, options.encoding, like.encoding, options.comment or like.comment, limits)
    table = sample.split(_find_delimiter(path, sample, options))
    if not table.n_columns:
        raise UnreadableFileError(f"'{path}' cannot be read as .csv: its first lines are no table. Check the file.")
    names = sample.header_comment(table) if options.header is None else ()
    header = bool(names) or (_has_header(table, {*known_names}, like) if options.header is None else options.header)
    skipped = sample.preamble_lines
    body = table
    if header and not names:
        names, body = table.first_row, table.without_header()
        skipped += 1 + sum(name.count("\n") for name in names)
    dialect = CsvDialect(
        table.delimiter,
        options.decimal or _find_decimal(path, body, options),
        header,
        sample.comment,
        sample.encoding,
        options.missing or like.missing,
    )
    names = names or tuple(f"column_{j + 1}" for j in range(table.n_columns))
    return CsvLayout(path, dialect, sample.compression, names, skipped)


# -- delimiter ---------------------------------------------------------------------------------------------------------


def _find_delimiter(path: Path, sample: CsvSample, options: CsvOptions) -> str:
    """Return the delimiter that splits the lines of a sample into the same number of cells."""
    signs = [sign for sign in DELIMITER_NAMES if sign not in (options.decimal, sample.comment)]
    known = options.delimiter or sample.delimiter
    if known is not None and sample.has_too_many_columns(known):
        raise _too_many_columns_error(path, sample, known)
    if sample.delimiter is not None and options.delimiter is None:
        return sample.delimiter
    tables = {sign: sample.split(sign) for sign in signs}
    regular = {
        sign: table for sign, table in tables.items() if table.n_columns > 1 and table.ragged_fraction <= _MAX_RAGGED
    }
    # Spaces are in most texts: they divide numbers only.
    if " " in regular and _typed_fraction(regular[" "]) < 1:
        del regular[" "]
    if options.delimiter is not None:
        if sample.split(options.delimiter).n_columns == 1:
            _refuse_one_column(path, options.delimiter, regular)
        return options.delimiter
    if "\t" in regular and ".tsv" in path.name.lower():
        return "\t"
    if regular:
        return max(regular, key=lambda sign: _quality(regular[sign]))
    # Texts have many spaces.
    if wide := [sign for sign in signs if sign != " " and sample.has_too_many_columns(sign)]:
        raise _too_many_columns_error(path, sample, wide[0])
    # A sign that splits the first line and most others: the reader names a line that it does not split.
    if usual := [sign for sign in _COMMON_DELIMITERS if sign in signs and _splits_most(tables[sign])]:
        return max(usual, key=lambda sign: _quality(tables[sign]))
    single_column = [sign for sign in signs if not tables[sign].ragged_fraction]
    return single_column[0] if single_column else min(signs, key=lambda sign: tables[sign].ragged_fraction)


def _too_many_columns_error(path: Path, sample: CsvSample, delimiter: str) -> UnreadableFileError:
    return UnreadableFileError(
        f"'{path}' must have at most {sample.max_columns:,} columns, got more with the delimiter "
        f"{DELIMITER_NAMES.get(delimiter, delimiter)}. Check the file, or store so many numbers as .npy."
    )


def _splits_most(table: SampleTable) -> bool:
    return table.n_columns > 1 and table.ragged_fraction <= _MAX_DAMAGED


def _quality(table: SampleTable) -> tuple[bool, float, int]:
    """Return values that are higher the more a delimiter looks like the right one."""
    return table.ragged_fraction == 0, _typed_fraction(table), table.n_columns


def _typed_fraction(table: SampleTable) -> float:
    """Return the fraction of cells that are numbers or times."""
    text = (table.without_header() if table.n_rows > 1 else table).cells
    invalid = parse_cells(text, TIME).invalid
    for decimal in (".", ","):
        invalid = invalid & parse_cells(text, NUMBER, decimal).invalid
    return float(1 - invalid.mean())


def _refuse_one_column(path: Path, delimiter: str, others: dict[str, SampleTable]) -> None:
    """Raise if another delimiter splits all lines of a file that has one column."""
    better = [sign for sign, table in others.items() if not table.ragged_fraction]
    if better:
        sign = max(better, key=lambda sign: _quality(others[sign]))
        raise InvalidInputError(
            f"'{path}' has one column with the delimiter {DELIMITER_NAMES.get(delimiter, delimiter)}, but the delimiter "
            f"{DELIMITER_NAMES[sign]} splits it into {others[sign].n_columns}. Use that one (--delimiter "
            f"{DELIMITER_NAMES[sign]})."
        )


# -- header ------------------------------------------------------------------------------------------------------------


def _has_header(table: SampleTable, known_names: set[str], like: CsvDialect) -> bool:
    """Return False if the first line has values of the same types as the lines below it."""
    first = table.first_row
    if known_names & {*first} or not any(first):
        return True
    if not like.header:
        return False
    if table.n_rows == 1:
        typed = [*range(len(first))]
    else:
        typed = np.flatnonzero(_typed_columns(table.without_header())).tolist()
    is_typed = _typed_columns(SampleTable(table.cells_of_row(0), len(first), 1, 0, table.delimiter))
    names = [first[j] for j in typed if first[j]]
    if not names or not all(is_typed[j] for j in typed if first[j]):
        return True
    return _are_consecutive(names)


def _typed_columns(table: SampleTable) -> NDArray[np.bool_]:
    """Return the columns that have values, all of which are numbers or times."""
    missing = table.by_column(parse_cells(table.cells, NUMBER).missing)
    valid = np.zeros(table.n_columns, dtype=np.bool_)
    for decimal in (".", ","):
        valid |= ~table.by_column(parse_cells(table.cells, NUMBER, decimal).invalid).any(axis=1)
    for column_type in (TIME, TIME_OF_DAY):
        valid |= ~table.by_column(parse_cells(table.cells, column_type).invalid).any(axis=1)
    return np.asarray(valid & ~missing.all(axis=1))


def _are_consecutive(cells: list[str]) -> bool:
    """Return True for names that are numbers: 0, 1, 2 as pandas writes them, or years."""
    if len(cells) < 2 or not all(cell.isdecimal() for cell in cells):
        return False
    return [int(cell) - int(cells[0]) for cell in cells] == [*range(len(cells))]


# -- decimal mark ------------------------------------------------------------------------------------------------------


def _find_decimal(path: Path, table: SampleTable, options: CsvOptions) -> str:
    """Return the decimal mark of the numbers in a sample."""
    fraction = {mark: _number_fraction(table, mark) for mark in (".", ",")}
    # Columns that are numbers with one of the marks only.
    points, commas = (
        np.flatnonzero((fraction[mark] >= _MOST) & (fraction[mark] > fraction[other]))
        for mark, other in ((".", ","), (",", "."))
    )
    if len(points) and len(commas):
        examples = [_example(table, int(found[0]), mark) for found, mark in ((points, "."), (commas, ","))]
        raise InvalidInputError(
            f"Numbers in '{path}' must have the same decimal mark, got '{examples[0]}' and '{examples[1]}'. Write them "
            "alike, or choose one (--decimal): columns with the other one become categories."
        )
    if len(commas) or len(points):
        return "," if len(commas) else "."
    if options.like is not None and options.like.delimiter == table.delimiter:
        return options.like.decimal
    either = np.flatnonzero((fraction[","] >= _MOST) & (fraction["."] >= _MOST))
    ambiguous = [example for j in either if "," in (example := _example(table, int(j), ","))]
    if ambiguous and table.delimiter != ",":
        raise InvalidInputError(
            f"The comma in '{ambiguous[0]}' in '{path}' may be a decimal mark or separate thousands. Say which (--decimal "
            ", or --decimal .)."
        )
    return "."


def _number_fraction(table: SampleTable, decimal: str) -> NDArray[np.float64]:
    """Return the fraction of numbers among the values of each column; 0 for columns without values."""
    parsed = parse_cells(table.cells, NUMBER, decimal)
    valid = table.by_column(~parsed.invalid & ~parsed.missing).sum(axis=1)
    return np.asarray(valid / np.maximum(1, table.by_column(~parsed.missing).sum(axis=1)))


def _example(table: SampleTable, j: int, mark: str) -> str:
    """Return a cell of a column with a mark in it, shortened."""
    cells = [cell for cell in table.column(j).to_pylist() if cell]
    return shorten(next((cell for cell in cells if mark in cell), cells[0] if cells else ""))
