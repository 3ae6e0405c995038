"""A path -> rows or images as numbers: which reader reads it."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypedDict, Unpack

from egbad.data.images import SUFFIXES as IMAGES
from egbad.data.images import Images, Wanted, images_at, read_images, stream_images
from egbad.data.numpy_files import read_npy, read_npz
from egbad.data.stream import ColumnTypes, Data, Stream, as_stream
from egbad.data.tables import SUFFIXES as TABLES
from egbad.data.tables import files_of, read_tables, stream_tables
from egbad.errors import InvalidInputError, UnreadableFileError

PathLike = str | os.PathLike[str]


class Options(TypedDict, total=False):
    """How a path is read.

    Attributes
    ----------
    label_column : str, optional
        The column, or the key of a `.npz`, that holds labels: it is left out of `x`. For images "folder": the name of
        the folder that each lies in.
    image_size : (height, width), optional
        What images of a folder are resized to, in pixels. By default what they have, or the median where they differ or
        are too large.
    colour : bool, optional
        Whether images of a folder come in colour; by default if any of them does.
    bad : list of str, optional
        Where given, images of a folder that can't be read are left out and added to it.
    kinds : mapping or sequence of str, optional
        What columns of a table hold, of `COLUMN_TYPES`, by their names, some or all of them, or in their order. By
        default what their types say.
    patch : int, optional
        For a detector of patches with so many pixels a side: images of a folder keep their own sizes, at least this high and
        wide, where these differ, and otherwise the one that they have, however large.
    """

    label_column: str | None
    image_size: tuple[int, int] | None
    colour: bool | None
    bad: list[str] | None
    column_types: ColumnTypes | None
    patch: int | None


def read(path: PathLike | Sequence[PathLike], **options: Unpack[Options]) -> Data:
    """Read tables, a stack of images or a folder of images.

    Parameters
    ----------
    path : path
        A `.npz` (key `X`, `x` or `images`; labels under `y` or `labels`), `.npy`, `.csv` or `.parquet` file, a folder, at
        any depth, of tables or of images, an image, or a pattern as in "days/*.parquet" or "photos/*.png". What folders are
        named, as in day=2024-05-01, are columns of the tables in them. Or a list of paths of images.
    options
        See `Options`.

    Raises
    ------
    UnreadableFileError
        When the file is missing, damaged or of a kind that isn't read.
    InvalidInputError
        When it has no rows, a column that can't hold what `kinds` says, or no such label column.
    """
    labels, found = options.get("label_column"), _found(path)
    if isinstance(found, Images):
        return read_images(found, labels, _wanted(options))
    if isinstance(found, tuple):
        return read_tables(found, labels, options.get("column_types"))
    readers: dict[str, Callable[[Path, str | None], Data]] = {".npz": read_npz, ".npy": read_npy}
    reader = readers.get(found.suffix.lower())
    if reader is None:
        known = ", ".join([*readers, *TABLES])
        raise UnreadableFileError(
            f"Files that can be read end in {known}, or are folders of tables or images, got '{found.name}'."
        )
    return reader(found, labels)


def open_stream(path: PathLike | Sequence[PathLike], **options: Unpack[Options]) -> Stream:
    """What `read` reads, in batches: tables and folders of images are never in memory as a whole.

    Raises
    ------
    UnreadableFileError, InvalidInputError
        As `read` does, of what is in a batch when that is asked for.
    """
    labels, found = options.get("label_column"), _found(path)
    if isinstance(found, Images):
        return stream_images(found, labels, _wanted(options))
    if isinstance(found, tuple):
        return stream_tables(found, labels, options.get("column_types"))
    return as_stream(read(path, **options))


def _wanted(options: Options) -> Wanted:
    return Wanted(options.get("image_size"), options.get("colour"), options.get("bad"), options.get("patch"))


def _found(given: PathLike | Sequence[PathLike]) -> Images | tuple[Path, ...] | Path:
    """Images, tables, or another file at a path; images of a list of paths."""
    if not isinstance(given, str | os.PathLike):
        images = images_at([Path(one) for one in given])
        assert images is not None
        return images
    path = Path(given)
    images, tables = images_at(path), files_of(path)
    if images is None and tables is None:
        if not path.exists():
            raise UnreadableFileError(f"There is no file or folder '{path}'. Check the path.")
        if path.is_dir():
            column_types = f"tables ({', '.join(TABLES)}) or images ({', '.join(IMAGES)})"
            raise InvalidInputError(f"'{path}' must hold {column_types}, got none.")
        return path
    # A table beside the images of a folder tells of them.
    return images if images is not None and (path.is_dir() or tables is None) else tables or path


def list_files(path: PathLike) -> list[Path]:
    """The files that are read at a path, and all that lie beside them in a folder."""
    path = Path(path)
    if path.is_dir():
        return sorted(one for one in path.rglob("*") if one.is_file())
    found = _found(path)
    return [*found.paths] if isinstance(found, Images) else [*found] if isinstance(found, tuple) else [found]
