"""Images of files that are decoded each time they are asked for, so that a folder of any size can be learned."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from egbad.arrays import Array
from egbad.data.image_decoder import ImageDecoder, common_size, open_and_apply
from egbad.data.ragged import image_digest, is_lazy, ragged_array
from egbad.data.worker_pool import map_processes
from egbad.errors import UnreadableFileError
from egbad.output_files import printable


@dataclass(frozen=True)
class ImageFacts:
    """Facts about the pixels of an image that remain known when the pixels are dropped.

    Attributes
    ----------
    shape : tuple of int
        Shape (h, w) or (c, h, w) of the decoded image.
    low, high : float
        Smallest and largest value.
    digest : int
        Digest of the values, see `egbad.data.ragged.image_digest`.
    """

    shape: tuple[int, ...]
    low: float
    high: float
    digest: int

    @classmethod
    def of(cls, pixels: Array) -> "ImageFacts":
        """Return the facts about pixels of shape (h, w) or (c, h, w)."""
        return cls(pixels.shape, float(pixels.min()), float(pixels.max()), image_digest(pixels))


@dataclass(frozen=True)
class FactsReader:
    """Function that decodes an opened image and returns its facts. Can be pickled."""

    decoder: ImageDecoder

    def __call__(self, image: Image.Image) -> ImageFacts:
        """Return the facts about an opened image."""
        return ImageFacts.of(self.decoder.decode(image))


@dataclass(frozen=True, eq=False)
class LazyImage:
    """Image of a file with the interface of an array that its users need: `np.asarray` decodes it.

    Attributes
    ----------
    path : Path
    decoder : ImageDecoder
    facts : ImageFacts
        What is known without decoding the image again.
    """

    path: Path
    decoder: ImageDecoder
    facts: ImageFacts

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape (h, w) or (c, h, w)."""
        return self.facts.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.facts.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the pixels."""
        return np.dtype(self.decoder.pixel_type)

    @property
    def digest(self) -> int:
        """Digest of the values."""
        return self.facts.digest

    def min(self) -> float:
        """Return the smallest value."""
        return self.facts.low

    def max(self) -> float:
        """Return the largest value."""
        return self.facts.high

    def tobytes(self) -> bytes:
        """Return bytes that differ from those of other images: shape and digest."""
        return f"{self.shape}{self.digest}".encode()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """Decode the image.

        Raises
        ------
        UnreadableFileError
            If the file has been damaged, removed or replaced since it was first read.
        """
        pixels = self.decode(self.decoder)
        if pixels.shape != self.shape:
            raise UnreadableFileError(
                f"'{printable(self.path)}' must not change while it is read, got another size. Run the command again."
            )
        return pixels if dtype is None else pixels.astype(dtype, copy=False)

    def decode(self, decoder: ImageDecoder) -> Array:
        """Decode the image in another way.

        Raises
        ------
        UnreadableFileError
            If the file has been damaged or removed since it was first read.
        """
        pixels = open_and_apply(decoder.decode, self.path)
        if isinstance(pixels, UnreadableFileError):
            raise pixels
        return pixels


def iterate_images(x: Array) -> Iterator[Array]:
    """Yield images one by one; those of files are decoded by threads, a few ahead of the consumer.

    Parameters
    ----------
    x : ndarray of shape (n, ...)
        Images of one size or of different sizes, decoded or not.

    Yields
    ------
    ndarray of shape (h, w) or (c, h, w)
    """
    if is_lazy(x):
        yield from map_processes(np.asarray, [*x], 1, processes=False)
    else:
        yield from x


def decode_all(x: Array) -> Array:
    """Decode images that are not decoded yet, at their own sizes.

    Parameters
    ----------
    x : ndarray of shape (n, ...)

    Returns
    -------
    ndarray of shape (n, ...)
        Images of one size as one array, others as an array of objects. x itself if it is not lazy.
    """
    if not is_lazy(x):
        return x
    images = [*iterate_images(x)]
    return np.stack(images) if len({image.shape for image in images}) == 1 else ragged_array(images)


def decode_at(x: Array, size: tuple[int, int], *, in_colour: bool | None = None) -> Array:
    """Decode images that are not decoded yet, at one size.

    Parameters
    ----------
    x : ndarray of shape (n, ...)
    size : (int, int)
        Height and width.
    in_colour : bool, optional
        By default as `egbad.data.read` was told.

    Returns
    -------
    ndarray of shape (n, ...)
        The images that `egbad.data.read` returns with this size. x itself if it is not lazy.
    """
    if not is_lazy(x):
        return x
    first = x[0].decoder
    decoder = replace(first, size=size, in_colour=first.in_colour if in_colour is None else in_colour)
    return np.stack([*map_processes(lambda image: image.decode(decoder), [*x], 1, processes=False)])


def decode_at_common_size(x: Array) -> Array:
    """Decode images that are not decoded yet at their median size, at most the largest size that all detectors take.

    Parameters
    ----------
    x : ndarray of shape (n, ...)

    Returns
    -------
    ndarray of shape (n, ...)
        x itself if it is not lazy.
    """
    return decode_at(x, common_size([image.shape[-2:] for image in x], limit=True)) if is_lazy(x) else x
