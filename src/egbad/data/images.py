"""Images in files: any size, brought to one or kept; grey, or in colour if any of them is."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from glob import glob
from itertools import islice
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from egbad.data import stream as memory
from egbad.data.ragged import ragged_array
from egbad.data.stream import MAX_IMAGE_SIDE, MIN_IMAGE_SIDE, Array, Data, Partition, Stream
from egbad.data.worker_pool import map_processes
from egbad.errors import InvalidInputError, UnreadableFileError

if TYPE_CHECKING:
    from PIL.Image import Image

A = TypeVar("A")

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")
FOLDER_LABELS = "folder"  # the label column of a folder of images: the name of the folder that a file lies in
AT_ONCE = 1024  # images of a batch, if these have
PIXELS = 2**28  # at most
_DRAFT = 4  # times the size that is wanted: a JPEG that has more is decoded to no less, which moves grey values by two at most
_OPENING = 2**12  # pixels that are decoded while a file is opened
_TASK = 2**21  # pixels that are worth sending to a worker: some 50 milliseconds
_MUCH = 2**27  # pixels for which it pays to start processes: some 3 seconds of one core


@dataclass(frozen=True)
class Wanted:
    """How images are to be read.

    Attributes
    ----------
    size : (height, width), optional
        What they are resized to, in pixels. By default what they have, or the median where they differ or are too large.
    colour : bool, optional
        Whether they come in colour; by default if any of them does.
    bad : list of str, optional
        Where given, files that can't be read are left out and added to it.
    patch : int, optional
        For a detector of patches with so many pixels a side: images that differ keep their own sizes, each side at least
        this, and those of one size keep that, however large.
    """

    size: tuple[int, int] | None = None
    colour: bool | None = None
    bad: list[str] | None = None
    patch: int | None = None


@dataclass(frozen=True)
class Images:
    """Files of images, in the order in which they are read, and the folder that they are named from."""

    folder: Path
    paths: tuple[Path, ...]


def images_at(given: Path | Sequence[Path]) -> Images | None:
    """The images at a path: all in a folder at any depth, a file, or what a pattern with * or ? matches; or those of a list.

    None where there are none.

    Raises
    ------
    InvalidInputError
        For a list with something else in it.
    """
    if not isinstance(given, Path):
        others = [path for path in given if path.suffix.lower() not in SUFFIXES]
        if others or not given:
            what = f"'{others[0]}'" if others else "none"
            raise InvalidInputError(f"A list of paths must be of images ({', '.join(SUFFIXES)}), got {what}.")
        return Images(Path(os.path.commonpath([path.absolute().parent for path in given])), tuple(given))
    folder = given
    if given.is_dir():
        found = [path for path in given.rglob("*") if path.is_file()]
    elif given.is_file():
        folder, found = given.parent, [given]
    else:
        found = [Path(name) for name in glob(str(given), recursive=True) if Path(name).is_file()]
        folder = Path(os.path.commonpath([path.parent for path in found])) if found else given
    own = tuple(sorted(path for path in found if path.suffix.lower() in SUFFIXES))
    return Images(folder, own) if own else None


def read_images(images: Images, label_column: str | None, wanted: Wanted) -> Data:
    """All of some images, in their order."""
    parts = [*stream_images(images, label_column, wanted).batches]
    files = tuple(file for part in parts for file in part.files or ())
    labels = np.concatenate([part.labels for part in parts if part.labels is not None]) if label_column else None
    return Data(np.concatenate([part.x for part in parts]), files=files, labels=labels)


def stream_images(images: Images, label_column: str | None, wanted: Wanted) -> Stream:
    """The same in batches. What sizes there are is known from the beginning of each file.

    Raises
    ------
    InvalidInputError
        When there is none that can be read.
    UnreadableFileError
        For a file that can't be read, unless such are left out.
    """
    if label_column not in (None, FOLDER_LABELS):
        raise InvalidInputError(
            f"A folder of images has the label column '{FOLDER_LABELS}' only, the name of each image's folder, "
            f"got '{label_column}'."
        )
    folder, paths = images.folder, images.paths
    heads = _each(_head, paths, _OPENING)
    found = [(path, head) for path, one in heads if (head := _good(path, one, wanted)) is not None]
    if not found:
        raise _none_readable(folder, paths)
    sizes = [(h, w) for _, (h, w, _) in found]
    own = wanted.patch is not None and wanted.size is None and len(set(sizes)) > 1
    reading = _Reading(
        size=None if own else wanted.size or _common_size(sizes, full=wanted.patch is not None),
        least=min(wanted.patch or MIN_IMAGE_SIDE, MAX_IMAGE_SIDE),
        colour=any(c for _, (_, _, c) in found) if wanted.colour is None else wanted.colour,
        cost=_OPENING + sum(h * w for h, w in sizes) // len(sizes),
    )
    most_pixels = max(h * w for h, w in ([reading.size] if reading.size else sizes)) * (3 if reading.colour else 1)
    options = (reading, label_column, wanted, max(1, min(AT_ONCE, PIXELS // most_pixels)))
    usable, whole = [path for path, _ in found], memory.BATCHES * AT_ONCE
    pieces = [usable[start : start + whole] for start in range(0, len(usable), whole)]
    read = [partial(_batches, folder, part, *options, i * whole) for i, part in enumerate(pieces)]
    stream = Stream.of([Partition(len(part), one, wanted.bad) for part, one in zip(pieces, read, strict=True)])
    return replace(stream, batches=_some(stream.batches, folder, paths))


def _some(batches: Iterator[Data], folder: Path, paths: Sequence[Path]) -> Iterator[Data]:
    """The batches, of which there must be one."""
    first = next(batches, None)
    if first is None:
        raise _none_readable(folder, paths)
    yield first
    yield from batches


@dataclass(frozen=True)
class _Reading:
    """How the images of a stream become pixels.

    Attributes
    ----------
    size : (height, width), optional
        Of all; by default each has its own, `least` at least.
    least : int
        Pixels of a side.
    colour : bool
    cost : int
        Of a file, on average, in pixels that are decoded.
    """

    size: tuple[int, int] | None
    least: int
    colour: bool
    cost: int

    def pixels(self, image: "Image") -> Array:
        """Those of one image."""
        return _pixels(image, self.size or (max(self.least, image.height), max(self.least, image.width)), self.colour)


def _batches(
    folder: Path,
    paths: Sequence[Path],
    reading: _Reading,
    label_column: str | None,
    wanted: Wanted,
    at_once: int,
    row: int,
) -> Iterator[Data]:
    found = _each(reading.pixels, paths, reading.cost)
    while some := [*islice(found, at_once)]:
        read = [(path, a) for path, one in some if (a := _good(path, one, wanted)) is not None]
        if read:
            arrays = [a for _, a in read]
            deep = any(a.dtype == np.uint16 for a in arrays)
            labels = np.array([path.parent.name for path, _ in read]) if label_column else None
            arrays = [a.astype(np.uint16) for a in arrays] if deep else arrays
            x = ragged_array(arrays) if reading.size is None else np.stack(arrays)
            names = tuple(os.path.relpath(path, folder) for path, _ in read)
            yield Data(x, files=names, labels=labels, first_row=row)
            row += len(read)


def _none_readable(folder: Path, paths: Sequence[Path]) -> InvalidInputError:
    return InvalidInputError(f"'{folder}' must hold an image that can be read, got {len(paths)} that can't.")


def _each(
    work: Callable[["Image"], A], paths: Sequence[Path], cost: int
) -> Iterator[tuple[Path, A | UnreadableFileError]]:
    """What `work` makes of each image, in order, or why it can't be read; one costs as much as decoding so many pixels."""
    found = map_processes(partial(_read, work), paths, max(1, _TASK // cost), processes=cost * len(paths) > _MUCH)
    return zip(paths, found, strict=True)


def _read(work: Callable[["Image"], A], path: Path) -> A | UnreadableFileError:
    """What `work` makes of an image, or why it can't be read."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            return work(image)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return UnreadableFileError(
            f"'{path}' can't be read as an image: {error}. Mend or remove it, or leave such out (--skip-bad)."
        )


def _good(path: Path, found: A | UnreadableFileError, wanted: Wanted) -> A | None:
    """What was found, unless it can't be read: None then, where such are left out."""
    if not isinstance(found, UnreadableFileError):
        return found
    if wanted.bad is None:
        raise found
    wanted.bad.append(str(path))
    return None


def _head(image: "Image") -> tuple[int, int, bool]:
    """Height, width, and whether it is in colour."""
    return image.height, image.width, not (_is_deep(image) or image.mode in ("1", "L", "LA", "F"))


def _is_deep(image: "Image") -> bool:
    """Whether it has 16 bits."""
    return image.mode.startswith("I;16") or image.mode == "I"


def _common_size(sizes: Sequence[tuple[int, int]], *, full: bool) -> tuple[int, int]:
    """What images of these sizes are brought to: the median, unless in `full` no larger, and no smaller than detectors take."""
    h, w = (median(side) for side in zip(*sizes, strict=True))
    factor = 1.0 if full else min(1.0, MAX_IMAGE_SIDE / max(h, w))
    return max(MIN_IMAGE_SIDE, round(factor * h)), max(MIN_IMAGE_SIDE, round(factor * w))


def _pixels(image: "Image", size: tuple[int, int], colour: bool) -> Array:
    """One image: (h, w), or (3, h, w) in colour; 8 bit, or 16 bit where the file has them."""
    from PIL import Image

    deep = _is_deep(image)
    if image.height > size[0] and image.width > size[1]:
        image.draft(None, (_DRAFT * size[1], _DRAFT * size[0]))  # of a JPEG fewer pixels are decoded
    plain = image.convert("F") if deep else image.convert("RGB" if colour else "L")
    if (plain.height, plain.width) != size:
        plain = plain.resize((size[1], size[0]), Image.Resampling.LANCZOS)
    a = np.asarray(plain)
    if deep:
        a = np.clip(np.round(a), 0, 65535).astype(np.uint16)
        return np.repeat(a[None], 3, axis=0) if colour else a
    return np.moveaxis(a, 2, 0) if colour else a
