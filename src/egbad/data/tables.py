"""Tables in one or many CSV and Parquet files, as a whole or in batches."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from egbad.data.csv_files import read_csv, stream_csv
from egbad.data.file_search import find_files
from egbad.data.options import ReadOptions
from egbad.data.parquet_files import partition_parquet, read_parquet
from egbad.data.stream import Data, Stream
from egbad.data.table_columns import match_columns
from egbad.output_files import printable

TABLE_SUFFIXES = (".csv", ".parquet")


def find_tables(path: Path) -> tuple[Path, ...] | None:
    """Find the tables at a path.

    Files and folders whose names begin with a dot or an underscore are ignored: other programs put files beside the
    tables that they write, and name them so.

    Parameters
    ----------
    path : Path
        A file; a folder, searched at any depth; or a pattern with * or ?.

    Returns
    -------
    tuple of Path or None
        Paths in ascending order, None if there are no tables.
    """
    found = [file for file in find_files(path).files if file.suffix.lower() in TABLE_SUFFIXES]
    if path.is_dir():
        found = [file for file in found if not any(part[0] in "._" for part in file.relative_to(path).parts)]
    return tuple(found) or None


def read_tables(paths: Sequence[Path], options: ReadOptions) -> Data:
    """Read all rows of tables that have the same columns.

    Parameters
    ----------
    paths : sequence of Path
    options : ReadOptions

    Returns
    -------
    Data

    Raises
    ------
    UnreadableFileError
        If a file is damaged.
    InvalidInputError
        If a table has no rows, or its columns differ from those of the first one.
    """
    if len(paths) == 1:
        return _read_table(paths[0], options)
    tables: list[Data] = []
    for path in paths:
        data = _read_table(path, options)
        tables.append(match_columns(paths[0], tables[0], path, data) if tables else data)
    category_labels = {
        j: {code: text for table in tables for code, text in table.category_labels.get(j, {}).items()}
        for table in tables
        for j in table.category_labels
    }
    labels = [table.labels for table in tables if table.labels is not None]
    return replace(
        tables[0],
        x=np.concatenate([table.x for table in tables]),
        category_labels=category_labels,
        labels=np.concatenate(labels) if labels else None,
    )


def stream_tables(paths: Sequence[Path], options: ReadOptions) -> Stream:
    """Open tables as a stream of batches.

    Parameters
    ----------
    paths : sequence of Path
    options : ReadOptions

    Returns
    -------
    Stream
        It has partitions if all files are Parquet. If there are several files, each batch names its source and counts
        the rows of that file.

    Raises
    ------
    UnreadableFileError, InvalidInputError
        See `read_tables`.
    """
    if all(path.suffix.lower() == ".parquet" for path in paths):
        return Stream.from_partitions(partition_parquet(paths, options))
    if len(paths) == 1:
        return _stream_table(paths[0], options)

    def batches() -> Iterator[Data]:
        first: Data | None = None
        for path in paths:  # opened one at a time: a process may have about a thousand files open
            for data in _stream_table(path, options).batches:
                first = first or data
                yield replace(match_columns(paths[0], first, path, data), source=printable(path))

    return Stream(batches())


def _read_table(path: Path, options: ReadOptions) -> Data:
    return (read_csv if path.suffix.lower() == ".csv" else read_parquet)(path, options)


def _stream_table(path: Path, options: ReadOptions) -> Stream:
    if path.suffix.lower() == ".csv":
        return stream_csv(path, options)
    return Stream.from_partitions(partition_parquet([path], options))
