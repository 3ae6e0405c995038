"""Encoder of tables: rows of any column types become scaled numbers for networks, and back."""

from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from egbad.arrays import Array, ArraySpec, State, check_arrays
from egbad.data.column_types import BOOLEAN, NUMBER, base_type
from egbad.data.validation import MAX_LEARNED
from egbad.errors import InvalidEntryError, InvalidInputError, unknown
from egbad.model_file import entries_within, with_prefix_removed
from egbad.preprocessing.column_encoder import TableEncoder
from egbad.preprocessing.image_encoder import ENCODED_LIMIT, IdentityEncoder, ImageEncoder
from egbad.preprocessing.rank_normal import from_scores, rank_knots, to_scores

RANK_NORMAL = "rank_normal"
SCALINGS = ("standard", "robust", "minmax", RANK_NORMAL, "none")
CENTRED_SCALINGS = ("standard", "robust", RANK_NORMAL)  # scalings to a centre of 0 and a deviation of 1
UNSCALED_LIMIT = (
    1e12  # unscaled values are clipped to it: what networks make of its square is finite in single precision
)
# A missing value lies this many standard deviations beyond the maximum if training rows had no missing values.
UNSEEN_MISSING_DEVIATIONS = 8.0

_HEAVY_TAIL_RATIO = 10.0  # a tail is heavy if the maximum is this multiple of mean plus standard deviation
_NORMAL_QUARTILE_RANGE = 1.349  # standard deviations between the quartiles of a normal distribution
# A column that hardly varies in training must not dominate the score when it changes for the first time: its scale is at
# least this fraction of its range.
_MIN_RELATIVE_SCALE = 0.02
_MAX_RANK_SCORE = 40.0  # normal quantiles of all probabilities that a double holds are smaller
_RANK_ARRAYS = {  # fitted with scaling "rank_normal" as well
    "rank_values": ArraySpec("float64", ("n_knots", "width"), low=-MAX_LEARNED, high=MAX_LEARNED),
    "rank_scores": ArraySpec("float64", ("n_knots", "width"), low=-_MAX_RANK_SCORE, high=_MAX_RANK_SCORE),
}
_MIN_SPAN = 1e-290  # a column with a smaller range counts as constant: products with its scale would be zero
# Numbers that are encoded in one step. With one torch thread: large enough that threads of the caller seldom wait for
# the interpreter lock. With several: small enough that torch does not split the step among threads, which would wait for
# one that has other work.
_STEP_NUMBERS_ONE_THREAD, _STEP_NUMBERS = 2**18, 2**15


class RowEncoder:
    """Encode the columns of a table as scaled numbers without missing values.

    Categories, times and columns with missing values become several columns, see
    `egbad.preprocessing.column_encoder`. A missing value is replaced by the median and flagged in a column of its own. If
    training rows had no missing values in a column, a missing value lies far beyond its maximum instead.

    Parameters
    ----------
    scaling : {"standard", "robust", "minmax", "rank_normal", "none"}
        "minmax" maps the training range of each column to [0, 1]; "standard" scales to mean 0 and standard deviation
        1; "robust" scales to median 0 and to the quartile range that a standard normal distribution has, or as
        "standard" does if both quartiles are equal; "rank_normal" transforms each column to a normal distribution, see
        `egbad.preprocessing.rank_normal`. Constant columns become 0.
    log_columns : ndarray of bool of shape (d,), optional
        Columns to transform by log(1 + x) first, negative values as 0. None selects the columns of non-negative whole
        numbers with a heavy tail, such as bytes, amounts, durations and counts of rare events: their maximum is at least
        10, and at least ten times the sum of mean and standard deviation.
    column_types : sequence of str, optional
        Type of each column, one of `egbad.data.column_types.COLUMN_TYPES`. By default all are numbers.

    Attributes
    ----------
    table_encoder : TableEncoder or None
        Encoder of column types and missing values. None if all columns are numbers or booleans without missing values.
    low, span : ndarray of shape (width,)
        Minimum and range of the encoded columns in training, after the logarithm.
    mean, scale : ndarray of shape (width,)
        Centre and deviation relative to that range.
    log : ndarray of bool of shape (width,)
        Encoded columns that are transformed by the logarithm. None with scaling "rank_normal".
    rank_values, rank_scores : ndarray of shape (n_knots, width)
        Values and their normal scores, with scaling "rank_normal".

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[0.0, 5.0], [1.0, 5.0], [2.0, 5.0]])
    >>> encoder = RowEncoder("minmax").fit(x)
    >>> encoder.encode(x).tolist()
    [[0.0, 0.0], [0.5, 0.0], [1.0, 0.0]]
    >>> encoder.decode(encoder.encode(x)).tolist()
    [[0.0, 5.0], [1.0, 5.0], [2.0, 5.0]]
    """

    fitted: ClassVar[dict[str, ArraySpec]] = {
        "low": ArraySpec("float64", ("width",), low=-MAX_LEARNED, high=MAX_LEARNED),
        "span": ArraySpec("float64", ("width",), low=_MIN_SPAN, high=2 * MAX_LEARNED),
        "mean": ArraySpec("float64", ("width",), low=-1, high=2),  # in [0, 1], except for rounding
        "scale": ArraySpec("float64", ("width",), low=_MIN_RELATIVE_SCALE, high=1),
        "log": ArraySpec("bool", ("width",)),
    }

    def __init__(
        self,
        scaling: str = "standard",
        log_columns: NDArray[np.bool_] | None = None,
        column_types: Sequence[str] | None = None,
    ) -> None:
        if scaling not in SCALINGS:
            raise unknown("scaling", scaling, SCALINGS)
        self.scaling = scaling
        self.log_columns = log_columns
        self.column_types = column_types
        self.table_encoder: TableEncoder | None = None

    @property
    def width(self) -> int:
        """Number of encoded columns."""
        return len(self.low)

    def fit(self, x: Array) -> "RowEncoder":
        """Learn the range and the distribution of each column.

        Parameters
        ----------
        x : ndarray of shape (n, d)
            Training rows; NaN is missing.

        Returns
        -------
        RowEncoder
            The encoder itself.

        Raises
        ------
        InvalidInputError
            If `log_columns` selects a column that holds no numbers.
        """
        column_types = self.column_types or (NUMBER,) * x.shape[1]
        only_numbers = all(column_type in (NUMBER, BOOLEAN) for column_type in column_types) and not np.isnan(x).any()
        self.table_encoder = None if only_numbers else TableEncoder.from_training(column_types, x.astype(np.float64))
        x = self._encode_types(x)
        if self.scaling == RANK_NORMAL:  # ranks do not change by a logarithm
            self.log = np.zeros(x.shape[1], dtype=np.bool_)
            self.rank_values, self.rank_scores = rank_knots(x)
        else:
            self.log = _heavy_tailed(x) if self.log_columns is None else self._log_mask(self.log_columns, column_types)
        u = _apply_log(x, self.log)
        self.low = u.min(axis=0)
        span = u.max(axis=0) - self.low
        self.span = np.where(span > _MIN_SPAN, span, 1.0)
        u -= self.low  # in place, because tables are large
        u /= self.span
        self.mean = u.mean(axis=0)
        self.scale = np.maximum(u.std(axis=0), _MIN_RELATIVE_SCALE)
        if self.scaling == "robust":
            lower, self.mean, upper = np.quantile(u, (0.25, 0.5, 0.75), axis=0)
            quartile_scale = np.maximum((upper - lower) / _NORMAL_QUARTILE_RANGE, _MIN_RELATIVE_SCALE)
            self.scale = np.where(upper > lower, quartile_scale, self.scale)
        return self

    def encode(self, x: Array) -> NDArray[np.float32]:
        """Encode rows.

        Parameters
        ----------
        x : ndarray of shape (n, d)

        Returns
        -------
        ndarray of shape (n, width)
        """
        x = self._encode_types(x)
        if self.scaling == "none":
            return _fill_missing(np.asarray(_clip_unscaled(x), dtype=np.float32), self.missing_values)
        if self.scaling == RANK_NORMAL:
            z = to_scores(x.astype(np.float64), self.rank_values, self.rank_scores, self.span * self.scale)
            return _fill_missing(np.clip(z, -ENCODED_LIMIT, ENCODED_LIMIT).astype(np.float32), self.missing_values)
        # torch is faster here than NumPy and gives the same bits.
        centre, unit = (torch.tensor(values) for values in self._centre_and_unit())
        encoded = torch.empty(x.shape, dtype=torch.float32)
        step_numbers = _STEP_NUMBERS_ONE_THREAD if torch.get_num_threads() == 1 else _STEP_NUMBERS
        step = max(1, step_numbers // self.width)
        for start in range(0, len(x), step):
            u = torch.from_numpy(_apply_log(x[start : start + step], self.log))
            encoded[start : start + step] = u.sub_(centre).div_(unit).clamp_(-ENCODED_LIMIT, ENCODED_LIMIT)
        return _fill_missing(encoded.numpy(), self.missing_values)

    def decode(self, u: Array) -> Array:
        """Decode rows.

        Parameters
        ----------
        u : ndarray of shape (n, width)

        Returns
        -------
        ndarray of shape (n, d)
            Rows in the units of the table; NaN for missing values and for what cannot be decoded.
        """
        x = u.astype(np.float64)
        if self.scaling == RANK_NORMAL:
            x = from_scores(x, self.rank_values, self.rank_scores, self.span * self.scale)
        elif self.scaling != "none":
            centre, unit = self._centre_and_unit()
            x *= unit  # in place, because tables are large
            x += centre
            if self.log.any():
                x[:, self.log] = np.expm1(x[:, self.log])
        return x if self.table_encoder is None else self.table_encoder.decode(x)

    def typical_values(self) -> NDArray[np.float32]:
        """Return the centre of each column in encoded units.

        Returns
        -------
        ndarray of shape (width,)
            Mean, or median for the scaling "robust".
        """
        if self.scaling in CENTRED_SCALINGS:
            return np.zeros(self.width, dtype=np.float32)
        u = self.mean if self.scaling == "minmax" else _clip_unscaled(self.low + self.span * self.mean)
        return np.asarray(u, dtype=np.float32)

    def training_range(self) -> tuple[Array, Array]:
        """Return the minimum and the maximum of each column in training, in encoded units.

        Returns
        -------
        low, high : ndarray of shape (width,)
        """
        if self.scaling == RANK_NORMAL:
            return self.rank_scores[0], self.rank_scores[-1]
        edges = np.zeros(self.width), np.ones(self.width)
        if self.scaling in CENTRED_SCALINGS:
            low, high = ((edge - self.mean) / self.scale for edge in edges)
            return low, high
        if self.scaling == "minmax":
            return edges
        low, high = (np.expm1(edge, where=self.log, out=edge.copy()) for edge in (self.low, self.low + self.span))
        return low, high

    def missing_values(self) -> Array:
        """Return the encoded value of a missing number or time in a column that had none in training.

        It lies beyond the training maximum, because columns with heavy tails have normal values many deviations out.

        Returns
        -------
        ndarray of shape (width,)
        """
        beyond = self.training_range()[1] + UNSEEN_MISSING_DEVIATIONS * self.standard_deviation()
        return np.asarray(_clip_unscaled(beyond) if self.scaling == "none" else beyond)

    def standard_deviation(self) -> Array:
        """Return the standard deviation of each column in training, or its robust estimate, in encoded units.

        Returns
        -------
        ndarray of shape (width,)
        """
        uncentred = {"minmax": self.scale, "none": self.span * self.scale}
        return np.asarray(uncentred.get(self.scaling, np.ones(self.width)))

    def state(self) -> State:
        """Return the fitted values as arrays.

        Returns
        -------
        dict of str to ndarray
            State that `restore` takes.
        """
        state = {
            name: np.asarray(getattr(self, name))
            for name in {**self.fitted, **(_RANK_ARRAYS if self.scaling == RANK_NORMAL else {})}
        }
        columns = {} if self.table_encoder is None else self.table_encoder.state()
        return state | {f"columns.{name}": array for name, array in columns.items()}

    def restore(self, state: State, shape: tuple[int, ...]) -> "RowEncoder":
        """Restore the fitted values.

        Parameters
        ----------
        state : dict of str to ndarray
            State that `state` returned.
        shape : tuple of int
            Shape of a row, (d,).

        Returns
        -------
        RowEncoder
            The encoder itself.

        Raises
        ------
        InvalidEntryError
            If an array is not one that `state` returns, or does not fit the shape or the types of the columns.
        """
        columns, types = with_prefix_removed("columns.", state), self.column_types or (NUMBER,) * shape[0]
        base_types = [base_type(column_type) for column_type in types]
        with entries_within("columns."):
            self.table_encoder = TableEncoder.from_state(columns, base_types) if columns else None
        if self.table_encoder is None and set(base_types) - {NUMBER, BOOLEAN}:
            raise InvalidEntryError("columns.types", "is missing")
        width = shape[0] if self.table_encoder is None else self.table_encoder.width
        own = {name: array for name, array in state.items() if not name.startswith("columns.")}
        check_arrays(own, {**self.fitted, **(_RANK_ARRAYS if self.scaling == RANK_NORMAL else {})}, {"width": width})
        for name in _RANK_ARRAYS.keys() & own.keys():
            if (np.diff(own[name], axis=0) < 0).any():
                raise InvalidEntryError(name, "must be ascending in each column")
        for name, array in own.items():
            setattr(self, name, array)
        return self

    def _centre_and_unit(self) -> tuple[Array, Array]:
        """Return what is subtracted from each encoded column after the logarithm, and what the rest is divided by."""
        if self.scaling in CENTRED_SCALINGS:
            return self.low + self.span * self.mean, self.span * self.scale
        return self.low, self.span

    def _encode_types(self, x: Array) -> Array:
        """Return columns of numbers, still unscaled."""
        return x if self.table_encoder is None else self.table_encoder.encode(x.astype(np.float64))

    def _log_mask(self, selected: NDArray[np.bool_], column_types: Sequence[str]) -> NDArray[np.bool_]:
        """Return the encoded columns of shape (width,) that belong to the selected columns of shape (d,)."""
        if self.table_encoder is None:
            return selected
        for j, (column_type, is_selected) in enumerate(zip(column_types, selected, strict=True)):
            if is_selected and column_type != NUMBER:
                raise InvalidInputError(f"log_columns must select numbers, got column {j} of type {column_type}.")
        first = np.r_[0, self.table_encoder.stops[:-1]]
        mask = np.zeros(self.table_encoder.width, dtype=np.bool_)
        mask[first[selected]] = True
        return mask


def _apply_log(x: Array, columns: NDArray[np.bool_]) -> Array:
    """Return a copy of encoded columns in double precision, with the logarithm applied to some."""
    numbers = x if x.dtype in (np.float32, np.float64) else x.astype(np.float64)
    u: Array = torch.tensor(numbers, dtype=torch.float64).numpy()
    if columns.any():
        u[:, columns] = np.log1p(np.maximum(u[:, columns], 0))
    return u


def _fill_missing(u: NDArray[np.float32], fill: Callable[[], Array]) -> NDArray[np.float32]:
    """Replace missing values in columns that had none in training, in place."""
    if np.isnan(u.sum()):  # a sum is faster than a search
        rows, columns = np.nonzero(np.isnan(u))
        u[rows, columns] = fill()[columns]
    return u


def _clip_unscaled(x: Array) -> Array:
    return np.clip(x, -UNSCALED_LIMIT, UNSCALED_LIMIT)


def _heavy_tailed(x: Array) -> NDArray[np.bool_]:
    """Return the columns of non-negative whole numbers over several orders of magnitude."""
    is_count = (x == np.floor(x)).all(axis=0) & (x.min(axis=0) >= 0)
    mean, deviation = x.mean(axis=0, dtype=np.float64), x.std(axis=0, dtype=np.float64)
    is_heavy = x.max(axis=0) >= np.maximum(10, _HEAVY_TAIL_RATIO * (mean + deviation))
    return np.asarray(is_count & is_heavy, dtype=np.bool_)


Encoder = RowEncoder | ImageEncoder | IdentityEncoder


def log_column_mask(names: Sequence[str | int], columns: tuple[str, ...] | None, d: int) -> NDArray[np.bool_]:
    """Return a mask of the columns that are given by name or position.

    Parameters
    ----------
    names : sequence of str or int
        Names or positions; negative positions count from the end.
    columns : tuple of str or None
        Names of all columns, if they have names.
    d : int
        Number of columns.

    Returns
    -------
    ndarray of bool of shape (d,)

    Raises
    ------
    InvalidInputError
        If a column does not exist, or is given by name while the columns have no names.
    """
    mask = np.zeros(d, dtype=np.bool_)
    for name in names:
        if isinstance(name, str):
            if columns is None:
                raise InvalidInputError(f"log_columns has '{name}', but X has no column names. Give positions.")
            if name not in columns:
                raise unknown("column", name, columns)
            mask[columns.index(name)] = True
        elif -d <= name < d:
            mask[name] = True
        else:
            raise InvalidInputError(f"log_columns must be positions below {d}, the number of columns, got {name}.")
    return mask
