"""Tables in files, one or many, as a whole and batch by batch."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from glob import glob
from pathlib import Path
from typing import Any

import numpy as np

from egbad.data import stream as memory
from egbad.data.column_types import CATEGORY, NUMBER, WORDS, category_code
from egbad.data.conversion import table_data
from egbad.data.stream import ColumnTypes, Data, Partition, Stream
from egbad.errors import InvalidInputError, UnreadableFileError

SUFFIXES = (".csv", ".parquet")
_BLOCK = 16 * 2**20  # bytes of a .csv file that make one


def files_of(path: Path) -> tuple[Path, ...] | None:
    """The tables at a path, ascending: a file, all in a folder at any depth, or what a pattern with * or ? matches.

    None where there are none. Files and folders whose names begin with a dot or an underscore are left out, as others that
    write tables leave out what they put beside them.
    """
    if path.is_file():
        return (path,) if path.suffix.lower() in SUFFIXES else None
    if path.is_dir():
        found = [p for p in path.rglob("*") if not any(part[0] in "._" for part in p.relative_to(path).parts)]
    else:
        found = [Path(name) for name in glob(str(path), recursive=True)]
    return tuple(sorted(p for p in found if p.suffix.lower() in SUFFIXES and p.is_file())) or None


def read_tables(files: Sequence[Path], label_column: str | None, column_types: ColumnTypes | None) -> Data:
    """All rows of tables that have the same columns.

    Raises
    ------
    UnreadableFileError
        When a file is damaged.
    InvalidInputError
        When one has no rows or columns other than the first.
    """
    if len(files) == 1:
        return _read_table(files[0], label_column, column_types)
    parts = list[Data]()
    for file in files:
        data = _read_table(file, label_column, column_types)
        parts.append(_alike(files[0], parts[0], file, data) if parts else data)
    category_labels = {
        j: dict(t for part in parts for t in part.category_labels.get(j, {}).items())
        for part in parts
        for j in part.category_labels
    }
    labels = (
        None if label_column is None else np.concatenate([part.labels for part in parts if part.labels is not None])
    )
    return replace(
        parts[0], x=np.concatenate([part.x for part in parts]), category_labels=category_labels, labels=labels
    )


def stream_tables(files: Sequence[Path], label_column: str | None, column_types: ColumnTypes | None) -> Stream:
    """The same in batches; where there are several files each says which it is from, and counts rows in that."""
    if all(file.suffix.lower() == ".parquet" for file in files):
        return Stream.of(_pieces(files, label_column, column_types))
    streams = [
        (_stream_csv if f.suffix.lower() == ".csv" else _stream_parquet)(f, label_column, column_types) for f in files
    ]
    if len(files) == 1:
        return streams[0]

    def batches() -> Iterator[Data]:
        first: Data | None = None
        for file, own in zip(files, streams, strict=True):
            for data in own.batches:
                first = first or data
                yield replace(_alike(files[0], first, file, data), source=str(file))

    counted = [own.rows for own in streams if own.rows is not None]
    return Stream(sum(counted) if len(counted) == len(streams) else None, batches())


def _alike(one: Path, first: Data, other: Path, data: Data) -> Data:
    """The second table, if it has the columns of the first."""
    if data.columns != first.columns:
        odd = sorted({*(first.columns or ())} ^ {*(data.columns or ())})
        what = f"'{odd[0]}' is in one of them only" if odd else "they stand in another order"
        raise InvalidInputError(f"Tables must have the same columns: of '{one}' and '{other}' {what}.")
    numbers = (NUMBER,) * data.x.shape[1]
    column_types = [*(data.column_types or numbers)]
    for j, (wanted, found) in enumerate(zip(first.column_types or numbers, column_types, strict=True)):
        if wanted != found and np.isnan(data.x[:, j]).all():
            column_types[j] = wanted  # nothing is there that could be of another kind
        elif wanted != found and CATEGORY in (wanted, found):
            name = (data.columns or ())[j]
            raise InvalidInputError(
                f"Column '{name}' must hold the same in all files: {WORDS[wanted]} in '{one}', {WORDS[found]} in '{other}'."
            )
    return replace(data, column_types=None if first.column_types is None else tuple(column_types))


def _with_keys(path: Path, data: Data) -> Data:
    """A table with what the names of its folders say, as in day=2024-05-01: columns of categories, as Hive has them."""
    keys = [part.partition("=") for part in path.parts[:-1]]
    more = [(name, value) for name, equals, value in keys if equals and name and name not in (data.columns or ())]
    if not more or data.columns is None:
        return data
    codes = np.tile([category_code(value) for _, value in more], (len(data.x), 1))
    d = data.x.shape[1]
    return replace(
        data,
        x=np.hstack([data.x, codes]),
        columns=(*data.columns, *(name for name, _ in more)),
        column_types=(*(data.column_types or (NUMBER,) * d), *(CATEGORY for _ in more)),
        category_labels=data.category_labels
        | {d + i: {category_code(value): value} for i, (_, value) in enumerate(more)},
    )


def damaged(path: Path, error: Exception) -> UnreadableFileError:
    """What is said of a file that can't be read."""
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return UnreadableFileError(
        f"'{path}' can't be read as {path.suffix.lower()}: {reason.rstrip('.')}. Check the file."
    )


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """What Arrow says of a table that can't be read, in one sentence."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError) as error:
        if path.stat().st_size == 0:
            raise InvalidInputError(f"'{path}' must have at least one row, got an empty file.") from error
        raise damaged(path, error) from error


def not_empty(path: Path, data: Data) -> Data:
    """The data of a file, if it has rows."""
    if len(data.x) == 0:
        raise InvalidInputError(f"'{path}' must have at least one row, got an empty table.")
    return data


def _read_table(path: Path, label_column: str | None, column_types: ColumnTypes | None) -> Data:
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    with readable(path):
        if path.suffix.lower() == ".csv":
            table = pa.csv.read_csv(path, convert_options=_as_kinds(column_types, {}))
        else:
            table = pa.parquet.read_table(path)
    return _with_keys(path, not_empty(path, table_data(table, label_column, column_types)))


@dataclass(frozen=True)
class _Rows:
    """Some rows of a Parquet file."""

    file: Path
    start: int
    stop: int


def _pieces(files: Sequence[Path], label_column: str | None, column_types: ColumnTypes | None) -> list[Partition]:
    """Parquet files in pieces of whole batches, which may reach over several files."""
    batches = [
        _Rows(file, start, min(start + memory.AT_ONCE, rows))
        for file, rows in ((file, _rows_in(file)) for file in files)
        for start in range(0, rows, memory.AT_ONCE)
    ]
    several = files[0] if len(files) > 1 else None
    found = []
    for start in range(0, len(batches), memory.BATCHES):
        spans: list[_Rows] = []
        for one in batches[start : start + memory.BATCHES]:
            if spans and spans[-1].file == one.file:
                spans[-1] = replace(spans[-1], stop=one.stop)
            else:
                spans.append(one)
        rows = sum(span.stop - span.start for span in spans)
        found.append(
            Partition(rows, partial(_read_rows, tuple(spans), several, label_column, column_types, memory.AT_ONCE))
        )
    return found


def _read_rows(
    spans: Sequence[_Rows], several: Path | None, label_column: str | None, column_types: ColumnTypes | None, size: int
) -> Iterator[Data]:
    """Rows of Parquet files in batches; where there are several files, as the first of all has them."""
    first: Data | None = None
    for span in spans:
        for data in _from_batches(span.file, _batches_of(span, size), label_column, column_types, span.start):
            if several is None:
                yield data
                continue
            if first is None and span.file != several:
                begin = _batches_of(_Rows(several, 0, size), size)
                first = next(_from_batches(several, begin, label_column, column_types, 0))
            first = first or data
            yield replace(_alike(several, first, span.file, data), source=str(span.file))


def _batches_of(span: _Rows, size: int) -> Iterator[Any]:
    """Arrow batches of `size` rows from the start on, however the file's row groups are cut."""
    import pyarrow as pa
    import pyarrow.parquet

    file = pa.parquet.ParquetFile(span.file, pre_buffer=False)
    ends = np.cumsum([file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)])
    groups = [int(i) for i in np.flatnonzero((ends > span.start) & (np.r_[0, ends[:-1]] < span.stop))]
    row = int(np.r_[0, ends][groups[0]]) if groups else 0
    kept: list[pa.RecordBatch] = []
    for batch in file.iter_batches(size, row_groups=groups):
        inside = batch.slice(max(0, span.start - row), max(0, span.stop - max(row, span.start)))
        row += batch.num_rows
        kept.append(inside)
        while sum(one.num_rows for one in kept) >= size:
            whole = pa.Table.from_batches(kept).combine_chunks()
            yield whole.slice(0, size).to_batches()[0]
            kept = whole.slice(size).to_batches()
        if row >= span.stop:
            break
    if sum(one.num_rows for one in kept):
        yield pa.Table.from_batches(kept).combine_chunks().to_batches()[0]


def _rows_in(path: Path) -> int:
    import pyarrow as pa
    import pyarrow.parquet

    with readable(path):
        rows: int = pa.parquet.ParquetFile(path, pre_buffer=False).metadata.num_rows
    if rows == 0:
        raise InvalidInputError(f"'{path}' must have at least one row, got an empty table.")
    return rows


def _stream_parquet(path: Path, label_column: str | None, column_types: ColumnTypes | None) -> Stream:
    return Stream.of(_pieces([path], label_column, column_types))


def _stream_csv(path: Path, label_column: str | None, column_types: ColumnTypes | None) -> Stream:
    import pyarrow as pa
    import pyarrow.csv

    def opened(types: dict[str, pa.DataType]) -> Any:
        return pa.csv.open_csv(
            path, pa.csv.ReadOptions(block_size=_BLOCK), convert_options=_as_kinds(column_types, types)
        )

    with readable(path), opened({}) as first:
        # Arrow takes a column's type from the first block: what looks whole there may have a fraction further down.
        whole = [f.name for f in first.schema if pa.types.is_integer(f.type) or pa.types.is_null(f.type)]
        names = first.schema.names
    types = {name: pa.float64() for name in whole if name != label_column and names.count(name) == 1}
    with readable(path):
        reader = opened(types)
    return Stream(None, _from_batches(path, reader, label_column, column_types))


def _as_kinds(column_types: ColumnTypes | None, types: Mapping[str, Any]) -> Any:
    """How a .csv file is read: categories as the text that stands there, an empty field as missing."""
    import pyarrow as pa
    import pyarrow.csv

    text = (
        [name for name, kind in column_types.items() if kind == CATEGORY] if isinstance(column_types, Mapping) else []
    )
    return pa.csv.ConvertOptions(
        column_types={**types, **dict.fromkeys(text, pa.string())},
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )


def _from_batches(
    path: Path, batches: Iterable[Any], label_column: str | None, column_types: ColumnTypes | None, row: int = 0
) -> Iterator[Data]:
    """Arrow's record batches as data, from row number `row` of the file on."""
    import pyarrow as pa

    iterator = iter(batches)
    while True:
        with readable(path):
            batch = next(iterator, None)
        if batch is None:
            break
        if batch.num_rows:
            data = _with_keys(path, table_data(pa.Table.from_batches([batch]), label_column, column_types))
            yield replace(data, first_row=row)
            row += batch.num_rows
    if row == 0:
        raise InvalidInputError(f"'{path}' must have at least one row, got an empty table.")
