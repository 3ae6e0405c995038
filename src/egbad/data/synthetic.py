"""Synthetic anomalies, made of normal rows or images."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from egbad.arrays import Array
from egbad.data.image_decoder import ImageDecoder
from egbad.data.lazy_images import ImageFacts, LazyImage
from egbad.data.ragged import is_ragged, ragged_array

_SHIFT_RANGE = (2.0, 6.0)  # standard deviations of a column
_PIECE_RANGE = (0.15, 0.5)  # of an image's height or width


def synthetic_anomalies(x: Array, rng: np.random.Generator) -> Array:
    """Make anomalies of normal rows or images.

    Every second row takes a random half of its columns from another row, which breaks the relations between columns. The
    others have up to a quarter of their columns moved by two to six standard deviations. In each image, a piece is replaced
    by a piece of another image from another place.

    Parameters
    ----------
    x : ndarray of shape (n_samples, n_features) or (n_samples, ..., height, width)
        Images may have different sizes. Lazy ones are decoded one by one, and give lazy ones.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray
        One anomaly for each row or image, without those that equal a row or image of x.
    """
    candidates = _mixed_or_shifted_rows(x, rng) if x.ndim == 2 else _images_with_foreign_pieces(x, rng)
    normal = {row.tobytes() for row in x}
    return candidates[[row.tobytes() not in normal for row in candidates]]


def _mixed_or_shifted_rows(x: Array, rng: np.random.Generator) -> Array:
    """Mix the rows with even positions with other rows, and shift columns of the others."""
    n, d = x.shape
    x = x.astype(np.float64)
    mixed = np.where(rng.random((n, d)) < 0.5, x[_other_indices(n, rng)], x)
    spread = x.std(axis=0)
    # Ranks of the columns in random order, constant columns last: the first few of each row are shifted.
    ranks = np.argsort(np.where(spread > 0, rng.random((n, d)), 2.0), axis=1).argsort(axis=1)
    is_shifted = ranks < rng.integers(1, max(2, d // 4 + 1), size=(n, 1))
    shift = rng.uniform(*_SHIFT_RANGE, size=(n, d)) * rng.choice([-1.0, 1.0], size=(n, d))
    shifted = np.where(is_shifted, x + shift * spread, x)
    return np.where((np.arange(n) % 2 == 0)[:, None], mixed, shifted)


def _images_with_foreign_pieces(x: Array, rng: np.random.Generator) -> Array:
    """Replace a piece of each image by a piece of the same size from another image."""
    pairs = zip(x, x[_other_indices(len(x), rng)], strict=True)
    pasted = [
        PatchedImage.of(image, other, ForeignPiece.draw(rng))
        if isinstance(image, LazyImage)
        else ForeignPiece.draw(rng).paste(image, other)
        for image, other in pairs
    ]
    return ragged_array(pasted) if is_ragged(x) else np.stack(pasted)


@dataclass(frozen=True)
class ForeignPiece:
    """A piece of an image that is replaced by a piece of another one; places and sizes are fractions, for images of any size.

    Attributes
    ----------
    height, width : float
        Of the smaller one of both images.
    top, left : float
        Place in the image, from 0 to 1.
    other_top, other_left : float
        Place in the other image.
    """

    height: float
    width: float
    top: float
    left: float
    other_top: float
    other_left: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """Return a piece of random size and place.

        Parameters
        ----------
        rng : numpy.random.Generator

        Returns
        -------
        ForeignPiece
        """
        return cls(*rng.uniform(*_PIECE_RANGE, size=2), *rng.random(4))

    def paste(self, image: Array, other: Array) -> Array:
        """Return a copy of an image with a piece of another one.

        Parameters
        ----------
        image, other : ndarray of shape (..., h, w)
            The heights and the widths may differ.

        Returns
        -------
        ndarray of the shape of image

        Examples
        --------
        >>> piece = ForeignPiece(height=0.5, width=0.5, top=0.0, left=1.0, other_top=0.0, other_left=0.0)
        >>> piece.paste(np.zeros((2, 4), int), np.ones((4, 4), int)).tolist()
        [[0, 0, 1, 1], [0, 0, 0, 0]]
        """
        pasted, sides, other_sides = image.copy(), image.shape[-2:], other.shape[-2:]
        height, width = (
            max(1, round(fraction * min(side, other_side)))
            for fraction, side, other_side in zip((self.height, self.width), sides, other_sides, strict=True)
        )
        top, left = (round(p * (s - n)) for p, s, n in zip((self.top, self.left), sides, (height, width), strict=True))
        other_top, other_left = (
            round(place * (side - n))
            for place, side, n in zip((self.other_top, self.other_left), other_sides, (height, width), strict=True)
        )
        pasted[..., top : top + height, left : left + width] = other[
            ..., other_top : other_top + height, other_left : other_left + width
        ]
        return pasted


@dataclass(frozen=True, eq=False)
class PatchedImage(LazyImage):
    """Image of a file with a piece of another one, pasted each time the image is decoded.

    Attributes
    ----------
    other : LazyImage
    piece : ForeignPiece
    """

    other: LazyImage
    piece: ForeignPiece

    @classmethod
    def of(cls, image: LazyImage, other: LazyImage, piece: ForeignPiece) -> Self:
        """Return an image with a piece of another one. Both are decoded once.

        Parameters
        ----------
        image, other : LazyImage
        piece : ForeignPiece

        Returns
        -------
        PatchedImage
        """
        facts = ImageFacts.of(piece.paste(np.asarray(image), np.asarray(other)))
        return cls(image.path, image.decoder, facts, other, piece)

    def decode(self, decoder: ImageDecoder) -> Array:
        """Decode the image in another way, see `LazyImage.decode`."""
        return self.piece.paste(super().decode(decoder), self.other.decode(decoder))


def _other_indices(n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return for each of n positions a different one."""
    return (np.arange(n) + rng.integers(1, n, size=n)) % n
