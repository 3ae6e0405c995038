"""Overlapping tiles of images: positions, cutting, scores of whole images, and the way back."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from egbad.arrays import Array, Floats
from egbad.data.ragged import is_ragged

MAX_TILED_SIDE = 2**15  # pixels of a side of an image that is cut into tiles
Position = tuple[int, int]  # row and column of the upper left pixel


def tile_starts(side: int, size: int, overlap: float) -> NDArray[np.int64]:
    """Return where tiles start along a side: evenly spaced, from edge to edge.

    Parameters
    ----------
    side : int
        Pixels of the side.
    size : int
        Pixels of a tile, at most `side`.
    overlap : float
        Least fraction of a tile that the next one covers, in [0, 1).

    Returns
    -------
    ndarray of shape (n_tiles,)

    Examples
    --------
    >>> tile_starts(100, 40, 0.5)
    array([ 0, 20, 40, 60])
    """
    step = max(1, int((1 - overlap) * size))
    return np.round(np.linspace(0, side - size, -(-(side - size) // step) + 1)).astype(np.int64)


def tile_positions(height: int, width: int, size: int, overlap: float) -> list[Position]:
    """Return the positions of the tiles of an image, row by row.

    Parameters
    ----------
    height, width : int
        Pixels of the image.
    size : int
        Pixels of a side of a tile.
    overlap : float
        Least fraction of a tile that the next one covers, in [0, 1).

    Returns
    -------
    list of tuple of int
    """
    rows, columns = tile_starts(height, size, overlap), tile_starts(width, size, overlap)
    return [(int(i), int(j)) for i in rows for j in columns]


def cut_tile(images: Array, position: Position, size: int) -> Array:
    """Return the tile at a position of one or more images, as a view.

    Parameters
    ----------
    images : ndarray of shape (..., height, width)
    position : tuple of int
    size : int
        Pixels of a side of the tile.

    Returns
    -------
    ndarray of shape (..., size, size)
    """
    i, j = position
    return images[..., i : i + size, j : j + size]


@dataclass(frozen=True)
class Tiling:
    """Tiles of one size that cover an image.

    Attributes
    ----------
    size : int
        Pixels of a side of a tile.
    overlap : float
        Least fraction of a tile that the next one covers, in [0, 1).
    batch_tiles : int
        Number of tiles that are scored together. It bounds memory.
    """

    size: int
    overlap: float
    batch_tiles: int = 4096

    def positions(self, shape: tuple[int, ...]) -> list[Position]:
        """Return the positions of the tiles of an image.

        Parameters
        ----------
        shape : tuple of int
            Shape of an image (..., h, w).

        Returns
        -------
        list of tuple of int
            Row and column of the upper left pixel of each tile.
        """
        return tile_positions(shape[-2], shape[-1], self.size, self.overlap)

    def cut(self, x: Array, positions: Sequence[Position]) -> Array:
        """Cut images of one size into tiles.

        Parameters
        ----------
        x : ndarray of shape (n, ..., h, w)
        positions : sequence of tuple of int

        Returns
        -------
        ndarray of shape (n * n_positions, ..., size, size)
            Tiles, image by image.
        """
        tiles = [cut_tile(x, position, self.size) for position in positions]
        return np.stack(tiles, axis=1).reshape(-1, *tiles[0].shape[1:])

    def image_batches(self, x: Array) -> Iterator[Array]:
        """Yield images in order, in stacks of one size with a bounded number of tiles.

        Parameters
        ----------
        x : ndarray of shape (n, ...)

        Yields
        ------
        ndarray of shape (n_images, ..., h, w)
        """
        start = 0
        while start < len(x):
            shape = x[start].shape
            batch = x[start : start + max(1, self.batch_tiles // len(self.positions(shape)))]
            if is_ragged(x):
                n_same = next((i for i, image in enumerate(batch) if image.shape != shape), len(batch))
                batch = np.stack([*batch[:n_same]])
            yield batch
            start += len(batch)

    def position_batches(self, images: Array) -> Iterator[list[Position]]:
        """Yield the tile positions of a stack of images, as many at a time as are scored together.

        Parameters
        ----------
        images : ndarray of shape (n, ..., h, w)

        Yields
        ------
        list of tuple of int
        """
        positions, size = self.positions(images.shape[1:]), max(1, self.batch_tiles // len(images))
        return (positions[start : start + size] for start in range(0, len(positions), size))

    def worst_terms(self, x: Array, score_terms: Callable[[Array], Mapping[str, Floats]]) -> dict[str, Floats]:
        """Return the score terms of the most anomalous tile of each image.

        Parameters
        ----------
        x : ndarray of shape (n, ...)
        score_terms : callable
            Takes tiles of shape (m, ..., size, size) and returns the terms of their scores, each of shape (m,).

        Returns
        -------
        dict of str to ndarray of shape (n,)
        """
        batches = []
        for images in self.image_batches(x):
            terms = (score_terms(self.cut(images, positions)) for positions in self.position_batches(images))
            by_tile = terms_by_tile(terms, len(images))
            worst = worst_tile(by_tile)
            batches.append({name: values[worst] for name, values in by_tile.items()})
        return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def terms_by_tile(batches: Iterable[Mapping[str, Floats]], n: int) -> dict[str, Floats]:
    """Return the score terms of all tiles of some images.

    Parameters
    ----------
    batches : iterable of dict of str to ndarray
        Terms of batches of tiles, image by image.
    n : int
        Number of images.

    Returns
    -------
    dict of str to ndarray of shape (n, n_tiles)
    """
    by_image = [{name: values.reshape(n, -1) for name, values in batch.items()} for batch in batches]
    return {name: np.hstack([batch[name] for batch in by_image]) for name in by_image[0]}


def worst_tile(terms: Mapping[str, Floats]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the index of the tile with the highest score of each image.

    Parameters
    ----------
    terms : dict of str to ndarray of shape (n, n_tiles)

    Returns
    -------
    tuple of ndarray of shape (n,)
        Positions in the arrays: of the image and of its tile.
    """
    scores = np.asarray(sum(terms.values()))
    return np.arange(len(scores)), scores.argmax(axis=1)


class TileStitcher:
    """Assembles images from overlapping tiles by the mean of the tiles that cover a pixel.

    Parameters
    ----------
    shape : tuple of int
        Shape (n, ..., height, width) of the images.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.sums, self.counts = np.zeros(shape), np.zeros(shape[-2:])

    def add(self, tiles: Array, positions: Sequence[Position]) -> None:
        """Add the tiles at some positions of every image.

        Parameters
        ----------
        tiles : ndarray of shape (n * n_positions, ..., size, size)
            Tiles, image by image.
        positions : sequence of tuple of int
        """
        by_image = tiles.reshape(len(self.sums), len(positions), *tiles.shape[1:])
        height, width = tiles.shape[-2:]
        for k, (i, j) in enumerate(positions):
            area = (..., slice(i, i + height), slice(j, j + width))
            self.sums[area] += by_image[:, k]
            self.counts[area] += 1

    def mean(self) -> Floats:
        """Return the images.

        Returns
        -------
        ndarray of the shape of the images
        """
        return np.asarray(self.sums / self.counts)
