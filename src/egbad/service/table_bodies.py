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
_MAX_EXPANSION = 16  # uncompressed bytes of a Parquet file, as a multiple of the largest body


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
        batches.append(batch)
        rows += len(batch.x)
        reader.check_count(rows)
    reader.check_count(rows)
    data = join_batches(batches) if len(batches) > 1 else batches[0]
    return replace(data, first_row=0, source=None)


def _check_parquet(reader: InputReader, path: Path) -> None:
    """Raise if the footer of a Parquet file tells of too many rows, columns or bytes."""
    with arrow_errors(path):
        metadata = pyarrow.parquet.read_metadata(path)
    settings = reader.settings
    groups = min(metadata.num_row_groups, _MAX_ROW_GROUPS + 1)
    expanded = sum(metadata.row_group(i).total_byte_size for i in range(groups))
    if metadata.num_rows > settings.max_rows:
        reader.check_count(metadata.num_rows)
    for n, most, what in (
        (metadata.num_columns, settings.max_columns, "columns"),
        (metadata.num_row_groups, _MAX_ROW_GROUPS, "row groups"),
        (expanded, _MAX_EXPANSION * settings.max_body, "uncompressed bytes"),
    ):
        if n > most:
            detail = f"A Parquet body may have at most {most:,} {what}, got {n:,}. Send fewer rows at a time."
            raise ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
