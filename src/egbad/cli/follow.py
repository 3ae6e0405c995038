"""Rows from standard input, one a line as JSON, answered line by line as they come."""

import json
import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np

from egbad.cli import output
from egbad.data import Data, column_names_message
from egbad.data.column_types import BOOLEAN, CATEGORY, NUMBER, TIME, category_code, category_text
from egbad.errors import EgbadError, InvalidInputError
from egbad.scoring import calibration

_EPOCH = datetime(1970, 1, 1)


def follow(scorer: Any, threshold: float, *, terms: bool) -> None:
    """Answer every line of standard input with one of standard output, at once; a line that can't be scored says why."""
    if scorer.kind_ != "rows":
        raise InvalidInputError(
            "--follow reads rows of a table, this model scores images. Give a folder of images as DATA."
        )
    rows = wrong = flagged = 0
    with output.lines() as answer:
        for line in sys.stdin:
            if not line.strip():
                continue
            try:
                told = _scored(scorer, json.loads(line), threshold, terms)
                rows, flagged = rows + 1, flagged + told["anomaly"]
            except (EgbadError, ValueError) as error:
                told, wrong = {"error": " ".join(str(error).split())}, wrong + 1
            answer(told)
    output.note(
        f"{output.counted(rows, 'row')}, {flagged:,} flagged, {output.counted(wrong, 'line')} that could not be scored."
    )


def _scored(scorer: Any, values: Any, threshold: float, terms: bool) -> dict[str, Any]:
    data = Data(_row(scorer, values)[None], scorer.columns_, column_types=scorer.column_types_)
    parts = {name: float(term[0]) for name, term in scorer.score_terms(data).items()}
    score = sum(parts.values())
    p = float(calibration.p_values(scorer.calibration_scores_, np.array([score]))[0])
    return {"score": score, "p_value": p, "anomaly": bool(score > threshold)} | (parts if terms else {})


def _row(scorer: Any, values: Any) -> Any:
    """One row (d,) as numbers, from an object by column name or a list in the order of columns."""
    d, names = scorer.n_features_in_, scorer.columns_
    if isinstance(values, Mapping):
        if names is None:
            raise InvalidInputError("The model has no column names: give each row as a list of values.")
        if set(values) != set(names):
            unseen, missing = [n for n in values if n not in names], [n for n in names if n not in values]
            raise InvalidInputError(column_names_message(unseen, missing))
        values = [values[name] for name in names]
    if not isinstance(values, list) or len(values) != d:
        got = f"{len(values)} values" if isinstance(values, list) else type(values).__name__
        raise InvalidInputError(f"A row must be an object or a list of {d} values, got {got}.")
    kinds = scorer.column_types_ or (NUMBER,) * d
    labels = names or [str(j) for j in range(d)]
    return np.array([_number(*given) for given in zip(labels, values, kinds, strict=True)])


def _number(name: str, value: Any, kind: str) -> float:
    if value is None:
        return float("nan")
    if kind == CATEGORY and isinstance(value, str | int | float):
        return category_code(category_text(value))
    if kind in (NUMBER, BOOLEAN) and isinstance(value, int | float):
        return float(value)
    if kind == TIME and isinstance(value, str):
        try:
            return (datetime.fromisoformat(value).replace(tzinfo=None) - _EPOCH).total_seconds()
        except ValueError:
            pass
    raise InvalidInputError(f"Column '{name}' must hold a {kind}, got {json.dumps(value)}.")
