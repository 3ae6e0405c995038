"""Columns of tables in files: Arrow batches to data, equal columns in all files, columns from folder names."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pyarrow as pa

from egbad.data.column_selection import select_columns
from egbad.data.column_types import BOOLEAN, CATEGORY, NUMBER, TIME, ColumnTypes, base_type, describe_type
from egbad.data.conversion import from_table, read_in_zones, without_index
from egbad.data.file_errors import arrow_errors, no_rows_error
from egbad.data.options import ReadOptions
from egbad.data.stream import Data
from egbad.data.times import time_zone
from egbad.errors import InvalidInputError, shorten
from egbad.output_files import printable

_HIVE_MISSING = "__HIVE_DEFAULT_PARTITION__"  # folder name of a missing value
_FOLDER_TYPES = {NUMBER: pa.float64(), BOOLEAN: pa.bool_(), TIME: pa.timestamp("us")}  # types that a name is cast to


def convert_batches(
    path: Path, batches: Iterable[pa.RecordBatch], options: ReadOptions, first_row: int = 0
) -> Iterator[Data]:
    """Convert Arrow batches of a file to data.

    Parameters
    ----------
    path : Path
        The file that the batches come from.
    batches : iterable of pyarrow.RecordBatch
    options : ReadOptions
    first_row : int
        Position of the first row in the file.

    Yields
    ------
    Data

    Raises
    ------
    InvalidInputError
        If there are no rows, or a column does not hold what its type says.
    UnreadableFileError
        If the file is damaged.
    """
    iterator = iter(batches)
    row = first_row
    while True:
        with arrow_errors(path):
            batch = next(iterator, None)
        if batch is None:
            break
        if batch.num_rows:
            yield replace(convert_table(path, pa.Table.from_batches([batch]), options), first_row=row)
            row += batch.num_rows
    if row == 0:
        raise no_rows_error(path)


def convert_table(path: Path, table: pa.Table, options: ReadOptions, cells: pa.Table | None = None) -> Data:
    """Convert an Arrow table of a file to data.

    Parameters
    ----------
    path : Path
        The file that the table comes from. The names of its folders may add columns, see `add_folder_columns`.
    table : pyarrow.Table
    options : ReadOptions
    cells : pyarrow.Table, optional
        Columns as the file holds them, where `table` holds them converted. They are carried to the output.

    Returns
    -------
    Data
    """
    table = without_index(table, (*options.columns.named, *(options.column_types or ())))
    table = add_folder_columns(path, table, options.column_types)
    return from_table(table, options.column_types, options.columns, cells)


def add_folder_columns(path: Path, table: pa.Table, column_types: ColumnTypes | None = None) -> pa.Table:
    """Add a column for each folder whose name gives a value, such as `day=2024-05-01`.

    As in Hive, names may have percent codes, and `__HIVE_DEFAULT_PARTITION__` is a missing value.

    Parameters
    ----------
    path : Path
        The file that the table comes from.
    table : pyarrow.Table
    column_types : mapping of str to str, optional
        Column types by name. By default the columns are categories.

    Returns
    -------
    pyarrow.Table

    Raises
    ------
    InvalidInputError
        If a value cannot be converted to the type of its column.
    """
    types = column_types if isinstance(column_types, Mapping) else {}
    for name, value in folder_values(path).items():
        if name not in table.column_names:
            table = table.append_column(name, _folder_column(name, value, types.get(name, CATEGORY), table.num_rows))
    return table


def folder_values(path: Path) -> dict[str, str]:
    """Return the columns that the folders of a file give, with their values.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict of str to str

    Examples
    --------
    >>> folder_values(Path("sales/day=2024-05-01/part.parquet"))
    {'day': '2024-05-01'}
    """
    found: dict[str, str] = {}
    for part in path.parts[:-1]:
        name, equals, value = map(unquote, printable(part).partition("="))
        if equals and name:
            found.setdefault(name, value)
    return found


def _folder_column(name: str, text: str, column_type: str, n_rows: int) -> pa.Array:
    """Return a column that has one value, given as text."""
    if text == _HIVE_MISSING:
        return pa.nulls(n_rows, pa.string())
    zone = time_zone(column_type)
    arrow_type = pa.timestamp("us", tz=zone) if zone else _FOLDER_TYPES.get(column_type)
    if arrow_type is None:
        return pa.DictionaryArray.from_arrays(pa.array(np.zeros(n_rows, dtype=np.int8)), [text])
    try:
        return pa.repeat(pa.scalar(text).cast(arrow_type), n_rows)
    except pa.ArrowInvalid as error:
        raise InvalidInputError(
            f"Column '{shorten(name)}' must hold {describe_type(column_type)}, got the folder name '{shorten(text)}'."
        ) from error


def match_columns(first_path: Path, first: Data, path: Path, data: Data) -> Data:
    """Check that a table has the columns of the first one, and give it their order and types.

    Parameters
    ----------
    first_path : Path
    first : Data
        Rows of the first file.
    path : Path
    data : Data
        Rows of another file.

    Returns
    -------
    Data
        The rows of the other file.

    Raises
    ------
    InvalidInputError
        If the names or the types of the columns differ. A column without any value has any type.
    """
    if data.columns != first.columns:
        if different := sorted({*(first.columns or ())} ^ {*(data.columns or ())}):
            problem = f"'{shorten(different[0])}' is in one of them only"
            raise InvalidInputError(f"Tables must have the same columns, got '{first_path}' and '{path}': {problem}.")
        data = select_columns(data, first.columns or ())
    numbers = (NUMBER,) * data.x.shape[1]
    data = read_in_zones(data, first.column_types or ())
    column_types = [*(data.column_types or numbers)]
    for j, (wanted, found) in enumerate(zip(first.column_types or numbers, column_types, strict=True)):
        if wanted != found and np.isnan(data.x[:, j]).all():
            column_types[j] = wanted
        elif wanted != found and {wanted, found} != {NUMBER, BOOLEAN}:
            name = (data.columns or ())[j]
            zone = base_type(wanted) == base_type(found)
            raise InvalidInputError(
                f"Column '{shorten(name)}' must have the same type in all files, got {describe_type(wanted, zone=zone)} in "
                f"'{first_path}' and {describe_type(found, zone=zone)} in '{path}'."
            )
    return replace(data, column_types=None if first.column_types is None else tuple(column_types))
