"""Parquet files, as a whole or in partitions that workers read independently."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from egbad.data.file_errors import arrow_errors, arrow_path, no_rows_error, require_rows
from egbad.data.options import ReadOptions
from egbad.data.stream import Data, Partition
from egbad.data.table_columns import convert_batches, convert_table, folder_values, match_columns
from egbad.errors import EmptyFileError, UnreadableFileError
from egbad.output_files import printable

_MAX_GROUP_ROWS = 2**31 - 1  # writers end a row group long before; this bounds the number of batches of a file


def read_parquet(path: Path, options: ReadOptions) -> Data:
    """Read a Parquet file.

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
    n_rows = _count_rows(path)
    with arrow_errors(path), arrow_path(path) as source:
        columns = _columns_to_read(path, pa.parquet.read_schema(source), options)
        table = pa.parquet.read_table(source, columns=columns)
    file = _open(path)
    for group in range(file.metadata.num_row_groups):
        _check_columns(path, file, group, columns)
    if table.num_rows != n_rows:
        raise _count_error(path, f"{n_rows:,} in the footer and {table.num_rows:,} in the data")
    return require_rows(path, convert_table(path, table, options))


def partition_parquet(paths: Sequence[Path], options: ReadOptions) -> list[Partition]:
    """Divide Parquet files into partitions of whole batches, which may extend over several files.

    Parameters
    ----------
    paths : sequence of Path
    options : ReadOptions

    Returns
    -------
    list of Partition

    Raises
    ------
    UnreadableFileError
        If a file is damaged.
    EmptyFileError
        If there are no rows. Single files without rows are left out.
    """
    sizes = options.batch_sizes
    batches = [
        _RowSpan(path, start, min(start + sizes.rows, n_rows))
        for path, n_rows in ((path, _count_or_zero(path)) for path in paths)
        for start in range(0, n_rows, sizes.rows)
    ]
    if not batches:
        raise no_rows_error(paths[0])
    first_path = batches[0].path if len(paths) > 1 else None
    partitions = []
    for start in range(0, len(batches), sizes.per_partition):
        spans = _merge_spans(batches[start : start + sizes.per_partition])
        n_rows = sum(span.stop - span.start for span in spans)
        partitions.append(Partition(n_rows, _ParquetPartitionReader(spans, first_path, options)))
    return partitions


@dataclass(frozen=True)
class _RowSpan:
    """Consecutive rows of a Parquet file."""

    path: Path
    start: int
    stop: int


def _merge_spans(batches: Sequence[_RowSpan]) -> tuple[_RowSpan, ...]:
    """Join consecutive batches of the same file."""
    spans: list[_RowSpan] = []
    for batch in batches:
        if spans and spans[-1].path == batch.path:
            spans[-1] = replace(spans[-1], stop=batch.stop)
        else:
            spans.append(batch)
    return tuple(spans)


@dataclass(frozen=True)
class _ParquetPartitionReader:
    """Reads spans of Parquet files in batches.

    If there are several files, `first_path` is the first of all. Its columns are those that all others must have.
    """

    spans: tuple[_RowSpan, ...]
    first_path: Path | None
    options: ReadOptions

    def __call__(self) -> Iterator[Data]:
        """Yield the batches."""
        first: Data | None = None
        for span in self.spans:
            for data in self._read(span):
                if self.first_path is None:
                    yield data
                    continue
                if first is None and span.path != self.first_path:
                    first = next(self._read(_RowSpan(self.first_path, 0, self.options.batch_sizes.rows)))
                first = first or data
                yield replace(match_columns(self.first_path, first, span.path, data), source=printable(span.path))

    def _read(self, span: _RowSpan) -> Iterator[Data]:
        batches = _read_batches(span, self.options)
        return convert_batches(span.path, batches, self.options, span.start)


def _columns_to_read(path: Path, schema: pa.Schema, options: ReadOptions) -> list[str] | None:
    """Return the names of the columns that are needed of a file, None for all."""
    in_folders = [name for name in folder_values(path) if name not in schema.names]
    needed = options.columns.read_among([*schema.names, *in_folders])
    own = [name for name in needed or () if name not in in_folders]
    return own or None


def _read_batches(span: _RowSpan, options: ReadOptions) -> Iterator[pa.RecordBatch]:
    """Yield batches of equal length, counted from the start of the span, whatever the row groups of the file are."""
    file = _open(span.path)
    batch_rows, columns = options.batch_sizes.rows, _columns_to_read(span.path, file.schema_arrow, options)
    ends = np.cumsum([file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)])
    starts = np.r_[0, ends[:-1]]
    groups = [int(i) for i in np.flatnonzero((ends > span.start) & (starts < span.stop))]
    buffered: list[pa.RecordBatch] = []
    for group in groups:
        row = int(starts[group])
        for batch in file.iter_batches(batch_rows, row_groups=[group], columns=columns):
            buffered.append(batch.slice(max(0, span.start - row), max(0, span.stop - max(row, span.start))))
            row += batch.num_rows
            while sum(part.num_rows for part in buffered) >= batch_rows:
                table = pa.Table.from_batches(buffered).combine_chunks()
                yield table.slice(0, batch_rows).to_batches()[0]
                buffered = table.slice(batch_rows).to_batches()
            if span.stop <= row < ends[group]:
                break
        _check_columns(span.path, file, group, columns)
        if row > ends[group] or row < min(ends[group], span.stop):
            claimed = int(ends[group] - starts[group])
            raise _count_error(span.path, f"{claimed:,} in the footer and {row - int(starts[group]):,} in a row group")
    if sum(part.num_rows for part in buffered):
        yield pa.Table.from_batches(buffered).combine_chunks().to_batches()[0]


def _open(path: Path) -> pa.parquet.ParquetFile:
    """Open a Parquet file and read its footer."""
    with arrow_errors(path), arrow_path(path) as source:
        return pa.parquet.ParquetFile(source, pre_buffer=False)


def _count_rows(path: Path) -> int:
    """Return the number of rows of a Parquet file, after the counts of the footer have been compared."""
    file = _open(path)
    with arrow_errors(path):
        n_rows = int(file.metadata.num_rows)
        by_group = [int(file.metadata.row_group(i).num_rows) for i in range(file.metadata.num_row_groups)]
        if sum(by_group) != n_rows:
            raise _count_error(path, f"{n_rows:,} for the file and {sum(by_group):,} for its row groups")
        if not all(0 <= count <= _MAX_GROUP_ROWS for count in by_group):
            wrong = next(count for count in by_group if not 0 <= count <= _MAX_GROUP_ROWS)
            raise _count_error(path, f"{wrong:,} for a row group, which must have between 0 and {_MAX_GROUP_ROWS:,}")
        for i in [i for i, count in enumerate(by_group) if not count]:  # no batch will be read from it
            [*file.iter_batches(1, row_groups=[i])]
            _check_columns(path, file, i, None)
    if n_rows == 0:
        raise no_rows_error(path)
    return n_rows


def _check_columns(path: Path, file: pa.parquet.ParquetFile, group: int, columns: Collection[str] | None) -> None:
    """Raise if one of some columns has another number of values in a row group than the group has rows.

    The columns must have been read before, all if `columns` is None: reading refuses damaged metadata of columns, and asking for
    them ends the process (pyarrow 26).
    """
    metadata, leaves = file.metadata.row_group(group), [file.schema.column(j) for j in range(len(file.schema))]
    is_read = (columns is None or leaf.path in columns for leaf in leaves)
    flat = [
        j for j, (leaf, read) in enumerate(zip(leaves, is_read, strict=True)) if read and not leaf.max_repetition_level
    ]
    wrong = next((int(n) for j in flat if (n := metadata.column(j).num_values) != metadata.num_rows), None)
    if wrong is not None:
        raise _count_error(path, f"{metadata.num_rows:,} for a row group and {wrong:,} for one of its columns")


def _count_error(path: Path, found: str) -> UnreadableFileError:
    """Return the error for a file whose numbers of rows contradict each other."""
    return UnreadableFileError(f"'{path}' is damaged: it must give one number of rows, got {found}. Write it again.")


def _count_or_zero(path: Path) -> int:
    """Return the number of rows of a Parquet file, also if it is zero."""
    try:
        return _count_rows(path)
    except EmptyFileError:
        return 0
