"""Rows or images that are more than memory holds -> as many of them as it does, each as likely as any other."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from egbad.data.column_types import MAX_KNOWN_LEVELS, CategoryLabels
from egbad.data.coverage import Cover
from egbad.data.stream import Array, Data, Stream
from egbad.data.validation import check_data
from egbad.errors import InvalidInputError

BYTES = 2**27  # that the rows of a sample take, where nobody says how many there shall be
IMAGE_BYTES = 2**27  # the same for images, as they were read: learning from them takes thirty times as many
_FEWEST, _FEWEST_IMAGES = 10_000, 100
_COVERED = 0.25  # of as many rows as there are in a sample: what may be beside it at most


def sample(
    stream: Stream,
    most: int | None = None,
    seed: int = 0,
    *,
    wanted: Callable[[Data], NDArray[np.bool_]] | None = None,
    advance: Callable[[int], None] = lambda n: None,
) -> tuple[Data, int]:
    """A random sample of a stream's rows, in their order, and how many it was drawn from.

    Every row draws a number; the rows with the least numbers stay. So the sample does not depend on how the stream is cut
    into batches, and all rows stay where they are no more than wanted. Of a table that is larger, `Data.coverage_rows`
    has rows that show what no row of the sample does: a level of a category, a gap, the least or the largest of a column.

    Parameters
    ----------
    stream : Stream
        Rows of a table, or images.
    most : int, optional
        How many stay at most. By default as many as take 128 MiB, images as they were read.
    seed : int
        Of the numbers that are drawn.
    wanted : callable, optional
        Which rows of a batch count (n,); by default all.
    advance : callable
        Told the number of rows of every batch.

    Raises
    ------
    InvalidInputError
        When `most` is less than one, the stream has no rows, or a row that is wanted has infinity in it.
    """
    if most is not None and most < 1:
        raise InvalidInputError(f"There must be at least one row to learn from, got a limit of {most}.")
    rng = np.random.default_rng(seed)
    kept: list[Array] = []
    lots: list[NDArray[np.float64]] = []
    category_labels: dict[int, CategoryLabels] = {}
    first: Data | None = None
    cover: Cover | None = None
    seen = held = 0
    for data in stream.batches:
        advance(len(data.x))
        first = first or data
        most = most or _most_of(data)
        which = None if wanted is None else wanted(data)
        x = data.x if which is None else data.x[which]
        if x.ndim == 2:
            _check(data, x, which)
            cover = cover or Cover(data.column_types, x.shape[1], max(1, int(_COVERED * most)))
            cover.add(x)
        kept.append(x)
        lots.append(rng.random(len(x)))
        seen, held = seen + len(x), held + len(x)
        for j, own in data.category_labels.items():
            category_labels.setdefault(j, {}).update(own)
        if held > most + most // 4:
            kept, lots = _least(kept, lots, most)
            held = most
            category_labels = {
                j: _in_use(j, own, [*kept, *([] if cover is None else cover.rows.values())])
                for j, own in category_labels.items()
            }
    if first is None or most is None:
        raise InvalidInputError("There must be at least one row to learn from, got none.")
    (x,), _ = _least(kept, lots, most)
    beside = cover.beside(x) if cover is not None and len(x) < seen else None
    return replace(
        first,
        x=x,
        coverage_rows=beside,
        files=None,
        labels=None,
        category_labels=category_labels,
        first_row=0,
        source=None,
    ), seen


def _check(data: Data, x: Array, wanted: NDArray[np.bool_] | None) -> None:
    """Refuse rows x of a batch with infinity in them, by the place that they have in the file."""
    if np.isinf(x).any():
        whole = data.x if wanted is None else np.where(wanted[:, None], data.x, 0)
        check_data(replace(data, x=whole))


def _in_use(j: int, category_labels: CategoryLabels, rows: Sequence[Array]) -> CategoryLabels:
    """The texts of column j, of codes in these rows alone where they are many: of most levels of an identity no row stays."""
    if len(category_labels) <= 2 * MAX_KNOWN_LEVELS:
        return category_labels
    codes = np.unique(np.concatenate([np.atleast_2d(part)[:, j] for part in rows]))
    return {code: category_labels[code] for code in codes[~np.isnan(codes)].tolist()}


def _most_of(data: Data) -> int:
    """How many rows or images stay where nobody says so."""
    if data.x.ndim != 2:
        one = sum(int(image.nbytes) for image in data.x) // len(data.x)
        return max(_FEWEST_IMAGES, IMAGE_BYTES // one)
    return max(_FEWEST, BYTES // (8 * max(1, int(data.x.shape[1]))))


def _least(
    kept: list[Array], lots: list[NDArray[np.float64]], most: int
) -> tuple[list[Array], list[NDArray[np.float64]]]:
    """The rows that drew the least numbers, in their order."""
    numbers = np.concatenate(lots)
    if len(numbers) <= most:
        return [np.concatenate(kept)], [numbers]
    stay = np.sort(np.argpartition(numbers, most - 1)[:most])
    chosen = np.zeros(len(numbers), dtype=np.bool_)
    chosen[stay] = True
    parts, start = [], 0
    for part in kept:  # one after the other, so that all of them are not held twice
        parts.append(part[chosen[start : start + len(part)]])
        start += len(part)
    return [np.concatenate(parts)], [numbers[stay]]
