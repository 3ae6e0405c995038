"""Random samples of streams that do not fit into memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from egbad.arrays import Array, Floats
from egbad.data.column_types import MAX_KNOWN_LEVELS, CategoryLabels
from egbad.data.coverage import RowCoverage
from egbad.data.ragged import is_lazy
from egbad.data.stream import Data, Stream
from egbad.data.validation import check_data
from egbad.errors import InvalidInputError

_EXCESS = 0.25  # of the sample size: rows that are collected before the sample is cut back


@dataclass(frozen=True)
class SampleLimits:
    """Limits of a sample whose size is not given, and of what is kept beside it.

    Attributes
    ----------
    table_bytes : int
        Memory of the rows of a table.
    image_bytes : int
        Memory of images as they were read; training needs thirty times as much.
    min_rows, min_images : int
        Minimal size of the sample, whatever its memory is.
    lazy_images : int
        Number of images that are decoded when they are needed. They take no memory, but time to learn.
    coverage_fraction : float
        Maximal number of coverage rows, as a fraction of the sample size.
    max_levels : int
        Levels of a category that are tracked; of a category with more, only the levels in the sample are kept.
    """

    table_bytes: int = 2**27
    image_bytes: int = 2**27
    min_rows: int = 10_000
    min_images: int = 100
    lazy_images: int = 10_000
    coverage_fraction: float = 0.25
    max_levels: int = MAX_KNOWN_LEVELS

    def sample_size(self, data: Data) -> int:
        """Return the number of rows or images that fit into memory.

        Parameters
        ----------
        data : Data
            The first batch of the stream.

        Returns
        -------
        int
        """
        if is_lazy(data.x):
            return self.lazy_images
        if data.x.ndim != 2:
            mean_bytes = sum(int(image.nbytes) for image in data.x) // len(data.x)
            return max(self.min_images, self.image_bytes // mean_bytes)
        return max(self.min_rows, self.table_bytes // (8 * max(1, int(data.x.shape[1]))))


DEFAULT_SAMPLE_LIMITS = SampleLimits()


def sample(
    stream: Stream,
    max_rows: int | None = None,
    seed: int = 0,
    *,
    row_filter: Callable[[Data], NDArray[np.bool_]] | None = None,
    advance: Callable[[int], None] = lambda n: None,
    limits: SampleLimits = DEFAULT_SAMPLE_LIMITS,
) -> tuple[Data, int]:
    """Draw a random sample of the rows or images of a stream.

    Each row draws a random number, and the rows with the smallest numbers are kept, in their order. The sample therefore
    does not depend on the size of the batches. If there are no more rows than asked for, all of them are kept.

    Parameters
    ----------
    stream : Stream
    max_rows : int, optional
        Size of the sample. By default what 128 MiB can hold, or 10,000 images that are decoded when they are needed.
    seed : int
        Seed of the random numbers.
    row_filter : callable, optional
        Takes a batch and returns a mask of shape (n,) of the rows to draw from. By default all rows.
    advance : callable
        Takes the number of rows of each batch, for a progress bar.
    limits : SampleLimits

    Returns
    -------
    data : Data
        The sample. If it lacks a level, a missing value, or an extreme of a column of a table, `coverage_rows` holds
        rows that show it.
    n_rows : int
        Number of rows that the sample was drawn from.

    Raises
    ------
    InvalidInputError
        If `max_rows` is less than 1, the stream has no rows, or a row to draw from has an infinite value.

    Examples
    --------
    >>> from egbad.data import as_data, as_stream
    >>> data, n_rows = sample(as_stream(as_data(np.arange(1000.0)[:, None])), max_rows=50)
    >>> data.x.shape, n_rows
    ((50, 1), 1000)
    """
    if max_rows is not None and max_rows < 1:
        raise InvalidInputError(f"There must be at least one row to learn from, got a limit of {max_rows}.")
    rng = np.random.default_rng(seed)
    sampler: _Sampler | None = None
    for data in stream.batches:
        advance(len(data.x))
        if sampler is None:
            sampler = _Sampler(data, max_rows or limits.sample_size(data), limits)
        sampler.add(data, None if row_filter is None else row_filter(data), rng)
    if sampler is None:
        raise InvalidInputError("There must be at least one row to learn from, got none.")
    return replace(sampler.result(), unreadable=tuple(stream.unreadable)), sampler.n_rows


class _Sampler:
    """Rows with the smallest random numbers so far, and what is kept beside them."""

    def __init__(self, first: Data, max_rows: int, limits: SampleLimits) -> None:
        if first.x.ndim == 2 and not first.x.shape[1]:
            check_data(first)  # refuses rows without columns
        self.first, self.max_rows, self.limits = first, max_rows, limits
        self.parts: list[Array] = []
        self.numbers: list[Floats] = []  # the random number of each row
        self.n_kept = self.n_rows = 0
        self.category_labels: dict[int, CategoryLabels] = {}
        self.coverage: RowCoverage | None = None
        if first.x.ndim == 2:
            max_coverage = max(1, int(limits.coverage_fraction * max_rows))
            self.coverage = RowCoverage(first.column_types, first.x.shape[1], max_coverage, limits.max_levels)

    def add(self, data: Data, mask: NDArray[np.bool_] | None, rng: np.random.Generator) -> None:
        """Add a batch."""
        x = data.x if mask is None else data.x[mask]
        if self.coverage is not None:
            if np.isinf(x).any():  # checked at the full batch, so that the error names the row in the file
                check_data(replace(data, x=data.x if mask is None else np.where(mask[:, None], data.x, 0)))
            self.coverage.add(x)
        self.parts.append(x)
        self.numbers.append(rng.random(len(x)))
        self.n_rows += len(x)
        self.n_kept += len(x)
        for j, labels in data.category_labels.items():
            self.category_labels.setdefault(j, {}).update(labels)
        if self.n_kept > self.max_rows + int(_EXCESS * self.max_rows):
            self._keep_smallest()
            self._drop_labels()

    def result(self) -> Data:
        """Return the sample."""
        self._keep_smallest()
        (x,) = self.parts
        all_kept = len(x) == self.n_rows
        return replace(
            self.first,
            x=x,
            coverage_rows=None if self.coverage is None or all_kept else self.coverage.rows_missing_from(x),
            files=None,
            labels=None,
            carried=None,
            category_labels=self.category_labels,
            first_row=0,
            source=None,
        )

    def _keep_smallest(self) -> None:
        """Drop the rows whose random numbers are not among the smallest ones."""
        numbers = np.concatenate(self.numbers)
        keep = np.ones(len(numbers), dtype=np.bool_)
        if len(numbers) > self.max_rows:
            keep[:] = False
            keep[np.argpartition(numbers, self.max_rows - 1)[: self.max_rows]] = True
        stops = np.cumsum([len(part) for part in self.parts])[:-1]
        # Part by part, so that not all of the rows are in memory twice.
        kept = [part[mask] for part, mask in zip(self.parts, np.split(keep, stops), strict=True)]
        self.parts, self.numbers = [np.concatenate(kept)], [numbers[keep]]
        self.n_kept = len(self.parts[0])

    def _drop_labels(self) -> None:
        """Drop the texts of levels that no kept row has, of categories with very many levels such as identifiers."""
        covered = [] if self.coverage is None else [*self.coverage.rows.values()]
        self.category_labels = {
            j: self._used_labels(j, labels, [*self.parts, *covered]) for j, labels in self.category_labels.items()
        }

    def _used_labels(self, j: int, labels: CategoryLabels, rows: Sequence[Array]) -> CategoryLabels:
        """Return the texts of a category, only those in the given rows if there are many."""
        if len(labels) <= 2 * self.limits.max_levels:
            return labels
        codes = np.unique(np.concatenate([np.atleast_2d(part)[:, j] for part in rows]))
        return {code: labels[code] for code in codes[~np.isnan(codes)].tolist()}
