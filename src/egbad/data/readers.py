"""Readers of paths: tables, arrays and images, as a whole or in batches."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from egbad.data.column_roles import ALL_COLUMNS, ColumnSelection
from egbad.data.column_types import ColumnTypes
from egbad.data.csv_files import is_csv
from egbad.data.csv_options import DEFAULT_CSV_OPTIONS, CsvOptions
from egbad.data.file_search import UnreadablePath, find_files, is_hidden
from egbad.data.images import IMAGE_SUFFIXES, ImageFiles, find_images, list_images, read_images, stream_images
from egbad.data.numpy_files import read_npy, read_npz
from egbad.data.options import DEFAULT_BATCH_SIZES, BatchSizes, ReadOptions
from egbad.data.stream import Data, Stream, as_stream
from egbad.data.tables import TABLE_SUFFIXES, find_tables, read_tables, stream_tables
from egbad.errors import InvalidInputError, UnreadableFileError
from egbad.output_files import printable

PathLike = str | os.PathLike[str]

_ARRAY_READERS = {".npz": read_npz, ".npy": read_npy}


def read(
    path: PathLike | Sequence[PathLike],
    *,
    label_column: str | None = None,
    column_types: ColumnTypes | None = None,
    image_size: tuple[int, int] | None = None,
    colour: bool | None = None,
    patch_size: int | None = None,
    skip_unreadable: bool = False,
    batch_sizes: BatchSizes = DEFAULT_BATCH_SIZES,
    csv: CsvOptions = DEFAULT_CSV_OPTIONS,
    columns: ColumnSelection = ALL_COLUMNS,
    enough_side: int | None = None,
    lazy: bool = False,
    small_side: int = 0,
) -> Data:
    r"""Read tables, arrays or images.

    Parameters
    ----------
    path : path or list of paths
        One of: a `.csv`, `.tsv`, `.parquet`, `.npy` or `.npz` file (keys `X`, `x` or `images`; labels under `y` or `labels`);
        an image; a folder of tables or images at any depth; a pattern such as "days/*.parquet" or "photos/*.png"; a
        list of paths of images. Folder names such as `day=2024-05-01` become columns of the tables inside.
    label_column : str, optional
        Column, or key of a `.npz` file, that holds labels and is left out of the data. For images "folder": the name of
        the folder of each image.
    column_types : mapping or sequence of str, optional
        Types of the columns of a table, "number", "boolean", "category" or "time": either by name for any of them, or
        for all in order. By default the types that the file has. By name also "ignore" for columns to leave out, "id" for
        those that identify the row, and "label".
    image_size : (int, int), optional
        Height and width in pixels that images are resized to. By default their size, or the median size if they differ
        or are too large.
    colour : bool, optional
        True to read images in colour, False for greyscale. By default colour if any of them is in colour.
    patch_size : int, optional
        Side of the patches in pixels for a detector that scores patches. Images then keep their sizes, but each side
        has at least this length.
    skip_unreadable : bool
        True to skip images, folders and broken links that cannot be read; the result lists them in `unreadable`.
    batch_sizes : BatchSizes
        Sizes of the batches that files are read in.
    csv : CsvOptions
        Dialect of CSV files. By default it is detected from each file; `notes` of the result says so if it is unusual.
    columns : ColumnSelection
        Columns of a table to score, and to carry to the output. By default all columns are scored, except the label.
    enough_side : int, optional
        For a detector that resizes images itself. Images keep their sizes, but large JPEG files are decoded with fewer pixels, at
        least the square of this number.
    lazy : bool
        True to keep no pixels of images in memory: each image is decoded once to check it, and again each time it is needed.
        Images keep their sizes. For detectors that learn more images than memory holds; others decode them all in `fit`.
    small_side : int, optional
        Images whose median height times median width is at most the square of this are read as without `patch_size`,
        `enough_side` and `lazy`.

    Returns
    -------
    Data

    Raises
    ------
    UnreadableFileError
        If a file is missing, damaged or of an unknown format, or a folder in the folder cannot be read.
    InvalidInputError
        If there are no rows, no such label column, or a column does not hold what its type says.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "table.csv")
    ...     _ = path.write_text("size,colour,faulty\n1.5,red,0\n2.5,blue,1\n")
    ...     data = read(path, label_column="faulty")
    >>> data.columns, data.column_types, data.labels.tolist()
    (('size', 'colour'), ('number', 'category'), [0, 1])
    """
    options = ReadOptions(
        label_column, column_types, image_size, colour, patch_size, skip_unreadable, batch_sizes, csv, columns
    )
    options = replace(options, enough_side=enough_side, lazy=lazy, small_side=small_side)
    unreadable, files = _unreadable(path, options), _find_files(path)
    _check_has_columns(files, options)
    if isinstance(files, ImageFiles):
        data = read_images(files, options)
        return replace(data, unreadable=(*unreadable, *data.unreadable))
    if isinstance(files, tuple):
        return replace(read_tables(files, options), unreadable=unreadable)
    reader = _ARRAY_READERS.get(files.suffix.lower())
    if reader is None:
        known = ", ".join([*_ARRAY_READERS, *TABLE_SUFFIXES])
        raise UnreadableFileError(
            f"A data file must end in {known}, or be a folder of tables or images, got '{files.name}'."
        )
    return reader(files, label_column)


def open_stream(
    path: PathLike | Sequence[PathLike],
    *,
    label_column: str | None = None,
    column_types: ColumnTypes | None = None,
    image_size: tuple[int, int] | None = None,
    colour: bool | None = None,
    patch_size: int | None = None,
    skip_unreadable: bool = False,
    batch_sizes: BatchSizes = DEFAULT_BATCH_SIZES,
    csv: CsvOptions = DEFAULT_CSV_OPTIONS,
    columns: ColumnSelection = ALL_COLUMNS,
    enough_side: int | None = None,
    lazy: bool = False,
    small_side: int = 0,
) -> Stream:
    """Open tables, arrays or images as a stream of batches.

    Tables and images are never held in memory as a whole. Errors in a batch are raised when that batch is read.

    Parameters
    ----------
    path, label_column, column_types, image_size, colour, patch_size, skip_unreadable, batch_sizes, csv, columns
        See `read`.
    enough_side, lazy, small_side
        See `read`.

    Returns
    -------
    Stream

    Raises
    ------
    UnreadableFileError, InvalidInputError
        See `read`.
    """
    options = ReadOptions(
        label_column, column_types, image_size, colour, patch_size, skip_unreadable, batch_sizes, csv, columns
    )
    options = replace(options, enough_side=enough_side, lazy=lazy, small_side=small_side)
    unreadable, files = _unreadable(path, options), _find_files(path)
    _check_has_columns(files, options)
    if isinstance(files, ImageFiles | tuple):
        stream = stream_images(files, options) if isinstance(files, ImageFiles) else stream_tables(files, options)
        stream.unreadable[:0] = unreadable
        return stream
    return as_stream(read(files, label_column=label_column), batch_sizes.rows)


def _check_has_columns(files: ImageFiles | tuple[Path, ...] | Path, options: ReadOptions) -> None:
    """Raise if columns are named for files other than tables."""
    named = [name for name in options.columns.required if name != options.label_column]
    if named and not isinstance(files, tuple):
        raise InvalidInputError(
            f"Only the columns of tables have names, got the name '{named[0]}' for other files. Omit it."
        )


def list_files(path: PathLike) -> list[Path]:
    """List the files that a path stands for.

    Parameters
    ----------
    path : path
        As `read` takes it.

    Returns
    -------
    list of Path
        The files that are read; for a folder, all files in it.
    """
    path = Path(path)
    if path.is_dir():
        return [*find_files(path).files]
    files = _find_files(path)
    if isinstance(files, ImageFiles):
        return [*files.paths]
    return [*files] if isinstance(files, tuple) else [files]


def _unreadable(given: PathLike | Sequence[PathLike], options: ReadOptions) -> tuple[str, ...]:
    """Return the paths that hold data, perhaps, and cannot be read. Raise unless they are skipped."""
    if not isinstance(given, str | os.PathLike):
        return ()
    path = Path(given)
    found = [entry for entry in find_files(path).unreadable if _may_hold_data(entry, path)]
    if found and not options.skip_unreadable:
        raise UnreadableFileError(found[0].error)
    return tuple(printable(entry.path) for entry in found)


def _may_hold_data(entry: UnreadablePath, folder: Path) -> bool:
    """Return True for folders, tables, images and links without a suffix that are not hidden."""
    path = entry.path
    inner = path.relative_to(folder) if path.is_relative_to(folder) else Path(path.name)
    is_data = entry.is_folder or path.suffix.lower() in ("", *TABLE_SUFFIXES, *IMAGE_SUFFIXES) or is_csv(path)
    return is_data and not is_hidden(inner)


def _find_files(given: PathLike | Sequence[PathLike]) -> ImageFiles | tuple[Path, ...] | Path:
    """Return images, the paths of tables, or the path of another file."""
    if not isinstance(given, str | os.PathLike):
        return list_images([Path(path) for path in given])
    path = Path(given)
    images, tables = find_images(path), find_tables(path)
    if images is None and tables is None:
        if not path.exists():
            raise UnreadableFileError(f"There is no file or folder '{path}'. Check the path.")
        if path.is_dir():
            supported = f"tables ({', '.join(TABLE_SUFFIXES)}) or images ({', '.join(IMAGE_SUFFIXES)})"
            raise InvalidInputError(f"'{path}' must hold {supported}, got none.")
        return path
    # A table in a folder of images describes these images.
    return images if images is not None and (path.is_dir() or tables is None) else tables or path
