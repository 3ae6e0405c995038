"""Scores for rows that arrive on stdin, one JSON value per line (`egbad score --follow`)."""

import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import IO, Any

import numpy as np

from egbad.arrays import Array
from egbad.cli.output import count_of, json_lines, note
from egbad.data import Data
from egbad.data.column_roles import ALL_COLUMNS, ColumnSelection
from egbad.data.csv_options import CsvDialect
from egbad.errors import EgbadError, InvalidInputError, shorten
from egbad.scoring import calibration
from egbad.scoring.json_rows import JsonRowReader, MissingMarks, parse_json, show_json
from egbad.scoring.score_tables import SCORE_COLUMNS, check_carried_names
from egbad.scoring.scorer import Scorer

_ANSWER_KEYS = (*SCORE_COLUMNS, "error", "line")
MAX_LINE_BYTES = 2**24  # a longer line is answered by an error: memory stays bounded
_MAX_MESSAGE = 300  # characters of a message


def answer_rows(
    scorer: Scorer,
    threshold: float,
    *,
    terms: bool,
    missing: Sequence[str] = (),
    columns: ColumnSelection = ALL_COLUMNS,
    max_line_bytes: int = MAX_LINE_BYTES,
) -> None:
    """Answer every line of stdin with one line of JSON on stdout, at once. Blank lines are skipped.

    A line that cannot be scored is answered by an object with the keys "error" and "line", its number. Keys that the model
    does not know are ignored, and listed on stderr at the end.

    Parameters
    ----------
    scorer : Scorer
    threshold : float
        Scores above it are anomalies.
    terms : bool
        Include the terms of each score.
    missing : sequence of str
        Texts and numbers that stand for a missing value, besides null and NaN. By default those of the CSV file that the
        scorer was fitted on.
    columns : ColumnSelection
        Keys to repeat in the answer, and keys to ignore. Those that the scorer knows are added.
    max_line_bytes : int, default=2**24
        Longer lines are not read.

    Raises
    ------
    InvalidInputError
        If the scorer was fitted on images, or a key to repeat has the name of a key of the answer.
    """
    if scorer.kind_ != "rows":
        raise InvalidInputError("--follow reads rows, but this model scores images. Name a folder of images as DATA.")
    columns = replace(columns, roles=scorer.column_roles_.updated(columns.roles), features=scorer.columns_)
    check_carried_names((*columns.roles.ids, *(columns.kept or ())), _ANSWER_KEYS)
    reader = JsonRowReader(
        scorer, MissingMarks.find(scorer.csv_dialect_ or CsvDialect(), missing), columns, _ANSWER_KEYS
    )
    n_scored = n_failed = n_flagged = 0
    with json_lines() as print_line:
        for number, line in enumerate(_read_lines(sys.stdin.buffer, max_line_bytes), 1):
            if line is not None and not line.strip():
                continue
            answer = _answer_line(reader, line, threshold, terms)
            if "error" in answer:
                answer["line"] = number
                n_failed += 1
            else:
                n_scored, n_flagged = n_scored + 1, n_flagged + answer["anomaly"]
            print_line(answer)
    note(f"{count_of(n_scored, 'row')}, {n_flagged:,} flagged, {count_of(n_failed, 'line')} that could not be scored.")
    if reader.unused:
        note(f"Keys that the model does not use: {', '.join(map(show_json, reader.unused))}.")


def _read_lines(stream: IO[bytes], max_bytes: int) -> Iterator[bytes | None]:
    """Yield the lines of a stream as they arrive, None for one that is too long."""
    while line := stream.readline(max_bytes + 1):
        if len(line) <= max_bytes:
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = stream.readline(max_bytes)
        yield None


# -- answers -----------------------------------------------------------------------------------------------------------


def _answer_line(reader: JsonRowReader, line: bytes | None, threshold: float, terms: bool) -> dict[str, Any]:
    """Return the answer to a line, or an object with an error."""
    answer: dict[str, Any] = {}
    try:
        if line is None:
            raise InvalidInputError("The line is too long. Send one row per line.")
        answer, values = reader.split(parse_json(line))
        return answer | _score_row(reader.scorer, reader.parse_row(values), threshold, terms)
    except EgbadError as error:
        message = " ".join(str(error).split())
    except RecursionError:
        message = "A row must be an object or a list of values, got values nested too deeply."
    return answer | {"error": shorten(message, _MAX_MESSAGE)}


def _score_row(scorer: Scorer, row: Array, threshold: float, terms: bool) -> dict[str, Any]:
    data = Data(row[None], scorer.columns_, column_types=scorer.column_types_)
    score_terms = {name: float(term[0]) for name, term in scorer.score_terms(data).items()}
    score = sum(score_terms.values())
    if not math.isfinite(score):
        raise InvalidInputError(f"The score must be finite, got {score}. Check the values of the row.")
    p_value = float(calibration.p_values(scorer.calibration_scores_, np.array([score]))[0])
    answer = {"score": score, "p_value": p_value, "anomaly": bool(score > threshold)}
    return answer | (score_terms if terms else {})
