"""Encoders that turn columns of any type into numeric columns without missing values, and back."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from egbad.arrays import ArraySpec, Floats, State, check_arrays
from egbad.data.column_types import CATEGORY, COLUMN_TYPES, MAX_KNOWN_LEVELS, TIME, TIME_OF_DAY, base_type
from egbad.errors import InvalidEntryError

MAX_ONE_HOT_LEVELS = 32  # the most frequent levels of a category get a column each
MAX_BUCKETS = 8  # columns shared by all other levels
DAY, YEAR = 86_400.0, 365.2425 * 86_400.0
PERIODS = {TIME: (DAY, 7 * DAY, YEAR), TIME_OF_DAY: (DAY,)}  # seconds
_ARRAYS = {
    "types": ArraySpec("int64", ("n_columns",), low=0, high=len(COLUMN_TYPES) - 1),
    "has_missing": ArraySpec("bool", ("n_columns",)),
    "fill": ArraySpec("float64", ("n_columns",), finite=False),  # NaN if all values were missing
    "n_buckets": ArraySpec("int64", ("n_columns",), low=0, high=MAX_BUCKETS),
    "levels": ArraySpec("float64", ("n_levels",), empty=True),
    "levels_sizes": ArraySpec("int64", ("n_columns",), low=0, high=MAX_ONE_HOT_LEVELS),
    "known_levels": ArraySpec("float64", ("n_known_levels",), empty=True),
    "known_levels_sizes": ArraySpec("int64", ("n_columns",), low=0, high=MAX_KNOWN_LEVELS),
}


@dataclass(frozen=True)
class ColumnEncoder:
    """Encoder of one column.

    A number or a boolean stays one column. A time becomes the sine and cosine of its place in the day, week and year, a time
    of day those of its place in the day.
    A category becomes one-hot columns for its frequent levels, buckets that the other levels share by their code, and
    one column for levels that training did not show. A column with missing values in training gets a flag at the end.

    Attributes
    ----------
    column_type : str
        One of `egbad.data.column_types.COLUMN_TYPES`; times of all zones have the same.
    has_missing : bool
        True if training rows had missing values; the last encoded column then flags them.
    fill : float
        Median of a number; NaN if all values were missing.
    levels : ndarray of shape (n_levels,)
        Codes of the one-hot encoded levels, ascending.
    known_levels : ndarray of shape (n_known_levels,)
        Codes of all levels in training, ascending; empty if they were more than `MAX_KNOWN_LEVELS`.
    n_buckets : int
        Number of columns that the other levels share.
    """

    column_type: str
    has_missing: bool
    fill: float
    levels: Floats
    known_levels: Floats
    n_buckets: int

    @classmethod
    def from_training(cls, column_type: str, x: Floats) -> "ColumnEncoder":
        """Fit an encoder to a column of training rows.

        Parameters
        ----------
        column_type : str
            One of `egbad.data.column_types.COLUMN_TYPES`.
        x : ndarray of shape (n_samples,)
            Values; NaN is missing.

        Returns
        -------
        ColumnEncoder
        """
        present = x[~np.isnan(x)]
        empty = np.empty(0)
        has_missing = len(present) < len(x)
        if column_type != CATEGORY:
            fill = float(np.median(present)) if len(present) else np.nan
            return cls(column_type, has_missing, fill, empty, empty, 0)
        codes, counts = np.unique(present, return_counts=True)
        levels = np.sort(codes[np.argsort(-counts, kind="stable")[:MAX_ONE_HOT_LEVELS]])
        known_levels = codes if len(codes) <= MAX_KNOWN_LEVELS else empty
        return cls(column_type, has_missing, 0.0, levels, known_levels, min(MAX_BUCKETS, len(codes) - len(levels)))

    @property
    def width(self) -> int:
        """Number of encoded columns."""
        if self.column_type == CATEGORY:
            return len(self.levels) + self.n_buckets + 1 + self.has_missing
        return (2 * len(self.periods) or 1) + self.has_missing

    @property
    def periods(self) -> tuple[float, ...]:
        """Periods of a time in seconds; empty for all other types."""
        return PERIODS.get(self.column_type, ())

    @property
    def fill_value(self) -> float:
        """Number that replaces a missing one: the median, or 0 if all values were missing."""
        return 0.0 if np.isnan(self.fill) else self.fill

    def describe(self) -> str:
        """Describe the column in a few words.

        Returns
        -------
        str

        Examples
        --------
        >>> ColumnEncoder.from_training("number", np.array([1.0, np.nan])).describe()
        'number, some missing'
        >>> ColumnEncoder.from_training("number", np.array([np.nan, np.nan])).describe()
        'number, all missing'
        >>> ColumnEncoder.from_training("category", np.array([7.0, 7.0])).describe()
        'category, 1 level'
        """
        is_category = self.column_type == CATEGORY
        all_missing = not len(self.levels) if is_category else np.isnan(self.fill)
        n_levels = f"{len(self.known_levels)}" if len(self.known_levels) else f"more than {MAX_KNOWN_LEVELS:,}"
        levels = (
            f", {n_levels} level{'' if len(self.known_levels) == 1 else 's'}" if is_category and not all_missing else ""
        )
        missing = f", {'all' if all_missing else 'some'} missing" if self.has_missing else ""
        return f"{self.column_type}{levels}{missing}"

    def encode(self, x: Floats) -> Floats:
        """Encode a column.

        Parameters
        ----------
        x : ndarray of shape (n_samples,)
            Values; NaN is missing.

        Returns
        -------
        ndarray of shape (n_samples, width)
            If no value was missing in training, a missing number or time stays NaN and a missing category is encoded
            as an unknown level.
        """
        missing = np.isnan(x)
        flag = [missing[:, None].astype(np.float64)] if self.has_missing else []
        if self.column_type == CATEGORY:
            return np.hstack([self._encode_levels(x, missing), *flag])
        if self.periods:
            phases = np.stack([2 * np.pi * (x % period) / period for period in self.periods], axis=1)
            circles = np.hstack([np.sin(phases), np.cos(phases)])
            return np.hstack([np.nan_to_num(circles), *flag]) if self.has_missing else circles
        return np.hstack([np.where(missing, self.fill_value, x)[:, None], *flag]) if self.has_missing else x[:, None]

    def _encode_levels(self, x: Floats, missing: NDArray[np.bool_]) -> Floats:
        """Return a column per frequent level, a column per bucket, and one for unknown levels."""
        one_hot = x[:, None] == self.levels
        other = ~one_hot.any(axis=1) & ~missing
        bucket = np.nan_to_num(x) % max(1, self.n_buckets)
        buckets = (bucket[:, None] == np.arange(self.n_buckets)) & other[:, None]
        # Without a list of known levels, a level in the buckets may be known or not: it counts as known.
        all_known = not len(self.known_levels) and self.n_buckets
        unknown = np.zeros_like(other) if all_known else other & ~np.isin(x, self.known_levels)
        if not self.has_missing:
            unknown = unknown | missing
        return np.hstack([one_hot, buckets & ~unknown[:, None], unknown[:, None]]).astype(np.float64)

    def decode(self, u: Floats) -> Floats:
        """Decode a column.

        Parameters
        ----------
        u : ndarray of shape (n_samples, width)
            Encoded rows, or a model's estimate of them.

        Returns
        -------
        ndarray of shape (n_samples,)
            NaN for missing values, for times, and for levels without a column of their own.
        """
        values = np.full(len(u), np.nan)
        if self.column_type == CATEGORY:
            likeliest = u.argmax(axis=1)
            one_hot = likeliest < len(self.levels)
            values[one_hot] = self.levels[likeliest[one_hot]]
        elif not self.periods:
            values = u[:, 0].astype(np.float64)
            if self.has_missing:
                values[u[:, -1] > 0.5] = np.nan
        return values


class TableEncoder:
    """Encoder of a table: one `ColumnEncoder` per column.

    Parameters
    ----------
    columns : sequence of ColumnEncoder
        Encoders of the d columns, in order.

    Attributes
    ----------
    columns : tuple of ColumnEncoder
    stops : ndarray of shape (d,)
        Encoded columns up to and including those of each column.
    source_columns : ndarray of shape (width,)
        Position of the column that each encoded column comes from.
    """

    def __init__(self, columns: Sequence[ColumnEncoder]) -> None:
        self.columns = tuple(columns)
        widths = [column.width for column in self.columns]
        self.stops = np.cumsum(widths)
        self.source_columns = np.repeat(np.arange(len(self.columns)), widths)

    @classmethod
    def from_training(cls, column_types: Sequence[str], x: Floats) -> "TableEncoder":
        """Fit an encoder to training rows.

        Parameters
        ----------
        column_types : sequence of str
            Type of each column. The zones of times are ignored.
        x : ndarray of shape (n_samples, d)

        Returns
        -------
        TableEncoder
        """
        base_types = map(base_type, column_types)
        return cls([ColumnEncoder.from_training(column_type, x[:, j]) for j, column_type in enumerate(base_types)])

    @property
    def width(self) -> int:
        """Number of encoded columns."""
        return len(self.source_columns)

    def column_weights(self) -> Floats:
        """Return weights that make every source column count the same.

        Returns
        -------
        ndarray of shape (width,)
            Weights of the encoded columns; they sum to 1.
        """
        return np.asarray([1 / (len(self.columns) * self.columns[j].width) for j in self.source_columns])

    def encode(self, x: Floats) -> Floats:
        """Encode rows.

        Parameters
        ----------
        x : ndarray of shape (n_samples, d)

        Returns
        -------
        ndarray of shape (n_samples, width)
        """
        return np.hstack([column.encode(x[:, j]) for j, column in enumerate(self.columns)])

    def decode(self, u: Floats) -> Floats:
        """Decode rows.

        Parameters
        ----------
        u : ndarray of shape (n_samples, width)

        Returns
        -------
        ndarray of shape (n_samples, d)
        """
        parts = np.split(u, self.stops[:-1], axis=1)
        return np.stack([column.decode(part) for column, part in zip(self.columns, parts, strict=True)], axis=1)

    def state(self) -> State:
        """Return the fitted values as arrays.

        Returns
        -------
        dict of str to ndarray
            State that `from_state` takes.
        """
        state: State = {
            "types": np.array([COLUMN_TYPES.index(column.column_type) for column in self.columns]),
            "has_missing": np.array([column.has_missing for column in self.columns]),
            "fill": np.array([column.fill for column in self.columns]),
            "n_buckets": np.array([column.n_buckets for column in self.columns]),
        }
        for name in ("levels", "known_levels"):
            parts = [getattr(column, name) for column in self.columns]
            state |= {name: np.concatenate(parts), f"{name}_sizes": np.array([len(part) for part in parts])}
        return state

    @classmethod
    def from_state(cls, state: State, column_types: Sequence[str]) -> "TableEncoder":
        """Restore an encoder.

        Parameters
        ----------
        state : dict of str to ndarray
            State that `state` returned.
        column_types : sequence of str
            Type of each column, without the zones of times.

        Returns
        -------
        TableEncoder

        Raises
        ------
        InvalidEntryError
            If an array is not one that `state` returns for columns of these types.
        """
        _check_state(state, column_types)
        levels, known_levels = (
            np.split(state[name], np.cumsum(state[f"{name}_sizes"])[:-1]) for name in ("levels", "known_levels")
        )
        scalars = (state[name] for name in ("types", "has_missing", "fill", "n_buckets"))
        return cls(
            [
                ColumnEncoder(
                    COLUMN_TYPES[type_], bool(has_missing), float(fill), levels[j], known_levels[j], int(n_buckets)
                )
                for j, (type_, has_missing, fill, n_buckets) in enumerate(zip(*scalars, strict=True))
            ]
        )


def _check_state(state: State, column_types: Sequence[str]) -> None:
    """Raise unless arrays are those of a table encoder of columns of these types."""
    check_arrays(state, _ARRAYS, {"n_columns": len(column_types)})
    found = [COLUMN_TYPES[type_] for type_ in state["types"]]
    if found != list(column_types):
        raise InvalidEntryError("types", f"must be those of the columns, {list(column_types)}, got {found}")
    is_category = np.array([column_type == CATEGORY for column_type in found])
    if np.isinf(state["fill"]).any():
        raise InvalidEntryError("fill", "must be finite or nan, got an infinity")
    for name in ("levels", "known_levels"):
        sizes = state[f"{name}_sizes"]
        if sizes.sum() != len(state[name]):
            raise InvalidEntryError(f"{name}_sizes", f"must add up to {len(state[name])}, got {sizes.sum()}")
        if sizes[~is_category].any():
            raise InvalidEntryError(f"{name}_sizes", "must be 0 for columns other than categories")
