"""Scores for rows that arrive on stdin, one JSON value per line (`egbad score --follow`)."""

import json
import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np

from egbad.arrays import Array
from egbad.cli.output import count_of, json_lines, note
from egbad.data import Data, column_names_message
from egbad.data.column_types import BOOLEAN, CATEGORY, NUMBER, TIME, category_code, category_text
from egbad.errors import EgbadError, InvalidInputError
from egbad.scoring import calibration
from egbad.scoring.scorer import Scorer

_EPOCH = datetime(1970, 1, 1)


def answer_rows(scorer: Scorer, threshold: float, *, terms: bool) -> None:
    """Answer every line of stdin with one line of JSON on stdout, at once.

    A line that cannot be scored is answered by an object with the key "error".

    Parameters
    ----------
    scorer : Scorer
    threshold : float
        Scores above it are anomalies.
    terms : bool
        Include the terms of each score.

    Raises
    ------
    InvalidInputError
        If the scorer was fitted on images.
    """
    if scorer.kind_ != "rows":
        raise InvalidInputError("--follow reads rows, but this model scores images. Name a folder of images as DATA.")
    n_scored = n_failed = n_flagged = 0
    with json_lines() as print_line:
        for line in sys.stdin:
            if not line.strip():
                continue
            try:
                answer = _score_row(scorer, json.loads(line), threshold, terms)
                n_scored, n_flagged = n_scored + 1, n_flagged + answer["anomaly"]
            except (EgbadError, ValueError) as error:
                answer = {"error": " ".join(str(error).split())}
                n_failed += 1
            print_line(answer)
    note(f"{count_of(n_scored, 'row')}, {n_flagged:,} flagged, {count_of(n_failed, 'line')} that could not be scored.")


def _score_row(scorer: Scorer, values: Any, threshold: float, terms: bool) -> dict[str, Any]:
    data = Data(_parse_row(scorer, values)[None], scorer.columns_, column_types=scorer.column_types_)
    score_terms = {name: float(term[0]) for name, term in scorer.score_terms(data).items()}
    score = sum(score_terms.values())
    p_value = float(calibration.p_values(scorer.calibration_scores_, np.array([score]))[0])
    answer = {"score": score, "p_value": p_value, "anomaly": bool(score > threshold)}
    return answer | (score_terms if terms else {})


def _parse_row(scorer: Scorer, values: Any) -> Array:
    """Convert an object by column names, or a list in the order of the columns, to an array of shape (n_features,)."""
    n_features, columns = scorer.n_features_in_, scorer.columns_
    if isinstance(values, Mapping):
        if columns is None:
            raise InvalidInputError("The model has no column names. Give each row as a list of values.")
        if set(values) != set(columns):
            unseen = [name for name in values if name not in columns]
            missing = [name for name in columns if name not in values]
            raise InvalidInputError(column_names_message(unseen, missing))
        values = [values[name] for name in columns]
    if not isinstance(values, list) or len(values) != n_features:
        received = f"{len(values)} values" if isinstance(values, list) else type(values).__name__
        raise InvalidInputError(f"A row must be an object or a list of {n_features} values, got {received}.")
    column_types = scorer.column_types_ or (NUMBER,) * n_features
    names = columns or [str(j) for j in range(n_features)]
    return np.array([_parse_value(*cell) for cell in zip(names, values, column_types, strict=True)])


def _parse_value(column: str, value: Any, column_type: str) -> float:
    """Convert a JSON value to the number that stands for it in a column of some type."""
    if value is None:
        return float("nan")
    if column_type == CATEGORY and isinstance(value, str | int | float):
        return category_code(category_text(value))
    if column_type in (NUMBER, BOOLEAN) and isinstance(value, int | float):
        return float(value)
    if column_type == TIME and isinstance(value, str):
        try:
            return (datetime.fromisoformat(value).replace(tzinfo=None) - _EPOCH).total_seconds()
        except ValueError:
            pass
    raise InvalidInputError(f"Column '{column}' must hold a {column_type}, got {json.dumps(value)}.")
