"""Score tables as Parquet files, and folders of them that an interrupted job can resume."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from egbad.data import Data, Stream
from egbad.data.file_errors import arrow_errors, arrow_path
from egbad.errors import InvalidInputError
from egbad.output_files import atomic_write, write_text
from egbad.scoring.score_tables import Advance, Columns, OutputColumns, ScoreTerms, score_columns

BATCHES_PER_FILE = 64  # batches in one file if the source is not partitioned
_PART = "part-{:05}.parquet"
FIRST_PART = _PART.format(0)
_MANIFEST = "_about.json"  # readers of tables ignore files that begin with an underscore


def claim_folder(folder: Path, model: Path, options: dict[str, Any], content: str) -> None:
    """Remember in a folder the model, the data and the options of the files in it, or check that they are the same.

    Parameters
    ----------
    folder : Path
        Existing folder.
    model : Path
        Model file.
    options : dict
        Everything else that the files depend on, as JSON stores it.
    content : str
        What the files hold, for error messages.

    Raises
    ------
    InvalidInputError
        If the folder contains other files, or files of another model, of other data or with other options.
    """
    manifest = {"model": hashlib.sha256(model.read_bytes()).hexdigest(), **options}
    file = folder / _MANIFEST
    if file.exists():
        if file.read_text(encoding="utf-8") != json.dumps(manifest):
            raise InvalidInputError(
                f"The folder '{folder}' contains {content} of another model, of other data or with other options. "
                "Pass another folder."
            )
    elif any(not path.name.startswith(f".{_MANIFEST}.") for path in folder.iterdir()):  # a killed job's draft
        raise InvalidInputError(
            f"The folder '{folder}' must be empty or contain files of the same {content}. Pass another folder."
        )
    else:
        write_text(file, json.dumps(manifest))


class ScoreFolder:
    """Folder of Parquet files with the scores of one model on one data source.

    A file is written completely or not at all, so that a job that was killed resumes at the first missing file. The
    folder remembers the model, the data and the options it was made with, and refuses others.

    Parameters
    ----------
    folder : Path
        Existing folder.
    model : Path
        Model file that computes the scores.
    options : dict
        Everything else that the scores depend on, as JSON stores it.

    Raises
    ------
    InvalidInputError
        If the folder contains other files or scores with other options.
    """

    def __init__(self, folder: Path, model: Path, options: dict[str, Any]) -> None:
        self.folder = folder
        claim_folder(folder, model, options, "scores")

    def path(self, number: int) -> Path:
        """Return the path of a file by its number, counted from 0."""
        return self.folder / _PART.format(number)

    def files(self, stream: Stream, batches_per_file: int = BATCHES_PER_FILE) -> Iterator[tuple[Path, Iterator[Data]]]:
        """Iterate over the files of a stream and the batches that belong into each.

        Parameters
        ----------
        stream : Stream
            One file per partition if it has partitions.
        batches_per_file : int, default=64
            Number of batches per file otherwise.

        Yields
        ------
        path : Path
        batches : iterator of Data
            Read on demand. Batches that are not consumed are skipped.
        """
        if stream.partitions is not None:
            for number, partition in enumerate(stream.partitions):
                yield self.path(number), stream.read_partition(partition)
            return
        batches, number = stream.batches, 0
        while (first := next(batches, None)) is not None:
            own = chain((first,), islice(batches, batches_per_file - 1))
            yield self.path(number), own
            for _ in own:  # skip what the caller did not read
                pass
            number += 1


class ParquetTableWriter:
    """Context manager that writes a table to a Parquet file batch by batch.

    Parameters
    ----------
    path : Path
        Not created if no batch is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writer: Any = None
        self._file: Any = None

    @property
    def is_empty(self) -> bool:
        """True until a batch is written."""
        return self._writer is None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._writer is not None:
            with self._file:
                self._writer.close()

    def write(self, columns: Columns) -> None:
        """Append rows.

        Parameters
        ----------
        columns : dict of str to ndarray or pyarrow.ChunkedArray of shape (n_rows,)
            With the same names in every call.

        Raises
        ------
        InvalidInputError
            If a carried column has another type than before.
        """
        batch = pa.table({name: _to_arrow(values) for name, values in columns.items()})
        if self._writer is None:
            # A column that is empty in the first batch may contain text in a later one.
            fields = [field.with_type(pa.string()) if pa.types.is_null(field.type) else field for field in batch.schema]
            self._file = self.path.open("wb")  # Arrow itself opens no path that is not UTF-8
            self._writer = pq.ParquetWriter(self._file, pa.schema(fields))
        try:
            self._writer.write_table(batch.cast(self._writer.schema))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise InvalidInputError(
                f"Columns to keep must have the same type in all files: {str(error).splitlines()[0].rstrip('.')}. "
                "Leave such a column out, or write the scores as .csv."
            ) from error


def _to_arrow(values: Any) -> pa.Array | pa.ChunkedArray:
    """Return a column for Arrow, in which NaN is null."""
    return values if isinstance(values, pa.ChunkedArray) else pa.array(values, from_pandas=True)


def write_scores(
    path: Path,
    scorer: Any,
    batches: Iterable[Data],
    output: OutputColumns,
    advance: Advance = lambda n: None,
    score_terms: ScoreTerms | None = None,
) -> None:
    """Score batches and write them to one Parquet file, atomically.

    Without batches, if no image of a part can be read, the file has the same columns and no rows.

    Parameters
    ----------
    path : Path
    scorer : Scorer
    batches : iterable of Data
    output : OutputColumns
        Columns to write.
    advance : callable, optional
        Called with the number of rows scored since the last call.
    score_terms : callable, optional
        Computes the terms of a batch, in place of the scorer's method.

    Raises
    ------
    EgbadError
        If the file cannot be written.
    """
    with atomic_write(path) as draft, ParquetTableWriter(draft) as table:
        for data in batches:
            table.write(score_columns(scorer, data, output, advance, score_terms))
        if table.is_empty:
            blank = Data(np.zeros((1, *scorer.shape_)), files=("",) if scorer.kind_ == "images" else None)
            table.write({name: values[:0] for name, values in score_columns(scorer, blank, output).items()})


def count_rows(path: Path) -> tuple[int, int]:
    """Return the number of rows of a file of scores, and how many of them are anomalies.

    Raises
    ------
    UnreadableFileError
        If the file is damaged.
    """
    with arrow_errors(path), arrow_path(path) as source:
        column = pq.read_table(source, columns=["anomaly"])["anomaly"]
    return len(column), pc.sum(column).as_py() or 0
