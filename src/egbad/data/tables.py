"""Tables in one or many CSV and Parquet files, as a whole or in batches."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from egbad.data.csv_files import CSV_SUFFIXES, is_csv, stream_csv
from egbad.data.file_errors import no_rows_error
from egbad.data.file_search import find_files, is_hidden
from egbad.data.options import ReadOptions
from egbad.data.parquet_files import partition_parquet, read_parquet
from egbad.data.stream import Data, Stream, join_batches
from egbad.data.table_columns import match_columns
from egbad.data.table_types import find_table_types
from egbad.errors import EmptyFileError
from egbad.output_files import printable

_HIDDEN_SIGNS = "._"  # Spark names its own files with an underscore; cameras name photographs so, which are not hidden
TABLE_SUFFIXES = (*CSV_SUFFIXES, ".parquet")


def find_tables(path: Path) -> tuple[Path, ...] | None:
    """Find the tables at a path.

    Files and folders whose names begin with a dot or an underscore are ignored, and folders such as `__MACOSX`: other
    programs put files beside the tables that they write, and name them so.

    Parameters
    ----------
    path : Path
        A file; a folder, searched at any depth; or a pattern with * or ?.

    Returns
    -------
    tuple of Path or None
        Paths in ascending order, None if there are no tables.
    """
    found = [file for file in find_files(path).files if _is_table(file)]
    if path.is_dir():
        found = [file for file in found if not is_hidden(file.relative_to(path), _HIDDEN_SIGNS)]
    return tuple(found) or None


def _is_table(path: Path) -> bool:
    return is_csv(path) or path.suffix.lower() == ".parquet"


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
        If there are no rows, a table has other columns than the first one, or a column does not hold what its type says.
    """
    if len(paths) == 1 and not is_csv(paths[0]):
        found = find_table_types(paths, options)
        return replace(read_parquet(paths[0], found.options), notes=found.notes)
    stream = stream_tables(paths, options)
    return replace(join_batches([*stream.batches]), notes=stream.notes)


def stream_tables(paths: Sequence[Path], options: ReadOptions) -> Stream:
    """Open tables as a stream of batches. Tables without rows are left out.

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
    found = find_table_types(paths, options)
    if not any(is_csv(path) for path in paths):
        return Stream.from_partitions(partition_parquet(paths, found.options), found.notes)

    def batches() -> Iterator[Data]:
        first: tuple[Path, Data] | None = None
        for path in paths:  # opened one at a time: a process may have about a thousand files open
            for data in _read_batches(path, found.options):
                first = first or (path, data)
                matched = match_columns(*first, path, data)
                yield matched if len(paths) == 1 else replace(matched, source=printable(path))
        if first is None:
            raise no_rows_error(paths[0])

    return Stream(batches(), notes=found.notes)


def _read_batches(path: Path, options: ReadOptions) -> Iterator[Data]:
    """Read a table in batches; nothing if it has no rows."""
    try:
        if is_csv(path):
            yield from stream_csv(path, options)
        else:
            for partition in partition_parquet([path], options):
                yield from partition.read()
    except EmptyFileError:
        return
