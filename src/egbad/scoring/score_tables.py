"""Scores as tables: what is told of each row, and folders of parts that survive being killed."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Self

import numpy as np

from egbad.data import Data, Stream, take_rows
from egbad.data.column_types import CATEGORY, NUMBER, describe_value
from egbad.data.file_errors import arrow_errors
from egbad.errors import EgbadError, InvalidInputError
from egbad.explain.grouping import region_shares
from egbad.model_file import atomic_write
from egbad.scoring import calibration

Columns = dict[str, Any]  # of a table of scores, each (n,)
Advance = Callable[[int], None]

_AT_ONCE = 4096  # rows that are scored between two looks at the clock
_BATCHES = 64  # of a part, where a source says nothing of pieces
_ABOUT = "_about.json"  # what the scores are of: readers of tables leave out what begins so


@dataclass(frozen=True)
class OutputColumns:
    """What is told of each row: whether its score is above a threshold, what it is made of, and so many reasons."""

    threshold: float
    terms: bool
    reasons: int | None


def columns_of(scorer: Any, data: Data, told: OutputColumns, advance: Advance = lambda n: None) -> Columns:
    """The scores of a batch, and what is told beside them."""
    parts = terms_of(scorer, data, advance)
    scores = np.asarray(sum(parts.values()))
    place: Columns = {"row": data.first_row + np.arange(len(scores))}
    if data.files:
        place = {"file": np.array(data.files)}
    elif data.source:
        place = {"file": np.repeat(data.source, len(scores))} | place
    p = calibration.p_values(scorer.calibration_scores_, scores)
    flagged = scores > told.threshold
    reasons = _reasons(scorer, data, flagged, told.reasons) if told.reasons else {}
    return place | {"score": scores, "p_value": p, "anomaly": flagged} | (parts if told.terms else {}) | reasons


def _reasons(scorer: Any, data: Data, flagged: Any, k: int) -> Columns:
    """For each of the k columns, or regions, that made a flagged row's score: its name, what it added, and of columns more.

    What is there and was expected as text, where a number usually lies, and the share of normal rows as far off.
    """
    rows = np.flatnonzero(flagged)
    category_labels = ("", "_observed", "_expected") if scorer.kind_ == "rows" else ("",)
    numbers = ("_share", "_low", "_high", "_p_value") if scorer.kind_ == "rows" else ("_share",)
    found: Columns = {}
    for i in range(1, k + 1):
        found |= {f"reason_{i}{what}": np.full(len(flagged), None, dtype=object) for what in category_labels}
        found |= {f"reason_{i}{what}": np.full(len(flagged), np.nan) for what in numbers}
    if not len(rows):
        return found
    explained = scorer.explain(take_rows(data, rows))
    if scorer.kind_ == "images":
        names, weights = region_shares(explained.shares)
        order = np.argsort(-weights, axis=1, kind="stable")
        for i in range(min(k, len(names))):
            found[f"reason_{i + 1}"][rows] = [names[j] for j in order[:, i]]
            found[f"reason_{i + 1}_share"][rows] = np.take_along_axis(weights, order, axis=1)[:, i]
        return found
    column_types = dict(zip(explained.columns, explained.column_types or (), strict=False))
    for row, reasons in zip(rows, explained.top(k), strict=True):
        for i, reason in enumerate(reasons, 1):
            found[f"reason_{i}"][row] = reason.column
            for what in ("observed", "expected"):
                found[f"reason_{i}_{what}"][row] = _text(column_types.get(reason.column, NUMBER), getattr(reason, what))
            for what in ("share", "low", "high", "p_value"):
                value = getattr(reason, what)
                found[f"reason_{i}_{what}"][row] = np.nan if value is None else value
    return found


def _text(kind: str, value: Any) -> str | None:
    """A value of a column as text that can be read back; None for what is missing."""
    if value is None:
        return None
    if kind == CATEGORY:
        return str(value)
    return f"{value:.10g}" if kind == NUMBER else describe_value(kind, value)


def terms_of(scorer: Any, data: Data, advance: Advance = lambda n: None) -> Columns:
    """The terms (n,) of every row's score."""
    parts = []
    for start in range(0, len(data.x), _AT_ONCE):
        x = data.x[start : start + _AT_ONCE]
        parts.append(scorer.score_terms(replace(data, x=x, files=None, labels=None, first_row=data.first_row + start)))
        advance(len(x))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


class PartsFolder:
    """A folder of parts, for scores by one model of one source.

    Parameters
    ----------
    folder : Path
        Made if it isn't there.
    model : Path
        The file that scores.
    asked : dict
        All else that the scores depend on, JSON-able.
    source : Path, optional
        What is scored, where it is a folder.

    Raises
    ------
    InvalidInputError
        When the folder holds other things, scores of something else, or is within what is scored.
    EgbadError
        When it can't be made.
    """

    def __init__(self, folder: Path, model: Path, asked: dict[str, Any], source: Path | None = None) -> None:
        self.folder = folder
        if source is not None and source.resolve() in (folder.resolve(), *folder.resolve().parents):
            raise InvalidInputError(
                f"The scores must not go into '{source}', which is scored. Give a folder beside it."
            )
        about = {"model": hashlib.sha256(model.read_bytes()).hexdigest(), **asked}
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EgbadError(f"The folder '{folder}' can't be made: {error.strerror}. Choose another.") from error
        file = folder / _ABOUT
        if file.exists():
            if file.read_text(encoding="utf-8") != json.dumps(about):
                raise InvalidInputError(
                    f"'{folder}' holds scores by another model, of other data or of another kind. Give another folder."
                )
        elif any(folder.iterdir()):
            raise InvalidInputError(
                f"The folder '{folder}' must be empty, or hold parts of the same scores. Give another."
            )
        else:
            with atomic_write(file) as draft:
                draft.write_text(json.dumps(about), encoding="utf-8")

    def path(self, number: int) -> Path:
        """Of a part."""
        return self.folder / f"part-{number:05}.parquet"

    def each(self, stream: Stream) -> Iterator[tuple[Path, Iterator[Data]]]:
        """Every part: its file, and the batches that it is of, read as they are asked for."""
        if stream.partitions is not None:
            for number, partition in enumerate(stream.partitions):
                yield self.path(number), stream.read_partition(partition)
            return
        batches, number = stream.batches, 0
        while (first := next(batches, None)) is not None:
            own = _chained(first, islice(batches, _BATCHES - 1))
            yield self.path(number), own
            for _ in own:  # what nobody wanted to read
                pass
            number += 1


def _chained(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from rest


def counts_of(path: Path) -> tuple[int, int]:
    """How many rows a part has, and how many of them are flagged."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    with arrow_errors(path):
        column = pq.read_table(path, columns=["anomaly"])["anomaly"]
    return len(column), pc.sum(column).as_py() or 0


def write_part(
    path: Path, scorer: Any, batches: Iterable[Data], told: OutputColumns, advance: Advance = lambda n: None
) -> None:
    """Score batches and write them as one Parquet file, which is there as a whole or not at all."""
    with atomic_write(path) as draft, ParquetTable(draft) as table:
        for data in batches:
            table.write(columns_of(scorer, data, told, advance))


class ParquetTable:
    """A table of columns (n,), written batch by batch."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.writer: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self.writer is not None:
            self.writer.close()

    def write(self, columns: Columns) -> None:
        """The next rows."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        batch = pa.table(dict(columns))
        if self.writer is None:
            # A column with nothing in it yet may have text later.
            fields = [field.with_type(pa.string()) if pa.types.is_null(field.type) else field for field in batch.schema]
            self.writer = pq.ParquetWriter(self.path, pa.schema(fields))
        self.writer.write_table(batch.cast(self.writer.schema))
