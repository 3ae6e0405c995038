"""Images of files that are decoded each time they are asked for, so that a folder of any size can be learned."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from egbad.arrays import Array
from egbad.data.image_decoder import ImageDecoder, open_and_apply
from egbad.data.ragged import image_digest, is_lazy
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
        pixels = open_and_apply(self.decoder.decode, self.path)
        if isinstance(pixels, UnreadableFileError):
            raise pixels
        if pixels.shape != self.shape:
            raise UnreadableFileError(
                f"'{printable(self.path)}' must not change while it is read, got another size. Run the command again."
            )
        return pixels if dtype is None else pixels.astype(dtype, copy=False)


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
