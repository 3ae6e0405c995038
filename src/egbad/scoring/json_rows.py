"""Rows of tables that come as JSON: objects by column name, or lists in the order of the columns."""

import json
import math
from array import array
from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa

from egbad.arrays import Array
from egbad.data.column_roles import ColumnSelection
from egbad.data.column_types import BOOLEAN, CATEGORY, NUMBER, TIME, CategoryLabels, category_code, category_text
from egbad.data.csv_options import CsvDialect
from egbad.data.csv_values import parse_cells
from egbad.data.times import TIME_OF_DAY, parse_time, time_zone
from egbad.errors import InvalidInputError, shorten
from egbad.scoring.scorer import Scorer

ID = "id"  # key whose value is repeated in the answer
_MAX_NAMES = 20  # names of columns in a message


def parse_json(content: bytes, what: str = "A line") -> Any:
    """Parse one JSON value in which no object has a key twice.

    Parameters
    ----------
    content : bytes
    what : str
        Name of the content in error messages.

    Returns
    -------
    object

    Raises
    ------
    InvalidInputError
        If the content is not one JSON value in UTF-8.
    """
    try:
        return json.loads(content.decode("utf-8-sig"), object_pairs_hook=_unique_keys)
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"{what} must be UTF-8, got byte 0x{content[error.start]:02x}.") from error
    except json.JSONDecodeError as error:
        raise InvalidInputError(f"{what} must be one JSON value: {error}.") from error
    except InvalidInputError:
        raise
    except RecursionError as error:
        raise InvalidInputError(f"{what} must hold rows, got values nested too deeply.") from error
    except ValueError as error:  # an integer of more than 4,300 digits
        raise InvalidInputError("A row must hold numbers of a few digits, got one of thousands.") from error


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object as a dictionary, and refuse a key that occurs twice."""
    values = dict(pairs)
    if len(values) < len(pairs):
        repeated = next(key for key, n in Counter(key for key, _ in pairs).items() if n > 1)
        raise InvalidInputError(f"A row must have each key once, got {show_json(repeated)} twice.")
    return values


def show_json(value: Any) -> str:
    """Return a JSON value as text of bounded length."""
    return shorten(json.dumps(value))


@dataclass(frozen=True)
class MissingMarks:
    """Texts and numbers that stand for a missing value."""

    texts: frozenset[str]
    numbers: frozenset[float]

    @classmethod
    def find(cls, dialect: CsvDialect, given: Sequence[str] = ()) -> "MissingMarks":
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
class JsonRowReader:
    """Conversion of JSON values to rows.

    Attributes
    ----------
    scorer : Scorer
    missing : MissingMarks
    columns : ColumnSelection
    reserved : tuple of str
        Keys of answers, which no value of a row replaces.
    unused : dict
        Names that are no columns, a few at most.
    """

    scorer: Scorer
    missing: MissingMarks
    columns: ColumnSelection
    reserved: tuple[str, ...] = ()
    unused: dict[str, None] = field(default_factory=dict)

    def split(self, values: Any) -> tuple[dict[str, Any], Any]:
        """Separate the values of a row that its answer repeats from those to score.

        Parameters
        ----------
        values : object
            A row as JSON.

        Returns
        -------
        repeated : dict
            Values by name: "id", ids and kept columns.
        values : object
            The row without columns that are not scored.

        Raises
        ------
        InvalidInputError
            If a value to repeat is neither a text nor a finite number.
        """
        if not isinstance(values, dict):
            return {}, values
        names = dict.fromkeys((ID, *self.columns.carried_among([*values])))
        repeated = {
            name: _check_id(name, values[name]) for name in names if name in values and name not in self.reserved
        }
        known = {*repeated, *self.columns.roles.names} - {*(self.scorer.columns_ or ())}
        return repeated, {name: value for name, value in values.items() if name not in known} if known else values

    def parse_rows(self, rows: Sequence[Any]) -> Array:
        """Convert rows to an array of shape (n_samples, n_features).

        Parameters
        ----------
        rows : sequence
            Objects by column names, or lists in the order of the columns.

        Returns
        -------
        ndarray of shape (n_samples, n_features)

        Raises
        ------
        InvalidInputError
            If a row does not have the columns of the scorer, or a value has the wrong type. The message names the row.
        """
        if self.scorer.column_types_ is None and len(rows) and (numbers := self._parse_numbers(rows)) is not None:
            return numbers
        parsed = np.empty((len(rows), self.scorer.n_features_in_))
        for i, row in enumerate(rows):
            try:
                parsed[i] = self.parse_row(row)
            except InvalidInputError as error:
                if len(rows) == 1:
                    raise
                raise InvalidInputError(f"Row {i}: {error}") from error
        return parsed

    def _parse_numbers(self, rows: Sequence[Any]) -> Array | None:
        """Return rows (n, d) that are lists of finite numbers, None for all others."""
        n_features = self.scorer.n_features_in_
        if any(type(row) is not list or len(row) != n_features for row in rows):
            return None
        try:
            found = array("d", chain.from_iterable(rows))
        except (TypeError, OverflowError):  # texts, missing values or lists, or an integer beyond the largest double
            return None
        numbers = np.frombuffer(found).reshape(len(rows), n_features)
        if not np.isfinite(numbers).all():
            return None
        if self.missing.numbers:
            numbers[np.isin(numbers, [*self.missing.numbers])] = np.nan
        return numbers

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

    def unknown_labels(self, rows: Sequence[Any], x: Array) -> dict[int, CategoryLabels]:
        """Return the texts of levels that the scorer does not know, so that explanations can show them.

        Parameters
        ----------
        rows : sequence
            As for `parse_rows`.
        x : ndarray of shape (n_samples, n_features)
            The same rows as `parse_rows` has returned them.

        Returns
        -------
        dict of int to dict of float to str
            For each category with such levels, by position: the text of each code.
        """
        found = dict[int, CategoryLabels]()
        for j, known in self.scorer.category_labels_.items():
            for i, code in enumerate(x[:, j].tolist()):
                if code not in known and not math.isnan(code):
                    row = rows[i]
                    value = row[self.scorer.columns_[j]] if isinstance(row, dict) and self.scorer.columns_ else row[j]
                    found.setdefault(j, {})[code] = category_text(value)
        return found

    def check_columns(self, names: Container[str]) -> None:
        """Raise unless all columns of the scorer are among these names.

        Parameters
        ----------
        names : container of str

        Raises
        ------
        InvalidInputError
            With the names of those that are not.
        """
        absent = [show_json(name) for name in self.scorer.columns_ or () if name not in names]
        if absent:
            listed = ", ".join(absent[:_MAX_NAMES])
            raise InvalidInputError(
                f"A row must have all columns that the model was fitted on, got none named {listed}."
            )

    def _order(self, values: dict[str, Any]) -> list[Any]:
        """Return the values of an object in the order of the columns, and note its other names."""
        columns = self.scorer.columns_
        if columns is None:
            raise InvalidInputError("The model has no column names. Give each row as a list of values.")
        self.check_columns(values)
        if len(values) > len(columns) and len(self.unused) < _MAX_NAMES:
            self.unused.update(dict.fromkeys(name for name in values if name not in columns))
        return [values[name] for name in columns]


def _check_id(name: str, value: Any) -> Any:
    """Return a value of a key that is repeated in the answer."""
    if isinstance(value, dict | list) or (isinstance(value, float) and not math.isfinite(value)):
        raise InvalidInputError(f"The key '{shorten(name)}' must hold a text or a number, got {show_json(value)}.")
    return value


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
    raise InvalidInputError(f"Column '{shorten(column)}' must hold a {wanted}, got {show_json(value)}.")
