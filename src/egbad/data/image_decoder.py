"""Decoding of image files: headers, a common size, and pixels, in parallel."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import TypeVar

import numpy as np
from PIL import Image, UnidentifiedImageError

from egbad.arrays import Array
from egbad.data.options import BatchSizes
from egbad.data.stream import MAX_IMAGE_SIDE, MIN_IMAGE_SIDE
from egbad.data.worker_pool import map_processes
from egbad.errors import UnreadableFileError

Result = TypeVar("Result")

OPENING_COST = 2**12  # pixels that could be decoded in the time it takes to open a file
_PIL_ERRORS = (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError)
# A JPEG file is decoded at no less than this multiple of the size that it is resized to. Pixels then differ from those of
# a full decoding by at most two grey levels.
_DRAFT_SCALE = 4


@dataclass(frozen=True)
class ImageHeader:
    """Size and kind of an image, known without decoding it.

    Attributes
    ----------
    height, width : int
        Size in pixels.
    in_colour : bool
    """

    height: int
    width: int
    in_colour: bool


@dataclass(frozen=True)
class ImageDecoder:
    """Decoder of image files into arrays of one size, or of their own sizes.

    Attributes
    ----------
    size : (int, int), optional
        Height and width of all images. By default each image keeps its size.
    min_side : int
        Images that keep their size are enlarged to at least this height and width.
    in_colour : bool
    cost : int
        Mean number of pixels that are decoded per file, including the cost of opening it.
    """

    size: tuple[int, int] | None
    min_side: int
    in_colour: bool
    cost: int

    def decode(self, image: Image.Image) -> Array:
        """Decode an image.

        Parameters
        ----------
        image : PIL.Image.Image

        Returns
        -------
        ndarray of shape (h, w) or (3, h, w)
            Pixels of type uint8, or uint16 if the file has 16 bits per channel.
        """
        height, width = self.size or (max(self.min_side, image.height), max(self.min_side, image.width))
        sixteen_bits = _has_sixteen_bits(image)
        if image.height > height and image.width > width:
            image.draft(None, (_DRAFT_SCALE * width, _DRAFT_SCALE * height))  # JPEG only: decodes fewer pixels
        converted = image.convert("F") if sixteen_bits else image.convert("RGB" if self.in_colour else "L")
        if (converted.height, converted.width) != (height, width):
            converted = converted.resize((width, height), Image.Resampling.LANCZOS)
        pixels = np.asarray(converted)
        if sixteen_bits:
            pixels = np.clip(np.round(pixels), 0, 65535).astype(np.uint16)
            return np.repeat(pixels[None], 3, axis=0) if self.in_colour else pixels
        return np.moveaxis(pixels, 2, 0) if self.in_colour else pixels


def read_header(image: Image.Image) -> ImageHeader:
    """Return the size and kind of an opened image.

    Parameters
    ----------
    image : PIL.Image.Image

    Returns
    -------
    ImageHeader
    """
    is_grey = _has_sixteen_bits(image) or image.mode in ("1", "L", "LA", "F")
    return ImageHeader(image.height, image.width, not is_grey)


def common_size(sizes: Sequence[tuple[int, int]], *, limit: bool) -> tuple[int, int]:
    """Return the size that images of different sizes are resized to.

    Parameters
    ----------
    sizes : sequence of (int, int)
        Height and width of each image.
    limit : bool
        True to shrink the result to the largest size that detectors take.

    Returns
    -------
    (int, int)
        Median height and median width, at least `MIN_IMAGE_SIDE`.
    """
    height, width = (median(side) for side in zip(*sizes, strict=True))
    factor = min(1.0, MAX_IMAGE_SIDE / max(height, width)) if limit else 1.0
    return max(MIN_IMAGE_SIDE, round(factor * height)), max(MIN_IMAGE_SIDE, round(factor * width))


def map_images(
    function: Callable[[Image.Image], Result], paths: Sequence[Path], cost: int, batch_sizes: BatchSizes
) -> Iterator[tuple[Path, Result | UnreadableFileError]]:
    """Open image files in parallel and apply a function to each.

    Parameters
    ----------
    function : callable
        Takes an opened image; must be picklable.
    paths : sequence of Path
    cost : int
        Mean cost per file, as a number of decoded pixels.
    batch_sizes : BatchSizes
        Sizes of the tasks of workers.

    Yields
    ------
    path : Path
    result : object
        The result of the function, or the error if the file cannot be read.
    """
    results = map_processes(
        partial(_open_and_apply, function),
        paths,
        max(1, batch_sizes.task_pixels // cost),
        processes=cost * len(paths) > batch_sizes.process_pixels,
    )
    return zip(paths, results, strict=True)


def _open_and_apply(function: Callable[[Image.Image], Result], path: Path) -> Result | UnreadableFileError:
    """Return the result of a function of an opened image, or the error if the file cannot be read."""
    try:
        with Image.open(path) as image:
            return function(image)
    except _PIL_ERRORS as error:
        return UnreadableFileError(
            f"'{path}' cannot be read as an image: {error}. Repair or remove it, or skip such files (--skip-unreadable)."
        )


def _has_sixteen_bits(image: Image.Image) -> bool:
    """Return True if an image has 16 bits per channel."""
    return image.mode.startswith("I;16") or image.mode == "I"
