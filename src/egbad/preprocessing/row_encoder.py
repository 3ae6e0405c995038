"""From a user's rows or images to what networks like, and back."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from egbad.arrays import Array, State
from egbad.data.column_types import BOOLEAN, NUMBER
from egbad.errors import InvalidInputError, unknown
from egbad.preprocessing.column_encoder import TableEncoder
from egbad.preprocessing.image_encoder import IdentityEncoder, ImageEncoder

SCALINGS = ("standard", "robust", "minmax", "none")
CENTRED_SCALINGS = (
    "standard",
    "robust",
)  # those that go on to a centre of 0, in units of how far values usually are from it
_HEAVY = 10.0  # how often the mean and the deviation together the largest of a column must be for its tail to be heavy
ENCODED_LIMIT = 1e6  # encoded units: further out is all the same, and single precision bears it
UNSCALED_LIMIT = 1e18  # unscaled columns: its square is still a number in single precision
UNSEEN_MISSING_DEVIATIONS = 8.0  # a missing value lies so far beyond the largest if none was missing in training
_MIDDLE = 1.349  # standard deviations that the middle half of a normal distribution spans
# Numbers that are encoded at once: so many that threads seldom wait for Python's lock, in little memory. Where torch would share
# an operation among threads, so few that it doesn't: they would wait for one that has other work.
_AT_ONCE, _UNSHARED = 2**18, 2**15
_FLOOR = 0.02  # of a column's range: a column that hardly moves in training must not shout at its first move


class RowEncoder:
    """Scale the columns of a table, whose categories, times and gaps become columns of their own.

    A missing value is like the median, with a column that says so; where none was missing in training it lies far out.

    Parameters
    ----------
    scaling : {"standard", "robust", "minmax", "none"}
        "minmax" maps each column's training range to [0, 1]. "standard" goes on from there to mean 0 and standard
        deviation 1; "robust" to median 0 and the width of the middle half that normal values of deviation 1 have, or where
        half of the values are one as "standard" does. A constant column becomes 0.
    log_columns : array of bool (d,), optional
        Columns that log(1 + x) is taken of first; what is negative counts as 0. None chooses them when fitting: those
        that hold whole numbers only, none negative, with a heavy tail, as bytes, amounts, durations and counts of what is
        rare have: the largest is at least 10, and ten times mean and standard deviation together.
    kinds : sequence of str, optional
        What each column holds, of `egbad.data.column_types.KINDS`. Without it all are numbers.
    """

    fitted: ClassVar[tuple[str, ...]] = ("low", "span", "mean", "scale", "log")

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
        """Columns of encoded rows."""
        return len(self.low)

    def fit(self, x: Array) -> "RowEncoder":
        """Learn the columns' ranges from x (n, d)."""
        column_types = self.column_types or (NUMBER,) * x.shape[1]
        plain = all(kind in (NUMBER, BOOLEAN) for kind in column_types) and not np.isnan(x).any()
        self.table_encoder = None if plain else TableEncoder.from_training(column_types, x.astype(np.float64))
        x = self._expanded(x)
        self.log = _sizes(x) if self.log_columns is None else self._log_mask(self.log_columns, column_types)
        u = self._log(x)
        self.low = u.min(axis=0)
        span = u.max(axis=0) - self.low
        self.span = np.where(span > 0, span, 1.0)
        u -= self.low  # in place: tables are large
        u /= self.span
        self.mean = u.mean(axis=0)
        self.scale = np.maximum(u.std(axis=0), _FLOOR)
        if self.scaling == "robust":
            lower, self.mean, upper = np.quantile(u, (0.25, 0.5, 0.75), axis=0)
            self.scale = np.where(upper > lower, np.maximum((upper - lower) / _MIDDLE, _FLOOR), self.scale)
        return self

    def encode(self, x: Array) -> NDArray[np.float32]:
        """x (n, d) -> (n, width)."""
        x = self._expanded(x)
        if self.scaling == "none":
            return self._filled(np.asarray(np.clip(x, -UNSCALED_LIMIT, UNSCALED_LIMIT), dtype=np.float32))
        # By torch, which is sooner done than NumPy and has its bits.
        centre, unit = (torch.tensor(values) for values in self._line())
        encoded = torch.empty(x.shape)
        size = max(1, (_AT_ONCE if torch.get_num_threads() == 1 else _UNSHARED) // self.width)
        for start in range(0, len(x), size):
            u = torch.from_numpy(self._log(x[start : start + size]))
            encoded[start : start + size] = u.sub_(centre).div_(unit).clamp_(-ENCODED_LIMIT, ENCODED_LIMIT)
        return self._filled(encoded.numpy())

    def decode(self, u: Array) -> Array:
        """The way back, from (n, width) to the user's units (n, d)."""
        x = u.astype(np.float64)
        if self.scaling != "none":
            centre, unit = self._line()
            x *= unit  # in place, as when encoding
            x += centre
            if self.log.any():
                x[:, self.log] = np.expm1(x[:, self.log])
        return x if self.table_encoder is None else self.table_encoder.decode(x)

    def _line(self) -> tuple[Array, Array]:
        """What is taken from each column (width,), after its logarithm, and what the rest is divided by."""
        if self.scaling in CENTRED_SCALINGS:
            return self.low + self.span * self.mean, self.span * self.scale
        return self.low, self.span

    def typical_values(self) -> NDArray[np.float32]:
        """The mean, or the median, of each column (width,), in encoded units."""
        if self.scaling in CENTRED_SCALINGS:
            return np.zeros(self.width, dtype=np.float32)
        u = self.mean if self.scaling == "minmax" else self.low + self.span * self.mean
        return np.asarray(u, dtype=np.float32)

    def training_range(self) -> tuple[Array, Array]:
        """The least and the largest of each column in training (width,), in encoded units."""
        edges = np.zeros(self.width), np.ones(self.width)
        if self.scaling in CENTRED_SCALINGS:
            low, high = ((edge - self.mean) / self.scale for edge in edges)
            return low, high
        if self.scaling == "minmax":
            return edges
        low, high = (np.where(self.log, np.expm1(edge), edge) for edge in (self.low, self.low + self.span))
        return low, high

    def missing_values(self) -> Array:
        """Where a missing value lies in each column (width,), in encoded units, if none was missing in training.

        Beyond all that was seen there: columns with heavy tails have values many deviations out.
        """
        return np.asarray(self.training_range()[1] + UNSEEN_MISSING_DEVIATIONS * self.standard_deviation())

    def standard_deviation(self) -> Array:
        """The standard deviation of each column in training (width,), or what stands for it, in encoded units."""
        of = {"minmax": self.scale, "none": self.span * self.scale}
        return np.asarray(of.get(self.scaling, np.ones(self.width)))

    def _expanded(self, x: Array) -> Array:
        return x if self.table_encoder is None else self.table_encoder.encode(x.astype(np.float64))

    def _filled(self, u: NDArray[np.float32]) -> NDArray[np.float32]:
        """Encoded rows without gaps, in place."""
        if np.isnan(u.sum()):  # sooner known than where
            rows, columns = np.nonzero(np.isnan(u))
            u[rows, columns] = self.missing_values()[columns]
        return u

    def _log_mask(self, wanted: NDArray[np.bool_], column_types: Sequence[str]) -> NDArray[np.bool_]:
        """Which encoded columns the logarithm is taken of, where columns (d,) are `wanted`."""
        if self.table_encoder is None:
            return wanted
        for j, (kind, named) in enumerate(zip(column_types, wanted, strict=True)):
            if named and kind != NUMBER:
                raise InvalidInputError(f"log_columns must name numbers, column {j} is of the kind {kind}.")
        first = np.r_[0, self.table_encoder.stops[:-1]]
        mask = np.zeros(self.table_encoder.width, dtype=np.bool_)
        mask[first[wanted]] = True
        return mask

    def _log(self, x: Array) -> Array:
        """A copy of x (n, width) in double precision, with the logarithms taken."""
        plain = x if x.dtype in (np.float32, np.float64) else x.astype(np.float64)
        u: Array = torch.tensor(plain, dtype=torch.float64).numpy()
        if self.log.any():
            u[:, self.log] = np.log1p(np.maximum(u[:, self.log], 0))
        return u

    def state(self) -> State:
        """What was learned, as arrays."""
        state = {name: np.asarray(getattr(self, name)) for name in self.fitted}
        own = {} if self.table_encoder is None else self.table_encoder.state()
        return state | {f"blocks.{name}": array for name, array in own.items()}

    def restore(self, state: State) -> "RowEncoder":
        """Take up what `state` gave."""
        for name in self.fitted:
            setattr(self, name, state[name])
        own = {name.removeprefix("blocks."): array for name, array in state.items() if name.startswith("blocks.")}
        self.table_encoder = TableEncoder.from_state(own) if own else None
        return self


def _sizes(x: Array) -> NDArray[np.bool_]:
    """Columns of x (n, d) that measure or count over orders of magnitude -> (d,)."""
    whole = (x == np.floor(x)).all(axis=0) & (x.min(axis=0) >= 0)
    heavy = x.max(axis=0) >= np.maximum(10, _HEAVY * (x.mean(axis=0) + x.std(axis=0)))
    return np.asarray(whole & heavy, dtype=np.bool_)


Encoder = RowEncoder | ImageEncoder | IdentityEncoder


def log_column_mask(names: list[str | int], columns: tuple[str, ...] | None, d: int) -> NDArray[np.bool_]:
    """Which of d columns are named, by name or by position -> (d,) bool."""
    mask = np.zeros(d, dtype=np.bool_)
    for name in names:
        if isinstance(name, str):
            if columns is None:
                raise InvalidInputError(f"log_columns names '{name}', but X has no column names. Give positions.")
            if name not in columns:
                raise unknown("column", name, columns)
            mask[columns.index(name)] = True
        elif -d <= name < d:
            mask[name] = True
        else:
            raise InvalidInputError(f"log_columns must be positions below {d}, the number of columns, got {name}.")
    return mask
