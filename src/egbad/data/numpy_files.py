"""NumPy files of rows or images. Pickled objects are never loaded."""

import zlib
from collections import Counter
from dataclasses import replace
from math import prod
from pathlib import Path
from tokenize import TokenError
from typing import IO
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

import numpy as np

from egbad.arrays import Array
from egbad.data.conversion import as_data
from egbad.data.file_errors import require_rows, unreadable_file_error
from egbad.data.stream import Data
from egbad.errors import InvalidInputError, unknown

DATA_KEYS, LABEL_KEYS = ("X", "x", "images"), ("y", "labels")
_SUFFIX = ".npy"  # of the members of an archive
_HEADER_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_MAX_COMPRESSION = 1100  # deflate makes data at most 1032 times smaller
_NUMPY_ERRORS = (  # for damaged files and files of other formats
    ValueError,
    OSError,
    EOFError,
    LookupError,
    AttributeError,
    TypeError,
    ArithmeticError,
    SyntaxError,
    TokenError,  # for a header without its last bracket
    RuntimeError,  # of zipfile for encrypted members
    MemoryError,
    BadZipFile,
    zlib.error,
)


def read_npy(path: Path, label_column: str | None) -> Data:
    """Read a `.npy` file.

    Parameters
    ----------
    path : Path
    label_column : str, optional
        Must be None: such a file has no labels.

    Returns
    -------
    Data

    Raises
    ------
    UnreadableFileError
        If the file is damaged or holds objects.
    InvalidInputError
        If it has no rows, or a label column is given.
    """
    if label_column is not None:
        raise InvalidInputError(
            f"A .npy file has no labels, got label column '{label_column}'. Use .npz, .csv or .parquet."
        )
    try:
        with path.open("rb") as file:
            x = _read_array(file, path.stat().st_size)
    except _NUMPY_ERRORS as error:
        raise unreadable_file_error(path, error) from error
    return _as_data(path, x)


def read_npz(path: Path, label_column: str | None) -> Data:
    """Read a `.npz` file. Arrays under other keys are ignored.

    Parameters
    ----------
    path : Path
    label_column : str, optional
        Key of the labels. By default `y` or `labels`, if there is one of them.

    Returns
    -------
    Data
        Rows or images under the key `X`, `x` or `images`.

    Raises
    ------
    UnreadableFileError
        If the file is damaged, or the rows or labels are objects.
    InvalidInputError
        If it has no rows, no array under a known key, no such label key, or not one label per row.
    """
    try:
        with path.open("rb") as file, ZipFile(file) as archive:
            members = _members(archive)
            data_key, label_key = _choose_keys(path, [*members], label_column)
            x, labels = (None if key is None else _read_member(archive, members[key]) for key in (data_key, label_key))
    except InvalidInputError:
        raise
    except _NUMPY_ERRORS as error:
        raise unreadable_file_error(path, error) from error
    assert x is not None
    data = _as_data(path, x)
    if labels is None:
        return data
    if labels.size != len(data.x):
        raise InvalidInputError(
            f"'{path}' must have one label per row, got {labels.size} labels for {len(data.x)} rows."
        )
    return replace(data, labels=labels.ravel())


def _as_data(path: Path, x: Array) -> Data:
    """Return an array as rows or images, at least one."""
    if x.ndim == 0:
        raise InvalidInputError(f"'{path}' must hold rows or images, got a single value.")
    return require_rows(path, as_data(x))


def _members(archive: ZipFile) -> dict[str, ZipInfo]:
    """Return the arrays of an archive by name."""
    members = [member for member in archive.infolist() if member.filename.endswith(_SUFFIX)]
    repeated = [name for name, n in Counter(member.filename for member in members).items() if n > 1]
    if repeated:
        raise ValueError(f"it holds '{repeated[0].removesuffix(_SUFFIX)}' more than once")
    return {member.filename.removesuffix(_SUFFIX): member for member in members}


def _choose_keys(path: Path, keys: list[str], label_column: str | None) -> tuple[str, str | None]:
    """Return the keys of the data and of the labels."""
    if label_column is not None and label_column not in keys:
        raise unknown("label key", label_column, keys)
    data_key = next((key for key in DATA_KEYS if key in keys and key != label_column), None)
    if data_key is None:
        raise InvalidInputError(f"'{path}' must have an array X, x or images, got {', '.join(keys) or 'none'}.")
    return data_key, label_column or next((key for key in LABEL_KEYS if key in keys), None)


def _read_member(archive: ZipFile, member: ZipInfo) -> Array:
    """Read an array of an archive, after checking that the archive can hold as many bytes as it claims."""
    stored = {ZIP_STORED: member.compress_size, ZIP_DEFLATED: _MAX_COMPRESSION * member.compress_size}
    if member.file_size > stored.get(member.compress_type, 0):
        raise ValueError(f"the size or compression of '{member.filename}' is not one that NumPy writes")
    with archive.open(member) as file:
        return _read_array(file, member.file_size, f"'{member.filename.removesuffix(_SUFFIX)}'")


def _read_array(file: IO[bytes], size: int, name: str = "it") -> Array:
    """Read an array from an open file of a number of bytes, after checking that the header fits this number."""
    version = np.lib.format.read_magic(file)
    if version not in _HEADER_READERS:
        raise ValueError(f"version {version} of the format is not for numbers or text")
    shape, _, dtype = _HEADER_READERS[version](file)
    if dtype.hasobject:
        raise ValueError(f"{name} holds Python objects, which are never loaded; convert them to numbers or text")
    expected = file.tell() + prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or expected != size:
        raise ValueError(f"an array of shape {shape} and type {dtype} takes {expected} bytes, got {size}")
    file.seek(0)
    array: Array = np.lib.format.read_array(file, allow_pickle=False)
    return array
