"""Scores for rows that arrive on stdin, one JSON value per line (`egbad score --follow`)."""

import json
import math
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import IO, Any

import numpy as np
import pyarrow as pa

from egbad.arrays import Array
from egbad.cli.output import count_of, json_lines, note
from egbad.data import Data
from egbad.data.column_roles import ALL_COLUMNS, ColumnSelection
from egbad.data.column_types import BOOLEAN, CATEGORY, NUMBER, TIME, category_code, category_text
from egbad.data.csv_options import CsvDialect
from egbad.data.csv_values import parse_cells
from egbad.data.times import TIME_OF_DAY, parse_time, time_zone
from egbad.errors import EgbadError, InvalidInputError, shorten
from egbad.scoring import calibration
from egbad.scoring.score_tables import SCORE_COLUMNS, check_carried_names
from egbad.scoring.scorer import Scorer

ID = "id"  # key whose value is repeated in the answer
_ANSWER_KEYS = (*SCORE_COLUMNS, "error", "line")
MAX_LINE_BYTES = 2**24  # a longer line is answered by an error: memory stays bounded
_MAX_MESSAGE = 300  # characters of a message
_MAX_NAMES = 20  # names of columns in a message


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
    reader = _RowReader(scorer, _MissingMarks.find(scorer.csv_dialect_ or CsvDialect(), missing), columns)
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
        note(f"Keys that the model does not use: {', '.join(map(_show, reader.unused))}.")


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


def _answer_line(reader: "_RowReader", line: bytes | None, threshold: float, terms: bool) -> dict[str, Any]:
    """Return the answer to a line, or an object with an error."""
    answer: dict[str, Any] = {}
    try:
        values = _parse_line(line)
        if isinstance(values, dict):
            repeated = reader.repeated_names(values)
            answer |= {name: _check_id(name, values[name]) for name in repeated}
            known = {*repeated, *reader.columns.roles.names} - {*(reader.scorer.columns_ or ())}
            values = {name: value for name, value in values.items() if name not in known}
        return answer | _score_row(reader.scorer, reader.parse_row(values), threshold, terms)
    except EgbadError as error:
        message = " ".join(str(error).split())
    except RecursionError:
        message = "A row must be an object or a list of values, got values nested too deeply."
    return answer | {"error": shorten(message, _MAX_MESSAGE)}


def _parse_line(line: bytes | None) -> Any:
    """Parse one line of JSON, and raise an `InvalidInputError` where that is not possible."""
    if line is None:
        raise InvalidInputError("The line is too long. Send one row per line.")
    try:
        return json.loads(line.decode("utf-8-sig"), object_pairs_hook=_unique_keys)
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"A line must be UTF-8, got byte 0x{line[error.start]:02x}.") from error
    except json.JSONDecodeError as error:
        raise InvalidInputError(f"A line must be one JSON value: {error}.") from error
    except InvalidInputError:
        raise
    except ValueError as error:  # an integer of more than 4,300 digits
        raise InvalidInputError("A row must hold numbers of a few digits, got one of thousands.") from error


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object as a dictionary, and refuse a key that occurs twice."""
    values = dict(pairs)
    if len(values) < len(pairs):
        repeated = next(key for key, n in Counter(key for key, _ in pairs).items() if n > 1)
        raise InvalidInputError(f"A row must have each key once, got {_show(repeated)} twice.")
    return values


def _check_id(name: str, value: Any) -> Any:
    """Return a value of a key that is repeated in the answer."""
    if isinstance(value, dict | list) or (isinstance(value, float) and not math.isfinite(value)):
        raise InvalidInputError(f"The key '{shorten(name)}' must hold a text or a number, got {_show(value)}.")
    return value


def _score_row(scorer: Scorer, row: Array, threshold: float, terms: bool) -> dict[str, Any]:
    data = Data(row[None], scorer.columns_, column_types=scorer.column_types_)
    score_terms = {name: float(term[0]) for name, term in scorer.score_terms(data).items()}
    score = sum(score_terms.values())
    if not math.isfinite(score):
        raise InvalidInputError(f"The score must be finite, got {score}. Check the values of the row.")
    p_value = float(calibration.p_values(scorer.calibration_scores_, np.array([score]))[0])
    answer = {"score": score, "p_value": p_value, "anomaly": bool(score > threshold)}
    return answer | (score_terms if terms else {})


# -- values ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _MissingMarks:
    """Texts and numbers that stand for a missing value."""

    texts: frozenset[str]
    numbers: frozenset[float]

    @classmethod
    def find(cls, dialect: CsvDialect, given: Sequence[str]) -> "_MissingMarks":
        """Return the given marks, or those of the dialect; marks that are numbers in the dialect are both."""
        texts = given or dialect.missing
        numbers = parse_cells(pa.array(texts, pa.string()), NUMBER, dialect.decimal).values.to_pylist()
        return cls(frozenset(texts), frozenset(number for number in numbers if number is not None))

    def __contains__(self, value: Any) -> bool:
        if isinstance(value, str):
            return value.strip() in self.texts
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return (isinstance(value, float) and math.isnan(value)) or value in self.numbers


@dataclass
class _RowReader:
    """Conversion of JSON values to rows.

    Attributes
    ----------
    scorer : Scorer
    missing : _MissingMarks
    columns : ColumnSelection
    unused : dict
        Names that are no columns, a few at most.
    """

    scorer: Scorer
    missing: _MissingMarks
    columns: ColumnSelection
    unused: dict[str, None] = field(default_factory=dict)

    def repeated_names(self, values: dict[str, Any]) -> list[str]:
        """Return the keys of an object that its answer repeats, as far as the answer has none of that name."""
        names = dict.fromkeys((ID, *self.columns.carried_among([*values])))
        return [name for name in names if name in values and name not in _ANSWER_KEYS]

    def parse_row(self, values: Any) -> Array:
        """Convert an object by column names, or a list in the order of the columns, to an array of shape (n_features,)."""
        n_features, columns = self.scorer.n_features_in_, self.scorer.columns_
        if isinstance(values, dict):
            values = self._order(values)
        if not isinstance(values, list) or len(values) != n_features:
            received = f"{len(values)} values" if isinstance(values, list) else type(values).__name__
            raise InvalidInputError(f"A row must be an object or a list of {n_features} values, got {received}.")
        column_types = self.scorer.column_types_ or (NUMBER,) * n_features
        names = columns or [str(j) for j in range(n_features)]
        return np.array(
            [
                float("nan") if value is None or value in self.missing else _parse_value(name, value, column_type)
                for name, value, column_type in zip(names, values, column_types, strict=True)
            ]
        )

    def _order(self, values: dict[str, Any]) -> list[Any]:
        """Return the values of an object in the order of the columns, and note its other names."""
        columns = self.scorer.columns_
        if columns is None:
            raise InvalidInputError("The model has no column names. Give each row as a list of values.")
        absent = [_show(name) for name in columns if name not in values]
        if absent:
            listed = ", ".join(absent[:_MAX_NAMES])
            raise InvalidInputError(
                f"A row must have all columns that the model was fitted on, got none named {listed}."
            )
        if len(values) > len(columns) and len(self.unused) < _MAX_NAMES:
            self.unused.update(dict.fromkeys(name for name in values if name not in columns))
        return [values[name] for name in columns]


def _parse_value(column: str, value: Any, column_type: str) -> float:
    """Convert a JSON value to the number that stands for it in a column of some type."""
    zone = time_zone(column_type)
    is_time = zone is not None or column_type == TIME
    try:
        if column_type == CATEGORY and isinstance(value, str | int | float):
            return category_code(category_text(value))
        if column_type in (NUMBER, BOOLEAN) and isinstance(value, int | float) and not math.isinf(value):
            return float(value)
        if (is_time or column_type == TIME_OF_DAY) and isinstance(value, str):
            return parse_time(value, column_type)
    except (ValueError, OverflowError):  # no time, half of a surrogate pair, or an integer beyond the largest double
        pass
    wanted = f"time {'without' if zone is None else 'with'} an offset from UTC" if is_time else column_type
    raise InvalidInputError(f"Column '{shorten(column)}' must hold a {wanted}, got {_show(value)}.")


def _show(value: Any) -> str:
    """Return a JSON value as text of bounded length."""
    return shorten(json.dumps(value))
