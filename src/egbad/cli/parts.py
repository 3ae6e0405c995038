"""Scores in a folder of parts, each there as a whole or not at all, so that a job that was killed goes on where it was."""

import hashlib
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from egbad.errors import EgbadError, InvalidInputError
from egbad.persistence import replacing

BATCHES = 64  # of a part: about a million rows
_ABOUT = "_about.json"  # what the scores are of: readers of tables leave out what begins so


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

    Raises
    ------
    InvalidInputError
        When the folder holds other things, or scores of something else.
    EgbadError
        When it can't be made.
    """

    def __init__(self, folder: Path, model: Path, asked: dict[str, Any]) -> None:
        self.folder = folder
        about = {"model": hashlib.sha256(model.read_bytes()).hexdigest(), "batches": BATCHES, **asked}
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
            with replacing(file) as draft:
                draft.write_text(json.dumps(about), encoding="utf-8")

    def each(self, batches: Iterator[Any]) -> Iterator[tuple[Path, bool, Iterator[Any]]]:
        """Every part: its file, whether it is there already, and the batches that it is of."""
        batches = iter(batches)
        number = 0
        while (first := next(batches, None)) is not None:
            path = self.folder / f"part-{number:05}.parquet"
            rest = islice(batches, BATCHES - 1)
            yield path, path.exists(), _chained(first, rest)
            number += 1


def _chained(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from rest


def flagged(path: Path) -> tuple[int, int]:
    """How many rows a part has, and how many of them are flagged."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from egbad.sources.tables import readable

    with readable(path):
        column = pq.read_table(path, columns=["anomaly"])["anomaly"]
    return len(column), pc.sum(column).as_py() or 0
