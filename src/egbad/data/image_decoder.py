"""Decoding of image files: headers, a common size, and pixels, in parallel."""

import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from math import ceil, sqrt
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
# Formats by Pillow's names. Others are not opened, whatever the name of a file: some formats start other programs.
_FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "AVIF", "PPM")
# Damaged files make Pillow raise any of these.
_PIL_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    MemoryError,
    RuntimeError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
# A JPEG file is decoded at no less than this multiple of the size that it is resized to. Pixels then differ from those of
# a full decoding by at most two grey levels.
_DRAFT_SCALE = 4
_ORIENTATION = 0x112  # EXIF tag
_TRANSPOSITIONS = {  # that show an image upright, by the value of the tag
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SWAPPING_ORIENTATIONS = (5, 6, 7, 8)  # height and width change places
_SUBFILE_TYPE, _THUMBNAIL_OR_MASK = 254, 0b101  # TIFF tag, and its bits of pages that are not pictures of their own
_BITS_PER_SAMPLE, _SAMPLE_FORMAT, _UNSIGNED = 258, 339, 1  # TIFF tags


@dataclass(frozen=True)
class ImageHeader:
    """Size and kind of an image, known without decoding it.

    Attributes
    ----------
    height, width : int
        Size of the upright image in pixels.
    in_colour : bool
    pixel_type : str
        Type of the decoded pixels: "uint8", "uint16", "int32", "uint32" or "float32".
    """

    height: int
    width: int
    in_colour: bool
    pixel_type: str = "uint8"


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
    pixel_type : str
        Type of the decoded pixels. 8-bit images are scaled to the range of 16 bits for "uint16".
    enough_side : int, optional
        JPEG files that keep their size are decoded with fewer pixels, by a half, a quarter or an eighth of each side, as long
        as height times width is at least the square of this.
    """

    size: tuple[int, int] | None
    min_side: int
    in_colour: bool
    cost: int
    pixel_type: str = "uint8"
    enough_side: int | None = None

    def decode(self, image: Image.Image) -> Array:
        """Decode an image and turn it upright, as its EXIF orientation says.

        Parameters
        ----------
        image : PIL.Image.Image

        Returns
        -------
        ndarray of shape (h, w) or (3, h, w)
            Pixels of type `pixel_type`. Transparency is ignored.

        Raises
        ------
        ValueError
            If a pixel is not a finite number.
        """
        if self.size is not None:
            _decode_at_reduced_size(image, self.size)
        elif self.enough_side is not None:
            _decode_enough_pixels(image, self.enough_side)
        image.load()
        if (transposition := _TRANSPOSITIONS.get(_orientation(image))) is not None:
            image = image.transpose(transposition)
        size = self.size or (max(self.min_side, image.height), max(self.min_side, image.width))
        if _pixel_type(image) == "uint8":
            pixels = self._decode_8_bit(image, size)
            return pixels if self.pixel_type == "uint8" else pixels.astype(np.uint16) * np.uint16(257)
        pixels = _resize(_deep_pixels(image), size)
        if not np.isfinite(pixels).all():
            raise ValueError("its pixels must be finite numbers")
        return np.repeat(pixels[None], 3, axis=0) if self.in_colour else pixels

    def _decode_8_bit(self, image: Image.Image, size: tuple[int, int]) -> Array:
        """Decode an image with 8 bits per channel, or with a palette, or in black and white."""
        image.info.pop("transparency", None)
        converted = image.convert("RGB" if self.in_colour else "L")
        if (converted.height, converted.width) != size:
            converted = converted.resize(size[::-1], Image.Resampling.LANCZOS)
        pixels = np.asarray(converted)
        return np.moveaxis(pixels, 2, 0) if self.in_colour else pixels


def read_header(image: Image.Image) -> ImageHeader:
    """Return the size and kind of an opened image.

    Parameters
    ----------
    image : PIL.Image.Image

    Returns
    -------
    ImageHeader

    Raises
    ------
    ValueError
        If the file holds several images.
    """
    if _has_several_images(image):
        raise ValueError("it holds several pages or frames; save each as a file of its own")
    height, width = image.height, image.width
    # Before its pixels are read, a PNG file tells its orientation only if it stands in front of them.
    if (image.format != "PNG" or "exif" in image.info) and _orientation(image) in _SWAPPING_ORIENTATIONS:
        height, width = width, height
    pixel_type = _pixel_type(image)
    return ImageHeader(height, width, pixel_type == "uint8" and image.mode not in ("1", "L", "LA"), pixel_type)


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
        partial(open_and_apply, function),
        paths,
        max(1, batch_sizes.task_pixels // cost),
        processes=cost * len(paths) > batch_sizes.process_pixels,
    )
    return zip(paths, results, strict=True)


def open_and_apply(function: Callable[[Image.Image], Result], path: Path) -> Result | UnreadableFileError:
    """Open an image file and apply a function to it.

    Parameters
    ----------
    function : callable
        Takes an opened image.
    path : Path

    Returns
    -------
    object
        The result of the function, or the error if the file cannot be read.
    """
    try:
        # Pillow maps files into memory that it opens itself, and gets the size of turned TIFF files wrong then.
        with path.open("rb") as file, Image.open(file, formats=_FORMATS) as image:
            return function(image)
    except UnidentifiedImageError:
        reason = f"it is damaged, or none of {', '.join(_FORMATS)}"
    except _PIL_ERRORS as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
    return UnreadableFileError(
        f"'{path}' cannot be read as an image: {reason}. Repair or remove it, or skip such files (--skip-unreadable)."
    )


def _has_several_images(image: Image.Image) -> bool:
    """Return True for a TIFF file with several pages and for an animation."""
    if not getattr(image, "is_animated", False) or image.format == "MPO":  # a photograph and its preview
        return False
    if image.format != "TIFF":
        return True
    try:
        for page in count(1):
            image.seek(page)
            if not image.getexif().get(_SUBFILE_TYPE, 0) & _THUMBNAIL_OR_MASK:
                return True
    except EOFError:
        image.seek(0)
    return False


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation of an image as it is decoded, 1 if it is upright."""
    if image.format == "TIFF":  # Pillow turns it
        return 1
    try:
        orientation = image.getexif().get(_ORIENTATION)
    except _PIL_ERRORS:  # other programs ignore damaged metadata, too
        return 1
    return orientation if isinstance(orientation, int) else 1


def _pixel_type(image: Image.Image) -> str:
    """Return the type of the pixels that an image is decoded to."""
    if image.mode == "F":
        return "float32"
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format != "TIFF"):
        return "uint16"
    if image.mode != "I":
        return "uint8"
    tags = image.getexif()
    return "uint32" if tags.get(_BITS_PER_SAMPLE) in (32, (32,)) and _is_unsigned(tags) else "int32"


def _is_unsigned(tags: Image.Exif) -> bool:
    return tags.get(_SAMPLE_FORMAT, _UNSIGNED) in (_UNSIGNED, (_UNSIGNED,))


def _deep_pixels(image: Image.Image) -> Array:
    """Return the pixels (h, w) of a grey image with more than 8 bits, in the byte order of this machine."""
    pixels = np.asarray(image)
    pixel_type = np.dtype(_pixel_type(image))
    # Pillow reads unsigned 32-bit numbers as signed ones.
    return pixels.view(np.uint32) if pixel_type == np.uint32 else pixels.astype(pixel_type, copy=False)


def _decode_at_reduced_size(image: Image.Image, size: tuple[int, int]) -> None:
    """Make a JPEG file that is much larger than (height, width) decode fewer pixels. Other files are left as they are."""
    height, width = size[::-1] if _orientation(image) in _SWAPPING_ORIENTATIONS else size
    if image.height > height and image.width > width:
        image.draft(None, (_DRAFT_SCALE * width, _DRAFT_SCALE * height))


def _decode_enough_pixels(image: Image.Image, side: int) -> None:
    """Make a JPEG file decode fewer pixels, but at least `side` squared. Other files are left as they are."""
    factor = side / sqrt(image.height * image.width)
    if factor < 1:
        image.draft(None, (ceil(factor * image.width), ceil(factor * image.height)))


def _resize(pixels: Array, size: tuple[int, int]) -> Array:
    """Resize pixels (h, w) and keep their type."""
    if pixels.shape == size:
        return pixels
    resized = np.asarray(
        Image.fromarray(pixels.astype(np.float32)).resize(size[::-1], Image.Resampling.LANCZOS), dtype=np.float64
    )
    if pixels.dtype.kind == "f":
        return resized.astype(pixels.dtype)
    limits = np.iinfo(pixels.dtype)
    return np.clip(np.round(resized), limits.min, limits.max).astype(pixels.dtype)
