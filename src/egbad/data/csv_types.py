"""Types of the columns of a CSV file, detected from all of its rows."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from egbad.data.column_types import BOOLEAN, CATEGORY, NUMBER, TIME, TIME_OF_DAY, TYPE_DESCRIPTIONS, base_type
from egbad.data.csv_cells import read_cells
from egbad.data.csv_layout import CsvLayout
from egbad.data.csv_values import find_notable_marks, is_missing, parse_cells, parse_required
from egbad.errors import InvalidInputError, shorten

_TYPES = (NUMBER, BOOLEAN, TIME, TIME_OF_DAY)
_MOST = 0.9  # of the values of a column: if they have one type, the others are mistakes
_MANY_COLUMNS = 256
_MAX_INVALID = 1000  # a column with more invalid than valid values of a type is not checked further


@dataclass(frozen=True)
class FoundTypes:
    """Types of columns, and cells that were read as missing values although that is less certain.

    Attributes
    ----------
    types : dict of int to str or None
        Type of each column by its position; None if it has no values.
    marks : tuple of str
    """

    types: dict[int, str | None]
    marks: tuple[str, ...] = ()


def find_types(
    layout: CsvLayout, positions: Collection[int], batch_bytes: int, labels: Collection[int] = ()
) -> FoundTypes:
    """Find out the types of columns from all rows of a file.

    Parameters
    ----------
    layout : CsvLayout
    positions : collection of int
        Positions of the columns.
    batch_bytes : int
        Bytes that are read at once.
    labels : collection of int
        Positions of columns that may mix numbers and text.

    Returns
    -------
    FoundTypes

    Raises
    ------
    InvalidInputError
        If almost all values of a column have one type but some do not. The message names the first of them.
    UnreadableFileError
        If the file is damaged.
    """
    order = sorted(positions)
    if not order:
        return FoundTypes({})
    counts = _TypeCounts(layout, len(order))
    for table in read_cells(layout, batch_bytes, order):
        counts.add([column.combine_chunks() for column in table.columns])
    types: dict[int, str | None] = {}
    for i, j in enumerate(order):
        types[j], has_mistakes = counts.type_of(i)
        if has_mistakes and j in labels:
            types[j] = CATEGORY
        elif has_mistakes:
            raise _mistake_error(layout, j, str(types[j]), batch_bytes)
    typed = [marks for i, marks in counts.marks.items() if types[order[i]] not in (CATEGORY, None)]
    return FoundTypes(types, tuple(sorted(set[str]().union(*typed))))


class _TypeCounts:
    """Numbers of values of each type in d columns."""

    def __init__(self, layout: CsvLayout, d: int) -> None:
        self.decimal, self.missing = layout.dialect.decimal, layout.dialect.missing
        self.values = np.zeros(d, dtype=np.int64)
        self.valid = {column_type: np.zeros(d, dtype=np.int64) for column_type in _TYPES}
        self.marks: dict[int, set[str]] = {}

    def add(self, columns: Sequence[pa.Array]) -> None:
        """Count the values of the next rows, given as columns of text."""
        d, n = len(columns), len(columns[0])
        invalid, missing = np.ones((d, n), dtype=np.bool_), np.empty((d, n), dtype=np.bool_)
        is_open = {column_type: self._is_open(column_type) for column_type in _TYPES}
        for i in np.flatnonzero(~is_open[NUMBER]).tolist():
            missing[i] = is_missing(columns[i], self.missing)
        for own in column_groups(np.flatnonzero(is_open[NUMBER]).tolist()):
            parsed = parse_cells(pa.concat_arrays([columns[i] for i in own]), NUMBER, self.decimal, self.missing)
            invalid[own] = parsed.invalid.reshape(-1, n)
            missing[own] = parsed.missing.reshape(-1, n)
        invalid &= ~missing
        self.valid[NUMBER] += (~invalid & ~missing).sum(axis=1)
        self.values += (~missing).sum(axis=1)
        for column_type in _TYPES[1:]:
            for own in column_groups(np.flatnonzero(invalid.any(axis=1) & is_open[column_type]).tolist()):
                parsed = parse_cells(pa.concat_arrays([columns[i] for i in own]), column_type, marks=self.missing)
                self.valid[column_type][own] += (~parsed.invalid & ~parsed.missing).reshape(-1, n).sum(axis=1)
        for i in np.flatnonzero(missing.any(axis=1) & ~invalid.all(axis=1)).tolist():
            self.marks.setdefault(i, set()).update(find_notable_marks(columns[i]))

    def _is_open(self, column_type: str) -> NDArray[np.bool_]:
        """Return the columns that may still have a type."""
        valid = self.valid[column_type]
        return np.asarray(self.values - valid <= np.maximum(_MAX_INVALID, valid))

    def type_of(self, i: int) -> tuple[str | None, bool]:
        """Return the type of a column, None without values, and True if some values are not of that type."""
        n = int(self.values[i])
        if n == 0:
            return None, False
        column_type = max(_TYPES, key=lambda name: int(self.valid[name][i]))
        n_valid = int(self.valid[column_type][i])
        if n_valid < n * _MOST:
            return CATEGORY, False
        return column_type, n_valid < n


def _mistake_error(layout: CsvLayout, j: int, column_type: str, batch_bytes: int) -> InvalidInputError:
    """Return the error for the first value of a column that is not of its type."""
    row = 0
    for table in read_cells(layout, batch_bytes, [j]):
        text = table.column(0).combine_chunks()
        parsed = parse_cells(text, column_type, layout.dialect.decimal, layout.dialect.missing)
        if parsed.invalid.any():
            return invalid_cell_error(layout, j, column_type, row, text, parsed.invalid)
        row += table.num_rows
    raise AssertionError("the file has changed while it was read")


def invalid_cell_error(
    layout: CsvLayout, j: int, column_type: str, first_row: int, text: pa.Array, invalid: NDArray[np.bool_]
) -> InvalidInputError:
    """Create the error for the first cell that is not of the type of its column.

    Parameters
    ----------
    layout : CsvLayout
    j : int
        Position of the column.
    column_type : str
    first_row : int
        Row of the file that the first cell is in.
    text : pyarrow.StringArray of length n
    invalid : ndarray of bool of shape (n,)

    Returns
    -------
    InvalidInputError
    """
    i = int(invalid.argmax())
    name, cell = shorten(layout.names[j]), shorten(text[i].as_py())
    wanted = TYPE_DESCRIPTIONS[base_type(column_type)]
    return InvalidInputError(
        f"Column '{name}' of '{layout.path}' must hold {wanted}, got '{cell}' in row {first_row + i}. Correct it, name it as "
        f"a missing value (--missing '{cell}'), or make the column a category (--columns)."
    )


def column_groups(positions: list[int]) -> list[list[int]]:
    """Group columns of one type that are parsed at once.

    Parameters
    ----------
    positions : list of int

    Returns
    -------
    list of list of int
        One group if there are very many columns, which would take long one by one.
    """
    return [positions] if len(positions) > _MANY_COLUMNS else [[j] for j in positions]


def convert_cells(
    layout: CsvLayout, table: pa.Table, types: Sequence[str | None], first_row: int = 0
) -> list[pa.Array]:
    """Convert cells to the types of their columns.

    Parameters
    ----------
    layout : CsvLayout
    table : pyarrow.Table
        Cells as text, d columns.
    types : sequence of str or None of length d
        Types of the columns; None without values.
    first_row : int
        Row of the file that the table begins with.

    Returns
    -------
    list of pyarrow.Array of length d

    Raises
    ------
    InvalidInputError
        If a cell is not of its type. The message names it.
    """
    n = table.num_rows
    columns = [column.combine_chunks() for column in table.columns]
    result: list[pa.Array] = [pa.nulls(n)] * len(columns)
    same_type: dict[str, list[int]] = {}
    for j, column_type in enumerate(types):
        if column_type is not None:
            same_type.setdefault(column_type, []).append(j)
    groups = [(column_type, group) for column_type, own in same_type.items() for group in column_groups(own)]
    for column_type, positions in sorted(groups, key=lambda group: group[1]):  # the first wrong column is named
        text = pa.concat_arrays([columns[j] for j in positions])
        parsed = parse_required(text, column_type, layout.dialect.decimal, layout.dialect.missing)
        if parsed.invalid.any():
            k = int(parsed.invalid.argmax()) // n
            j, invalid = positions[k], parsed.invalid[k * n : (k + 1) * n]
            raise invalid_cell_error(layout, j, column_type, first_row, columns[j], invalid)
        for k, j in enumerate(positions):
            result[j] = parsed.values.slice(k * n, n)
    return result
