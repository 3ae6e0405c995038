"""CSV files in batches."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from egbad.data.column_types import CATEGORY
from egbad.data.csv_cells import read_cells
from egbad.data.csv_layout import CsvLayout, find_layout
from egbad.data.csv_types import FoundTypes, convert_cells, find_types
from egbad.data.options import ReadOptions
from egbad.data.stream import Data
from egbad.data.table_columns import convert_table
from egbad.errors import UnreadableFileError

CSV_SUFFIXES = (".csv", ".tsv")
_COMPRESSED = ("", ".gz", ".bz2", ".zst", ".lz4")
_ENDINGS = tuple(suffix + compression for suffix in CSV_SUFFIXES for compression in _COMPRESSED)
_FALLBACK_ENCODING = "cp1252"


def is_csv(path: Path) -> bool:
    """Return True if the name of a file is that of a CSV file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    bool

    Examples
    --------
    >>> is_csv(Path("a.csv")), is_csv(Path("a.TSV.gz")), is_csv(Path("a.parquet"))
    (True, True, False)
    """
    return path.name.lower().endswith(_ENDINGS)


def open_layout(path: Path, options: ReadOptions) -> CsvLayout:
    """Find out the layout of a CSV file; columns with known types are names of a header.

    Parameters
    ----------
    path : Path
    options : ReadOptions

    Returns
    -------
    CsvLayout

    Raises
    ------
    InvalidInputError, UnreadableFileError
        See `egbad.data.csv_layout.find_layout`.
    """
    known = {*options.column_types} if isinstance(options.column_types, Mapping) else set()
    return find_layout(path, options.csv, known | {*options.columns.named})


def find_csv_types(path: Path, options: ReadOptions) -> tuple[CsvLayout, FoundTypes]:
    """Find out the types of the columns of a CSV file from all rows, where they are not given.

    Parameters
    ----------
    path : Path
    options : ReadOptions

    Returns
    -------
    layout : CsvLayout
    types : FoundTypes

    Raises
    ------
    InvalidInputError
        If a column has a few values of another type.
    UnreadableFileError
        If the file is damaged.
    """
    layout = open_layout(path, options)
    types = _wanted_types(layout, options)
    labels = [j for j, name in enumerate(layout.names) if name == options.columns.roles.label]
    scored = [j for j, name in enumerate(layout.names) if options.columns.may_score(name)]
    positions = [j for j in scored if types[j] is None] + labels if options.csv.infer_types else labels
    try:
        found = find_types(layout, positions, options.batch_sizes.csv_bytes, labels)
    except UnreadableFileError:
        if options.csv.encoding is not None or layout.dialect.encoding != "utf-8":
            raise
        # The first lines were ASCII. If the others are not UTF-8, this is the most frequent encoding left.
        layout = replace(layout, dialect=replace(layout.dialect, encoding=_FALLBACK_ENCODING))
        found = find_types(layout, positions, options.batch_sizes.csv_bytes, labels)
    default = None if options.csv.infer_types else CATEGORY
    return layout, replace(found, types=found.types | {j: found.types.get(j, types[j] or default) for j in scored})


def stream_csv(path: Path, options: ReadOptions) -> Iterator[Data]:
    """Read a CSV file in batches.

    Parameters
    ----------
    path : Path
    options : ReadOptions
        With the types of all columns that have values; those without are read as missing values.

    Yields
    ------
    Data
        Nothing if the file has no rows.

    Raises
    ------
    UnreadableFileError
        If the file is damaged.
    InvalidInputError
        If a column does not hold what its type says.
    """
    layout, row = open_layout(path, options), 0
    types = _wanted_types(layout, options)
    for table in read_cells(layout, options.batch_sizes.csv_bytes):
        columns = convert_cells(layout, table, types, row)
        if (label := options.columns.roles.label) in layout.names:
            j = layout.names.index(label)
            columns[j] = _whole_numbers(columns[j])
        converted = pa.Table.from_arrays(columns, names=[*layout.names])
        data = convert_table(path, converted, options, table.rename_columns([*layout.names]))
        yield replace(data, first_row=row, dialect=layout.dialect)
        row += table.num_rows


def _wanted_types(layout: CsvLayout, options: ReadOptions) -> list[str | None]:
    """Return the type of each column; None for columns without values, or that are not scored."""
    given = options.column_types or {}
    if isinstance(given, Mapping):
        return [given.get(name) for name in layout.names]
    types = iter(given)
    return [next(types, None) if options.columns.may_score(name) else None for name in layout.names]


def _whole_numbers(labels: pa.Array) -> pa.Array:
    """Return whole numbers as integers, which messages show without a decimal point."""
    if not pa.types.is_floating(labels.type):
        return labels
    try:
        return pc.cast(labels, pa.int64())
    except pa.ArrowInvalid:
        return labels
