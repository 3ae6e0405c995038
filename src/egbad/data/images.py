"""Images in files: found by path, read at one size or at their own sizes, as a whole or in batches.

Images are greyscale unless at least one of them is in colour.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from glob import has_magic
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from egbad.arrays import Array
from egbad.data.column_roles import NO_ROLES, ColumnRoles
from egbad.data.defect_folders import MASKS, find_defect_folder
from egbad.data.file_search import find_files, is_hidden
from egbad.data.image_decoder import OPENING_COST, ImageDecoder, ImageHeader, common_size, map_images, read_header
from egbad.data.lazy_images import FactsReader, ImageFacts, LazyImage
from egbad.data.options import BatchSizes, ReadOptions
from egbad.data.ragged import ragged_array
from egbad.data.stream import MAX_IMAGE_SIDE, MIN_IMAGE_SIDE, Data, Partition, Stream
from egbad.errors import InvalidInputError, UnreadableFileError
from egbad.output_files import printable

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".jfif", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".avif", ".pgm", ".ppm")
# Images that cannot be read. They are named in an error instead of being ignored like other files.
_OTHER_IMAGE_SUFFIXES = (".heic", ".heif", ".jp2", ".jxl", ".dcm", ".dng", ".cr2", ".nef", ".arw", ".exr", ".psd")
FOLDER_LABELS = "folder"  # label column of images: the name of the folder of each


@dataclass(frozen=True)
class ImageFiles:
    """Paths of images.

    Attributes
    ----------
    folder : Path
        Folder that the names of the images are relative to.
    paths : tuple of Path
        Paths in the order in which they are read.
    """

    folder: Path
    paths: tuple[Path, ...]


def find_images(path: Path) -> ImageFiles | None:
    """Find the images at a path.

    Files and folders whose names begin with a dot are ignored, and folders such as `__MACOSX`: they hold copies and previews.
    Masks in a folder laid out as MVTec AD are ignored, too.

    Parameters
    ----------
    path : Path
        A folder, searched at any depth; an image; or a pattern with * or ?.

    Returns
    -------
    ImageFiles or None
        None if there are no images.
    """
    found = find_files(path).files
    if path.is_dir():
        masks = path / MASKS if find_defect_folder(path) else None
        found = tuple(f for f in found if not is_hidden(f.relative_to(path)) and (not masks or masks not in f.parents))
    elif not path.is_file():
        n_fixed = next((i for i, part in enumerate(path.parts) if has_magic(part)), len(path.parts))
        found = tuple(file for file in found if not is_hidden(Path(*file.parts[n_fixed:])))
    images = tuple(file for file in found if file.suffix.lower() in IMAGE_SUFFIXES + _OTHER_IMAGE_SUFFIXES)
    if not any(file.suffix.lower() in IMAGE_SUFFIXES for file in images):
        return None
    return ImageFiles(path if path.is_dir() else Path(os.path.commonpath([file.parent for file in images])), images)


def list_images(paths: Sequence[Path]) -> ImageFiles:
    """Take a list of paths of images in its order.

    Parameters
    ----------
    paths : sequence of Path

    Returns
    -------
    ImageFiles

    Raises
    ------
    InvalidInputError
        If the list is empty or has a path of another file.
    """
    others = [path for path in paths if path.suffix.lower() not in IMAGE_SUFFIXES]
    if others or not paths:
        found = f"'{others[0]}'" if others else "none"
        raise InvalidInputError(f"A list of paths must be of images ({', '.join(IMAGE_SUFFIXES)}), got {found}.")
    return ImageFiles(Path(os.path.commonpath([path.absolute().parent for path in paths])), tuple(paths))


def read_images(files: ImageFiles, options: ReadOptions) -> Data:
    """Read all images.

    Parameters
    ----------
    files : ImageFiles
    options : ReadOptions

    Returns
    -------
    Data

    Raises
    ------
    UnreadableFileError, InvalidInputError
        See `stream_images`.
    """
    stream = stream_images(files, options)
    batches = [*stream.batches]
    labels = [batch.labels for batch in batches if batch.labels is not None]
    return Data(
        np.concatenate([batch.x for batch in batches]),
        files=tuple(file for batch in batches for file in batch.files or ()),
        labels=np.concatenate(labels) if labels else None,
        unreadable=tuple(stream.unreadable),
        roles=_roles(options),
    )


def stream_images(files: ImageFiles, options: ReadOptions) -> Stream:
    """Open images as a stream of batches.

    The headers of all files are read first: they decide the size of the images and if they are in colour.

    Parameters
    ----------
    files : ImageFiles
    options : ReadOptions

    Returns
    -------
    Stream

    Raises
    ------
    UnreadableFileError
        If a file cannot be read, unless such files are skipped.
    InvalidInputError
        If no file can be read, pixels of some are whole numbers of 8 or 16 bits and of others not, or for a label column
        other than "folder".
    """
    if options.label_column not in (None, FOLDER_LABELS):
        raise InvalidInputError(
            f"The only label column of images is '{FOLDER_LABELS}', the name of each image's folder, "
            f"got '{options.label_column}'."
        )
    batch_sizes = options.batch_sizes
    paths, headers, unreadable = list[Path](), list[ImageHeader](), list[str]()
    for path, header in map_images(read_header, files.paths, OPENING_COST, batch_sizes):
        if not isinstance(header, UnreadableFileError):
            paths.append(path)
            headers.append(header)
        elif options.skip_unreadable:
            unreadable.append(printable(path))
        else:
            raise header
    if not headers:
        raise _no_readable_image(files)
    usual_size = common_size([(header.height, header.width) for header in headers], limit=False)
    options = _options_for(usual_size, options)
    decoder = _make_decoder(paths, headers, options)
    batch_images = batch_sizes.images if options.lazy else _batch_images(decoder, headers, batch_sizes)
    step = batch_sizes.per_partition * batch_sizes.images
    partitions = []
    for start in range(0, len(paths), step):
        part = tuple(paths[start : start + step])
        read = _ImagePartitionReader(files.folder, part, decoder, options, batch_images, first_row=start)
        partitions.append(Partition(len(part), read))
    stream = Stream(_read_all(files, partitions), len(paths), partitions, unreadable)
    stream.usual_size = usual_size
    if options.image_size is None and not options.keeps_sizes and decoder.size not in (None, usual_size):
        stream.shrunk = (usual_size, decoder.size)
    return stream


def _options_for(usual_size: tuple[int, int], options: ReadOptions) -> ReadOptions:
    """Return the options for images of a size: small ones do not keep theirs."""
    height, width = options.image_size or usual_size
    is_small = height * width <= options.small_side**2
    return replace(options, patch_size=None, enough_side=None, lazy=False) if is_small else options


def _make_decoder(paths: Sequence[Path], headers: Sequence[ImageHeader], options: ReadOptions) -> ImageDecoder:
    """Decide the size of the images, the type of their pixels and if they are in colour."""
    sizes = [(header.height, header.width) for header in headers]
    # Images of one size need not be an array of objects, unless they are not decoded as a whole.
    as_objects = options.lazy or options.enough_side is not None or len(set(sizes)) > 1
    size = options.image_size or common_size(sizes, limit=not options.keeps_sizes)
    return ImageDecoder(
        size=None if options.keeps_sizes and options.image_size is None and as_objects else size,
        min_side=min(options.patch_size or MIN_IMAGE_SIDE, MAX_IMAGE_SIDE),
        in_colour=any(header.in_colour for header in headers) if options.colour is None else options.colour,
        cost=OPENING_COST + sum(height * width for height, width in sizes) // len(sizes),
        pixel_type=_common_pixel_type(paths, headers),
        enough_side=options.enough_side,
    )


def _common_pixel_type(paths: Sequence[Path], headers: Sequence[ImageHeader]) -> str:
    """Return the type of the pixels of all images: 16 bits if some have 8 and some 16 bits."""
    first = {header.pixel_type: path for path, header in zip(paths, headers, strict=True)}
    if first.keys() <= {"uint8", "uint16"}:
        return max(first, key=len)
    if len(first) > 1:
        (one, path), (other, other_path) = [*first.items()][:2]
        raise InvalidInputError(
            f"Images must have one type of pixels, got {one} in '{path}' and {other} in '{other_path}'. Convert them to one "
            "type."
        )
    return next(iter(first))


def _batch_images(decoder: ImageDecoder, headers: Sequence[ImageHeader], batch_sizes: BatchSizes) -> int:
    """Return the number of images per batch, fewer if they are large."""
    sizes = [decoder.size] if decoder.size else [(header.height, header.width) for header in headers]
    most_pixels = max(height * width for height, width in sizes) * (3 if decoder.in_colour else 1)
    return max(1, min(batch_sizes.images, batch_sizes.image_pixels // most_pixels))


def _roles(options: ReadOptions) -> ColumnRoles:
    """Return the role of the folders: the label, if it is asked for."""
    return ColumnRoles(label=FOLDER_LABELS) if options.columns.roles.label == FOLDER_LABELS else NO_ROLES


def _read_all(files: ImageFiles, partitions: Sequence[Partition]) -> Iterator[Data]:
    """Yield the batches of all partitions; raise an error if no image could be read."""
    n_images = 0
    for partition in partitions:
        for batch in partition.read():
            n_images += len(batch.x)
            yield batch
    if not n_images:
        raise _no_readable_image(files)


def _no_readable_image(files: ImageFiles) -> InvalidInputError:
    """Create the error for files none of which can be read."""
    return InvalidInputError(
        f"'{files.folder}' must hold an image that can be read, got {len(files.paths)} that cannot."
    )


@dataclass(frozen=True)
class _ImagePartitionReader:
    """Reads one partition of a stream of images in batches.

    An object instead of a closure, so that it can be pickled and sent to a worker.
    """

    folder: Path
    paths: tuple[Path, ...]
    decoder: ImageDecoder
    options: ReadOptions
    batch_images: int
    first_row: int

    def __call__(self) -> Iterator[Data]:
        """Yield the batches."""
        first_row, roles = self.first_row, _roles(self.options)
        function: Callable[[Image.Image], Array | ImageFacts] = self.decoder.decode
        if self.options.lazy:
            function = FactsReader(self.decoder)
        decoded = map_images(function, self.paths, self.decoder.cost, self.options.batch_sizes)
        while chunk := [*islice(decoded, self.batch_images)]:
            images = list[Array | LazyImage]()
            paths, unreadable = list[Path](), list[Path]()
            for path, image in chunk:
                if not isinstance(image, UnreadableFileError):
                    images.append(LazyImage(path, self.decoder, image) if isinstance(image, ImageFacts) else image)
                    paths.append(path)
                elif self.options.skip_unreadable:
                    unreadable.append(path)
                else:
                    raise image
            yield Data(
                self._stack(images),
                files=tuple(printable(os.path.relpath(path, self.folder)) for path in paths),
                labels=np.array([printable(path.parent.name) for path in paths]) if roles.label else None,
                roles=roles,
                first_row=first_row,
                unreadable=tuple(map(printable, unreadable)),
            )
            first_row += len(images)

    def _stack(self, images: list[Array | LazyImage]) -> Array:
        """Return images as one array."""
        as_objects = self.options.lazy or self.decoder.size is None or not images
        return ragged_array(images) if as_objects else np.stack([np.asarray(image) for image in images])
