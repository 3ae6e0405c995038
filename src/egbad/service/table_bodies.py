"""Bodies that are CSV or Parquet files."""

from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.parquet
from pydantic_core import to_json

from egbad.data import BatchSizes, Data, open_stream
from egbad.data.column_types import BOOLEAN, NUMBER
from egbad.data.csv_sample import find_compression
from egbad.data.file_errors import arrow_errors
from egbad.data.stream import join_batches
from egbad.errors import EgbadError, InvalidInputError
from egbad.scoring.score_tables import plain_cells
from egbad.service.bodies import ANSWER_KEYS, InputReader, Submission
from egbad.service.problems import ProblemError

_MAX_ROW_GROUPS = 1_000
_TEXT_TYPES = ("BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")
_CHECKED_ROWS = 16  # that are in memory while texts are checked: each may be as long as the body


def read_table(reader: InputReader, content: bytes, suffix: str) -> Submission:
    """Read a table.

    Parameters
    ----------
    reader : InputReader
    content : bytes
    suffix : {".csv", ".tsv", ".parquet"}

    Returns
    -------
    Submission
        Answers repeat the ids that the model knows.

    Raises
    ------
    InvalidInputError, ProblemError
        If the table is damaged, does not match the model, or exceeds a limit.
    """
    reader.require("rows")
    with TemporaryDirectory(prefix="egbad-") as folder:
        path = Path(folder, f"body{suffix}")
        path.write_bytes(content)
        try:
            if suffix == ".parquet":
                _check_parquet(reader, path)
            elif find_compression(content) is not None:
                raise InvalidInputError("A CSV body must not be compressed.")
            data = _read(reader, path)
        except EgbadError as error:
            raise InvalidInputError(str(error).replace(f"'{path}'", "The body")) from error
    columns = (
        {} if data.carried is None else {name: plain_cells(data.carried[name]) for name in data.carried.column_names}
    )
    names = [name for name in reader.scorer.column_roles_.ids if name in columns and name not in ANSWER_KEYS]
    repeated = [dict(zip(names, row, strict=True)) for row in zip(*(columns[name] for name in names), strict=True)]
    payload = _payload(columns | _numbers(data)) if reader.keep else None
    return Submission([replace(data, carried=None)], repeated, payload)


def _numbers(data: Data) -> dict[str, list[Any]]:
    """Return the columns of numbers by name, which CSV files carry as text."""
    types = data.column_types or (NUMBER,) * data.x.shape[1]
    return {
        name: plain_cells(data.x[:, j])
        for j, (name, column_type) in enumerate(zip(data.columns or (), types, strict=False))
        if column_type in (NUMBER, BOOLEAN)
    }


def _payload(columns: dict[str, list[Any]]) -> Callable[[int], tuple[bytes, str]]:
    """Return a function that returns a row as JSON."""
    return lambda i: (to_json({name: values[i] for name, values in columns.items()}), "application/json")


def _read(reader: InputReader, path: Path) -> Data:
    """Read a table, but no more than one batch beyond the most rows."""
    sizes = BatchSizes(rows=reader.settings.max_rows + 1)
    batches, rows = list[Data](), 0
    for batch in open_stream(path, **reader.options, batch_sizes=sizes).batches:
        if batch.columns is not None:
            reader.json.check_columns(batch.columns)
        batches.append(batch)
        rows += len(batch.x)
        reader.check_count(rows)
    reader.check_count(rows)
    data = join_batches(batches) if len(batches) > 1 else batches[0]
    return replace(data, first_row=0, source=None)


def _check_parquet(reader: InputReader, path: Path) -> None:
    """Raise if a Parquet file has too many rows, columns or bytes, before it is read as a whole."""
    with arrow_errors(path):
        file = pyarrow.parquet.ParquetFile(path, pre_buffer=False)
    metadata, settings = file.metadata, reader.settings
    if metadata.num_rows > settings.max_rows:
        reader.check_count(metadata.num_rows)
    groups = min(metadata.num_row_groups, _MAX_ROW_GROUPS + 1)
    leaves = [metadata.schema.column(j) for j in range(min(len(metadata.schema), settings.max_columns + 1))]
    for n, most, what in (
        (metadata.num_columns, settings.max_columns, "columns"),
        (metadata.num_row_groups, _MAX_ROW_GROUPS, "row groups"),
        (metadata.num_rows * metadata.num_columns, settings.max_cells, "cells"),
        (
            sum(metadata.row_group(i).total_byte_size for i in range(groups)),
            settings.max_expanded,
            "uncompressed bytes",
        ),
        (max((leaf.max_repetition_level for leaf in leaves), default=0), 0, "levels of lists"),
    ):
        if n > most:
            raise _too_large(f"at most {most:,} {what}, got {n:,}")
    texts = [leaf.path for leaf in leaves if leaf.physical_type in _TEXT_TYPES]
    with arrow_errors(path):
        _check_texts(file, texts, settings.max_expanded)


def _check_texts(file: pyarrow.parquet.ParquetFile, columns: list[str], max_bytes: int) -> None:
    """Raise if texts are too long: a file may hold a text once that many rows have, whatever its footer says."""
    size = 0
    for batch in file.iter_batches(_CHECKED_ROWS, columns=columns) if columns else ():
        size += batch.nbytes
        if size > max_bytes:
            raise _too_large(f"texts of at most {max_bytes:,} bytes, got more")


def _too_large(limit: str) -> ProblemError:
    detail = f"A Parquet body may have {limit}. Send fewer rows at a time."
    return ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
