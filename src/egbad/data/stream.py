"""Rows or images as arrays: a data set, a stream of batches, and partitions that workers read independently."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from egbad.arrays import Array
from egbad.data.column_roles import NO_ROLES, ColumnRoles
from egbad.data.column_types import CategoryLabels
from egbad.data.csv_options import CsvDialect
from egbad.data.options import DEFAULT_BATCH_SIZES
from egbad.errors import InvalidInputError

MIN_IMAGE_SIDE, MAX_IMAGE_SIDE = 8, 128  # pixels


@dataclass(frozen=True)
class Data:
    """Rows or images as numbers.

    Attributes
    ----------
    x : ndarray
        Rows of shape (n, d), or images of shape (n, h, w) or (n, c, h, w). Images of different sizes are an array of
        objects of shape (n,), see `egbad.data.ragged`.
    columns : tuple of str, optional
        Names of the d columns.
    files : tuple of str, optional
        Path of each image, relative to the folder that was read.
    labels : ndarray of shape (n,), optional
        Values of the label column.
    first_row : int
        Position of the first row in the file or stream; error messages count from it.
    column_types : tuple of str, optional
        Type of each column, one of `egbad.data.column_types.COLUMN_TYPES`. None if all columns are numbers.
    category_labels : dict of int to dict of float to str
        For each category column, by position, the text of every code.
    source : str, optional
        File that the rows come from, if several files are read.
    coverage_rows : ndarray of shape (m, d), optional
        For a sample: rows with levels, missing values or extremes that the sample lacks. They are used for training,
        but not for calibration.
    unreadable : tuple of str
        Images, folders and broken links that were skipped while this batch was read.
    dialect : CsvDialect, optional
        Dialect of the CSV file that the rows come from.
    notes : tuple of str
        Sentences about what was detected in the files, such as an unusual dialect.
    roles : ColumnRoles
        Columns of the table that are not in `x`.
    carried : pyarrow.Table of n rows, optional
        Columns to write to the output as they are, such as ids.
    """

    x: Array
    columns: tuple[str, ...] | None = None
    files: tuple[str, ...] | None = None
    labels: Array | None = None
    first_row: int = 0
    column_types: tuple[str, ...] | None = None
    category_labels: dict[int, CategoryLabels] = field(default_factory=dict)
    source: str | None = None
    coverage_rows: Array | None = None
    unreadable: tuple[str, ...] = ()
    dialect: CsvDialect | None = None
    notes: tuple[str, ...] = ()
    roles: ColumnRoles = NO_ROLES
    carried: pa.Table | None = None


@dataclass(frozen=True)
class Partition:
    """Consecutive rows or images of a stream that a worker can read independently.

    Attributes
    ----------
    n_rows : int
        Number of rows or images, assuming that all can be read.
    read : callable
        Returns an iterator over batches; can be pickled. A batch is empty if none of its images could be read.
    """

    n_rows: int
    read: Callable[[], Iterator[Data]]


class Stream:
    """Rows or images in batches that are read when they are asked for.

    Parameters
    ----------
    batches : iterable of Data
        Batches in order.
    n_rows : int, optional
        Number of rows or images, if it is known in advance.
    partitions : sequence of Partition, optional
        The same data in partitions, if the files can be read from any place at no extra cost.
    unreadable : sequence of str
        Image files that were skipped when the stream was opened.
    notes : sequence of str
        Sentences about what was detected in the files when the stream was opened.

    Attributes
    ----------
    batches : iterator of Data
        Batches in order; can be consumed once.
    n_rows : int or None
    partitions : tuple of Partition or None
    unreadable : list of str
        Images, folders and broken links that were skipped so far. The list is complete once all batches have been read.
    usual_size : (int, int), optional
        Median height and width of images in their files.
    shrunk : ((int, int), (int, int)), optional
        Height and width of large images in their files, and of the images that are read, if nobody asked for this size.
    notes : tuple of str
    """

    def __init__(
        self,
        batches: Iterable[Data],
        n_rows: int | None = None,
        partitions: Sequence[Partition] | None = None,
        unreadable: Sequence[str] = (),
        notes: Sequence[str] = (),
    ) -> None:
        self.n_rows = n_rows
        self.partitions = None if partitions is None else tuple(partitions)
        self.unreadable = list(unreadable)
        self.usual_size: tuple[int, int] | None = None
        self.shrunk: tuple[tuple[int, int], tuple[int, int]] | None = None
        self.notes = tuple(notes)
        self.batches = self._record(batches)

    @classmethod
    def from_partitions(cls, partitions: Sequence[Partition], notes: Sequence[str] = ()) -> "Stream":
        """Create a stream that reads partitions one after the other.

        Parameters
        ----------
        partitions : sequence of Partition
        notes : sequence of str
            See `Stream`.

        Returns
        -------
        Stream
        """
        batches = (batch for partition in partitions for batch in partition.read())
        return cls(batches, sum(partition.n_rows for partition in partitions), partitions, notes=notes)

    def read_partition(self, partition: Partition) -> Iterator[Data]:
        """Read one partition and record the files that it skips.

        Parameters
        ----------
        partition : Partition

        Yields
        ------
        Data
            Batches of the partition, in order.
        """
        yield from self._record(partition.read())

    def _record(self, batches: Iterable[Data]) -> Iterator[Data]:
        """Yield the batches that are not empty and record the files that were skipped."""
        for batch in batches:
            self.unreadable += batch.unreadable
            if len(batch.x):
                yield batch


def take_rows(data: Data, rows: Array) -> Data:
    """Select rows or images by position, without their files and labels.

    Parameters
    ----------
    data : Data
    rows : ndarray of shape (m,)
        Positions, or a boolean mask.

    Returns
    -------
    Data
    """
    positions = np.arange(len(data.x))[rows]
    carried = None if data.carried is None else data.carried.take(positions)
    return replace(data, x=data.x[rows], files=None, labels=None, carried=carried)


def join_batches(batches: Sequence[Data]) -> Data:
    """Join the rows of consecutive batches of tables.

    Parameters
    ----------
    batches : sequence of Data
        At least one, all with the same columns.

    Returns
    -------
    Data
        Without the places of the rows in their files.
    """
    category_labels: dict[int, CategoryLabels] = {}
    for batch in batches:
        for j, levels in batch.category_labels.items():
            category_labels.setdefault(j, {}).update(levels)
    labels = [batch.labels for batch in batches if batch.labels is not None]
    carried = [batch.carried for batch in batches if batch.carried is not None]
    return replace(
        batches[0],
        x=np.concatenate([batch.x for batch in batches]),
        labels=np.concatenate(labels) if labels else None,
        category_labels=category_labels,
        carried=join_carried(carried) if carried else None,
        first_row=0,
        source=None,
    )


def join_carried(tables: Sequence[pa.Table]) -> pa.Table:
    """Join the carried columns of consecutive batches.

    Parameters
    ----------
    tables : sequence of pyarrow.Table

    Returns
    -------
    pyarrow.Table

    Raises
    ------
    InvalidInputError
        If a column has types that do not go together.
    """
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        raise InvalidInputError(
            f"Columns to keep must have the same type in all files: {str(error).splitlines()[0].rstrip('.')}. Keep others."
        ) from error


def as_stream(data: Data, batch_rows: int = DEFAULT_BATCH_SIZES.rows) -> Stream:
    """Split data in memory into batches.

    Parameters
    ----------
    data : Data
    batch_rows : int
        Rows or images of a batch.

    Returns
    -------
    Stream
    """

    def batches() -> Iterator[Data]:
        for start in range(0, len(data.x), batch_rows):
            part = slice(start, start + batch_rows)
            yield replace(
                data,
                x=data.x[part],
                files=None if data.files is None else data.files[part],
                labels=None if data.labels is None else data.labels[part],
                carried=None if data.carried is None else data.carried.slice(start, batch_rows),
                first_row=data.first_row + start,
            )

    return Stream(batches(), len(data.x))
