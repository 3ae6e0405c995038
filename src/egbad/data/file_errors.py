"""Errors for files that cannot be read or have no rows."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from egbad.data.stream import Data
from egbad.errors import EmptyFileError, UnreadableFileError
from egbad.output_files import printable


def unreadable_file_error(path: Path, error: Exception) -> UnreadableFileError:
    """Create the error for a damaged file.

    Parameters
    ----------
    path : Path
    error : Exception
        The error that the reader raised.

    Returns
    -------
    UnreadableFileError
    """
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return UnreadableFileError(
        f"'{path}' cannot be read as {path.suffix.lower()}: {reason.rstrip('.')}. Check the file."
    )


@contextmanager
def arrow_path(path: Path) -> Iterator[Path]:
    """Yield a path by which Arrow can open a file. Arrow refuses names that are no UTF-8.

    Parameters
    ----------
    path : Path

    Yields
    ------
    Path
        Valid in the context only. What Arrow has opened stays open.
    """
    if str(path) == printable(path):
        yield path
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield Path(f"/dev/fd/{descriptor}")
    finally:
        os.close(descriptor)


@contextmanager
def arrow_errors(path: Path) -> Iterator[None]:
    """Replace errors that Arrow raises for a table by errors of this package.

    Parameters
    ----------
    path : Path
        The file that is read in the context.

    Raises
    ------
    UnreadableFileError
        If the file is damaged.
    EmptyFileError
        If the file is empty.
    """
    try:
        yield
    except (
        pa.ArrowException,
        OSError,
        UnicodeDecodeError,
    ) as error:  # Arrow takes names of columns from a file as UTF-8
        if path.stat().st_size == 0:
            raise EmptyFileError(f"'{path}' must have at least one row, got an empty file.") from error
        raise unreadable_file_error(path, error) from error


def no_rows_error(path: Path) -> EmptyFileError:
    """Create the error for a table without rows.

    Parameters
    ----------
    path : Path

    Returns
    -------
    EmptyFileError
    """
    return EmptyFileError(f"'{path}' must have at least one row, got an empty table.")


def require_rows(path: Path, data: Data) -> Data:
    """Return data that has rows.

    Parameters
    ----------
    path : Path
        The file that the data come from, for the error message.
    data : Data

    Returns
    -------
    Data

    Raises
    ------
    EmptyFileError
        If there are no rows.
    """
    if len(data.x) == 0:
        raise no_rows_error(path)
    return data
