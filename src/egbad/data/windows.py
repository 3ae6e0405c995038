"""Windows of time series: each row holds the values of several time steps, so that detectors of rows see their course."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from egbad.arrays import Floats
from egbad.data.conversion import collect
from egbad.errors import InvalidInputError, check_count, shorten, unknown

Reduction = Literal["last", "mean", "max"]
_REDUCTIONS = ("last", "mean", "max")
_NUMBERED = "column_{}"  # name of a column of an array


@dataclass(frozen=True, eq=False)
class WindowTable:
    """Windows as rows of a table, with the time steps that they cover.

    Attributes
    ----------
    table : pyarrow.Table
        One row for each window. Column "a[-2]" holds the values of "a" two time steps before the last one of the window,
        "a[0]" those of the last one.
    positions : ndarray of int of shape (n_windows, length)
        Positions in the input of the time steps of each window, in the order of time.
    n_rows : int
        Number of rows of the input.
    """

    table: pa.Table
    positions: NDArray[np.intp]
    n_rows: int

    def to_rows(self, values: Floats, reduction: Reduction = "last") -> Floats:
        """Return the values of windows, such as scores, at the time steps of the input.

        Parameters
        ----------
        values : ndarray of shape (n_windows,)
        reduction : {"last", "mean", "max"}, default="last"
            "last" gives a time step the value of the window that ends with it, which needs no later time step: use it for
            alarms. "mean" and "max" are those of all windows that cover the time step: use them to find the place of an
            anomaly afterwards.

        Returns
        -------
        ndarray of shape (n_rows,)
            NaN for time steps without such a window: the first ones of each series, and those at gaps.

        Raises
        ------
        InvalidInputError
            If the number of values is not that of the windows, or the reduction is unknown.
        """
        values = np.asarray(values, dtype=np.float64)
        if values.shape != (len(self.positions),):
            raise InvalidInputError(
                f"There must be one value for each of {len(self.positions)} windows, got shape {values.shape}."
            )
        if reduction not in _REDUCTIONS:
            raise unknown("reduction", reduction, _REDUCTIONS)
        if reduction == "last":
            found = np.full(self.n_rows, np.nan)
            found[self.positions[:, -1]] = values
            return found
        flat, repeated = self.positions.ravel(), np.repeat(values, self.positions.shape[1])
        counts = np.bincount(flat, minlength=self.n_rows)
        if reduction == "mean":
            found = np.bincount(flat, repeated, minlength=self.n_rows) / np.maximum(counts, 1)
        else:
            found = np.full(self.n_rows, -np.inf)
            np.maximum.at(found, flat, repeated)
        found[counts == 0] = np.nan
        return found


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Division of time series into windows of equal length.

    Parameters
    ----------
    length : int
        Time steps of a window, at least 2.
    stride : int, default=1
        Time steps from the beginning of a window to that of the next one.
    time : str, optional
        Column of times or numbers by which rows are ordered. It is no part of the windows. By default rows are in order.
    by : str or sequence of str, optional
        Columns that tell series apart, such as a machine's name. No window spans two series. They are no part of the windows.
    max_gap : number or timedelta, optional
        Largest difference of `time` between neighbouring time steps of a window. Windows with a larger gap are left out.

    Raises
    ------
    InvalidInputError
        If `length` or `stride` is too small, or `max_gap` is given without `time`.

    Examples
    --------
    >>> import pyarrow as pa
    >>> table = pa.table({"machine": ["a", "a", "a", "b", "b"], "heat": [1.0, 2.0, 3.0, 7.0, 8.0]})
    >>> found = Windows(length=2, by="machine").cut(table)
    >>> found.table.to_pydict()
    {'heat[-1]': [1.0, 2.0, 7.0], 'heat[0]': [2.0, 3.0, 8.0]}
    >>> found.to_rows([0.1, 0.2, 0.3]).tolist()
    [nan, 0.1, 0.2, nan, 0.3]
    """

    length: int
    stride: int = 1
    time: str | None = None
    by: str | Sequence[str] | None = None
    max_gap: Any = None

    def __post_init__(self) -> None:
        check_count("length", self.length, 2)
        check_count("stride", self.stride)
        if self.max_gap is not None and self.time is None:
            raise InvalidInputError("max_gap needs the column of times: name it with time=.")

    def cut(self, X: Any) -> WindowTable:
        """Return the windows of a table.

        Parameters
        ----------
        X : DataFrame, Arrow table or array of shape (n_rows, n_columns)
            One row for each time step of each series. Rows of one series need not stand together.

        Returns
        -------
        WindowTable

        Raises
        ------
        InvalidInputError
            If a column is missing, a time is missing or occurs twice in a series, or no series is long enough.
        """
        table = _to_table(X)
        order, series = self._order(table)
        starts = self._starts(table, order, series)
        if not len(starts):
            raise InvalidInputError(
                f"There is no window: no series has {self.length} time steps"
                + (" without a gap." if self.max_gap is not None else ".")
            )
        positions = order[starts[:, None] + np.arange(self.length)]
        values = table.drop_columns([name for name in (*self._groups, self.time) if name is not None])
        columns = {
            f"{name}[{step - self.length + 1}]": values[name].take(pa.array(positions[:, step]))
            for name in values.column_names
            for step in range(self.length)
        }
        return WindowTable(pa.table(columns), positions, table.num_rows)

    def split(self, X: Any, fraction: float = 0.2) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the positions of earlier rows to fit on, and of later rows to test with.

        Cut each part into windows on its own: then no window holds time steps of both. With `time`, all series are split at
        one time, so that nothing is learned from the future of another series.

        Parameters
        ----------
        X : DataFrame, Arrow table or array of shape (n_rows, n_columns)
        fraction : float, default=0.2
            Share of the rows in the later part, in (0, 1).

        Returns
        -------
        earlier, later : ndarray of int
            Positions in X, in the order of the rows. Rows with the same time are in one part.

        Raises
        ------
        InvalidInputError
            If the fraction is not in (0, 1), a column is missing, or a part would be empty.
        """
        if not 0 < fraction < 1:
            raise InvalidInputError(f"fraction must be in (0, 1), got {fraction}.")
        table = _to_table(X)
        if self.time is not None:
            times = self._times(table)
            is_later = times >= np.sort(times)[int((1 - fraction) * len(times))]
        else:
            order, series = self._order(table)
            sizes = np.bincount(series)
            begins = np.cumsum(sizes) - sizes
            rank = np.arange(len(order)) - begins[series]
            is_later = np.empty(len(order), bool)
            is_later[order] = rank >= np.floor((1 - fraction) * sizes[series])
        earlier, later = np.flatnonzero(~is_later), np.flatnonzero(is_later)
        if not len(earlier) or not len(later):
            raise InvalidInputError("A part would be empty. Choose another fraction.")
        return earlier, later

    # -- order of rows -------------------------------------------------------------------------------------------------

    @property
    def _groups(self) -> tuple[str, ...]:
        return () if self.by is None else (self.by,) if isinstance(self.by, str) else tuple(self.by)

    def _order(self, table: pa.Table) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the positions of rows by series and time, and the number of the series of each."""
        series = np.zeros(table.num_rows, np.intp)
        for name in self._groups:
            codes = _column(table, name).combine_chunks().dictionary_encode(null_encoding="encode").indices.to_numpy()
            series = np.unique(series * (int(codes.max(initial=0)) + 1) + codes, return_inverse=True)[1]
        keys = (series,) if self.time is None else (self._times(table), series)
        order = np.lexsort(keys)  # stable
        return order, series[order]

    def _times(self, table: pa.Table) -> NDArray[Any]:
        """Return the times of rows as numbers or dates of NumPy."""
        assert self.time is not None
        column = _column(table, self.time)
        missing = column.is_null(nan_is_null=True).to_numpy().sum()
        if missing:
            raise InvalidInputError(
                f"The column '{shorten(self.time)}' must have a time in every row, and {missing:,} have none."
            )
        times = column.to_numpy()
        if times.dtype.kind not in "iufM":
            raise InvalidInputError(f"The column '{shorten(self.time)}' must hold times or numbers, got {column.type}.")
        return np.asarray(times)

    def _starts(self, table: pa.Table, order: NDArray[np.intp], series: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the positions in the order at which windows begin."""
        n = len(order) - self.length + 1
        if n < 1:
            return np.empty(0, np.intp)
        sizes = np.bincount(series)
        rank = np.arange(len(order)) - (np.cumsum(sizes) - sizes)[series]
        starts = np.flatnonzero((series[:n] == series[self.length - 1 :]) & (rank[:n] % self.stride == 0))
        if self.time is None:
            return starts
        steps = np.diff(self._times(table)[order])
        inside = series[1:] == series[:-1]
        if (inside & (steps == np.zeros(1, steps.dtype))).any():
            raise InvalidInputError(
                f"The column '{shorten(self.time)}' must have every time once in a series. Name the columns that tell series "
                "apart with by=."
            )
        if self.max_gap is None:
            return starts
        gaps = np.concatenate([[0], np.cumsum(steps > _as_step(self.max_gap, steps.dtype))])
        without_gap = gaps[starts + self.length - 1] == gaps[starts]
        return np.asarray(starts[without_gap])


def _as_step(gap: Any, dtype: np.dtype[Any]) -> Any:
    """Return a difference of times in the type of the differences."""
    try:
        return np.timedelta64(gap) if dtype.kind == "m" else float(gap)
    except (TypeError, ValueError) as error:
        kind = "a timedelta" if dtype.kind == "m" else "a number"
        raise InvalidInputError(f"max_gap must be {kind}, as the differences of times are, got {gap!r}.") from error


def _to_table(X: Any) -> pa.Table:
    """Return a table, with names for the columns of an array."""
    X = collect(X)
    if isinstance(X, pa.Table):
        return X
    if hasattr(X, "iloc") and hasattr(X, "columns"):
        return pa.Table.from_pandas(X, preserve_index=False)
    if hasattr(X, "__arrow_c_stream__"):
        table = pa.table(X)
        views = [i for i, kind in enumerate(table.schema.types) if pa.types.is_string_view(kind)]
        for i in views:  # of polars; Arrow cannot select among them
            table = table.set_column(i, table.column_names[i], table[i].cast(pa.large_string()))
        return table
    x = np.asarray(X)
    if x.ndim != 2 or x.dtype.kind not in "biuf":
        raise InvalidInputError(
            f"X must be a table, or an array of numbers with two dimensions, got {type(X).__name__}."
        )
    return pa.table({_NUMBERED.format(i + 1): column for i, column in enumerate(x.T)})


def _column(table: pa.Table, name: str) -> pa.ChunkedArray:
    """Return a column by name."""
    if name not in table.column_names:
        raise InvalidInputError(
            f"There is no column '{shorten(name)}'. Columns are: {shorten(', '.join(table.column_names))}."
        )
    return table[name]
