"""Overlapping tiles of images: positions, cutting, and the way back."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from egbad.arrays import Array, Floats

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
