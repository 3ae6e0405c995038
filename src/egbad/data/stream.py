"""TODO."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from egbad.data.column_types import CategoryLabels

if TYPE_CHECKING:
    pass


Array = NDArray[Any]


ColumnTypes = Mapping[str, str] | Sequence[str]  # of columns by their names, of some or all; or of all in their order


AT_ONCE = 16_384  # rows of a batch


BATCHES = 64  # of a piece: about a million rows


MIN_IMAGE_SIDE, MAX_IMAGE_SIDE = 8, 128  # pixels


@dataclass(frozen=True)
class Data:
    """Rows or images as numbers.

    Attributes
    ----------
    x : array
        Rows (n, d), or images (n, h, w) or (n, c, h, w); of different sizes (n,), as `egbad.data.ragged` has them.
    columns : tuple of str, optional
        The names of the d columns.
    files : tuple of str, optional
        The path of each image, from the folder that was read.
    labels : array (n,), optional
        The label column, as found.
    first_row : int
        Which row of a larger whole the first is: errors count from there.
    kinds : tuple of str, optional
        What the d columns hold, of `egbad.data.column_types.KINDS`; None if all are numbers.
    texts : dict
        For the positions of categories what their numbers stand for.
    source : str, optional
        The file that rows are from, of several.
    coverage_rows : array (m, d), optional
        Of a sample: rows that show what it doesn't. They are learned from, and set no threshold.
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


@dataclass(frozen=True)
class Partition:
    """So many consecutive rows or images of a stream that they are worth a worker's while.

    Attributes
    ----------
    rows : int
        How many, where all can be read.
    read : callable
        Gives them in batches; it can be pickled.
    bad : list of str, optional
        Where files that can't be read are left out: what `read` adds them to.
    """

    rows: int
    read: Callable[[], Iterator[Data]]
    bad: list[str] | None = None


@dataclass(frozen=True)
class Stream:
    """Rows or images in batches, read as they are asked for.

    Attributes
    ----------
    rows : int, optional
        How many there are in all, where that is known before they are read.
    batches : iterator of Data
        In order, each with the place of its first row.
    pieces : tuple of Partition, optional
        The same in pieces that can be read by themselves, where the files are such that this is no more work.
    """

    rows: int | None
    batches: Iterator[Data]
    pieces: tuple[Partition, ...] | None = None

    @classmethod
    def of(cls, pieces: Sequence[Partition]) -> "Stream":
        """A stream of pieces."""
        whole = (batch for piece in pieces for batch in piece.read())
        return cls(sum(piece.rows for piece in pieces), whole, tuple(pieces))


def take_rows(data: Data, rows: Array) -> Data:
    """Some of the rows or images, by position, without files and labels."""
    return replace(data, x=data.x[rows], files=None, labels=None)


def as_stream(data: Data) -> Stream:
    """What is in memory already, in batches."""

    def batches() -> Iterator[Data]:
        for start in range(0, len(data.x), AT_ONCE):
            own = slice(start, start + AT_ONCE)
            yield replace(
                data,
                x=data.x[own],
                files=None if data.files is None else data.files[own],
                labels=None if data.labels is None else data.labels[own],
                first_row=data.first_row + start,
            )

    return Stream(len(data.x), batches())
