"""A path -> rows or images as numbers: which reader reads it."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypedDict, Unpack

from egbad.errors import UnreadableFileError
from egbad.sources.arrays import read_npy, read_npz
from egbad.sources.data import Data, Kinds, Stream, in_batches
from egbad.sources.images import Wanted, holds_images, read_images, stream_images
from egbad.sources.tables import SUFFIXES as TABLES
from egbad.sources.tables import files_of, read_tables, stream_tables


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
        What columns of a table hold, of `egbad.columns.KINDS`, by their names, some or all of them, or in their order. By
        default what their types say.
    full : bool, optional
        Whether images of a folder keep their median size however large it is, for a detector that looks at patches.
    """

    label_column: str | None
    image_size: tuple[int, int] | None
    colour: bool | None
    bad: list[str] | None
    kinds: Kinds | None
    full: bool


def read(path: str | os.PathLike[str], **options: Unpack[Options]) -> Data:
    """Read tables, a stack of images or a folder of images.

    Parameters
    ----------
    path : path
        A `.npz` (key `X`, `x` or `images`; labels under `y` or `labels`), `.npy`, `.csv` or `.parquet` file, a folder, at
        any depth, of tables or of images, or a pattern of tables as in "days/*.parquet". What folders are named, as in
        day=2024-05-01, are columns of the tables in them.
    options
        See `Options`.

    Raises
    ------
    UnreadableFileError
        When the file is missing, damaged or of a kind that isn't read.
    InvalidInputError
        When it has no rows, a column that can't hold what `kinds` says, or no such label column.
    """
    path, labels = Path(path), options.get("label_column")
    if (files := _tables(path)) is not None:
        return read_tables(files, labels, options.get("kinds"))
    if path.is_dir():
        return read_images(path, labels, _wanted(options))
    readers: dict[str, Callable[[Path, str | None], Data]] = {".npz": read_npz, ".npy": read_npy}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        known = ", ".join([*readers, *TABLES])
        raise UnreadableFileError(
            f"Files that can be read end in {known}, or are folders of tables or images, got '{path.name}'."
        )
    return reader(path, labels)


def stream(path: str | os.PathLike[str], **options: Unpack[Options]) -> Stream:
    """What `read` reads, in batches: tables and folders of images are never in memory as a whole.

    Raises
    ------
    UnreadableFileError, InvalidInputError
        As `read` does, of what is in a batch when that is asked for.
    """
    path, labels = Path(path), options.get("label_column")
    if (files := _tables(path)) is not None:
        return stream_tables(files, labels, options.get("kinds"))
    if path.is_dir():
        return stream_images(path, labels, _wanted(options))
    return in_batches(read(path, **options))


def _wanted(options: Options) -> Wanted:
    return Wanted(options.get("image_size"), options.get("colour"), options.get("bad"), options.get("full", False))


def _tables(path: Path) -> tuple[Path, ...] | None:
    """The tables at a path, or None where something else is there."""
    files = files_of(path)
    if files is None and not path.exists():
        raise UnreadableFileError(f"There is no file or folder '{path}'. Check the path.")
    return None if path.is_dir() and holds_images(path) else files  # a table beside images tells of them
