"""CSV files, as a whole or in batches."""

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from egbad.data.column_types import CATEGORY
from egbad.data.file_errors import arrow_errors, arrow_source, require_rows
from egbad.data.options import ReadOptions
from egbad.data.stream import Data, Stream
from egbad.data.table_columns import convert_batches, convert_table


def read_csv(path: Path, options: ReadOptions) -> Data:
    """Read a CSV file.

    Parameters
    ----------
    path : Path
    options : ReadOptions

    Returns
    -------
    Data

    Raises
    ------
    UnreadableFileError
        If the file is damaged.
    InvalidInputError
        If it has no rows, or a column does not hold what its type says.
    """
    with arrow_errors(path):
        table = pa.csv.read_csv(arrow_source(path), convert_options=_convert_options(options, {}))
    return require_rows(path, convert_table(path, table, options))


def stream_csv(path: Path, options: ReadOptions) -> Stream:
    """Open a CSV file as a stream of batches.

    Parameters
    ----------
    path : Path
    options : ReadOptions

    Returns
    -------
    Stream
        The number of rows is unknown.

    Raises
    ------
    UnreadableFileError, InvalidInputError
        See `read_csv`.
    """
    with arrow_errors(path), _open(path, options, {}) as reader:
        # Arrow infers types from the first batch: integers there, or nothing, may be fractions further down.
        inferred = [
            field.name for field in reader.schema if pa.types.is_integer(field.type) or pa.types.is_null(field.type)
        ]
        names = reader.schema.names
    types = {name: pa.float64() for name in inferred if name != options.label_column and names.count(name) == 1}
    with arrow_errors(path):
        reader = _open(path, options, types)
    return Stream(convert_batches(path, reader, options))


def _open(path: Path, options: ReadOptions, types: Mapping[str, pa.DataType]) -> pa.csv.CSVStreamingReader:
    """Open a CSV file whose columns have the given types."""
    read_options = pa.csv.ReadOptions(block_size=options.batch_sizes.csv_bytes)
    return pa.csv.open_csv(arrow_source(path), read_options, convert_options=_convert_options(options, types))


def _convert_options(options: ReadOptions, types: Mapping[str, pa.DataType]) -> pa.csv.ConvertOptions:
    """Return options that read categories as the text in the file and empty fields as missing values."""
    column_types = options.column_types if isinstance(options.column_types, Mapping) else {}
    categories = [name for name, column_type in column_types.items() if column_type == CATEGORY]
    return pa.csv.ConvertOptions(
        column_types={**types, **dict.fromkeys(categories, pa.string())},
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
