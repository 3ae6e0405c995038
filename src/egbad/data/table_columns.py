"""Columns of tables in files: Arrow batches to data, equal columns in all files, columns from folder names."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from egbad.data.column_types import CATEGORY, NUMBER, TYPE_DESCRIPTIONS, category_code
from egbad.data.conversion import from_table
from egbad.data.file_errors import arrow_errors, no_rows_error
from egbad.data.options import ReadOptions
from egbad.data.stream import Data
from egbad.errors import InvalidInputError
from egbad.output_files import printable


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


def convert_table(path: Path, table: pa.Table, options: ReadOptions) -> Data:
    """Convert an Arrow table of a file to data.

    Parameters
    ----------
    path : Path
        The file that the table comes from. The names of its folders may add columns, see `add_folder_columns`.
    table : pyarrow.Table
    options : ReadOptions

    Returns
    -------
    Data
    """
    return add_folder_columns(path, from_table(table, options.label_column, options.column_types))


def add_folder_columns(path: Path, data: Data) -> Data:
    """Add a category column for each folder whose name gives a value, such as `day=2024-05-01`.

    Parameters
    ----------
    path : Path
        The file that the data come from.
    data : Data

    Returns
    -------
    Data
    """
    pairs = [printable(part).partition("=") for part in path.parts[:-1]]
    added = [(name, value) for name, equals, value in pairs if equals and name and name not in (data.columns or ())]
    if not added or data.columns is None:
        return data
    codes = np.tile([category_code(value) for _, value in added], (len(data.x), 1))
    d = data.x.shape[1]
    return replace(
        data,
        x=np.hstack([data.x, codes]),
        columns=(*data.columns, *(name for name, _ in added)),
        column_types=(*(data.column_types or (NUMBER,) * d), *(CATEGORY for _ in added)),
        category_labels=data.category_labels
        | {d + i: {category_code(value): value} for i, (_, value) in enumerate(added)},
    )


def match_columns(first_path: Path, first: Data, path: Path, data: Data) -> Data:
    """Check that a table has the columns of the first one, and give it the same column types.

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
        If the names, the order or the types of the columns differ. A column without any value has any type.
    """
    if data.columns != first.columns:
        different = sorted({*(first.columns or ())} ^ {*(data.columns or ())})
        problem = f"'{different[0]}' is in one of them only" if different else "their order differs"
        raise InvalidInputError(f"Tables must have the same columns, got '{first_path}' and '{path}': {problem}.")
    numbers = (NUMBER,) * data.x.shape[1]
    column_types = [*(data.column_types or numbers)]
    for j, (wanted, found) in enumerate(zip(first.column_types or numbers, column_types, strict=True)):
        if wanted != found and np.isnan(data.x[:, j]).all():
            column_types[j] = wanted
        elif wanted != found and CATEGORY in (wanted, found):
            name = (data.columns or ())[j]
            raise InvalidInputError(
                f"Column '{name}' must have the same type in all files, got {TYPE_DESCRIPTIONS[wanted]} in "
                f"'{first_path}' and {TYPE_DESCRIPTIONS[found]} in '{path}'."
            )
    return replace(data, column_types=None if first.column_types is None else tuple(column_types))
