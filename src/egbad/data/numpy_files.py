"""NumPy files of rows or images. Pickled objects are never loaded."""

from dataclasses import replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from egbad.data.conversion import as_data
from egbad.data.file_errors import require_rows, unreadable_file_error
from egbad.data.stream import Data
from egbad.errors import InvalidInputError, unknown

DATA_KEYS, LABEL_KEYS = ("X", "x", "images"), ("y", "labels")
_NUMPY_ERRORS = (ValueError, OSError, EOFError, BadZipFile, AttributeError, TypeError)  # for files of other formats


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
        with path.open("rb") as file:  # opened here because NumPy leaves a file open that it fails to read
            x = np.lib.format.read_array(file, allow_pickle=False)
    except _NUMPY_ERRORS as error:
        raise unreadable_file_error(path, error) from error
    return require_rows(path, as_data(x))


def read_npz(path: Path, label_column: str | None) -> Data:
    """Read a `.npz` file.

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
        If the file is damaged.
    InvalidInputError
        If it has no rows, no array under a known key, no such label key, or not one label per row.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files if archive[key].dtype.kind != "O"}
    except _NUMPY_ERRORS as error:
        raise unreadable_file_error(path, error) from error
    if label_column is not None and label_column not in arrays:
        raise unknown("label key", label_column, arrays)
    data_key = next((key for key in DATA_KEYS if key in arrays and key != label_column), None)
    if data_key is None:
        raise InvalidInputError(f"'{path}' must have an array X, x or images, got {', '.join(arrays) or 'none'}.")
    data = as_data(arrays[data_key])
    label_key = label_column or next((key for key in LABEL_KEYS if key in arrays), None)
    labels = arrays[label_key].ravel() if label_key else None
    if labels is not None and len(labels) != len(data.x):
        raise InvalidInputError(
            f"'{path}' must have one label per row, got {len(labels)} labels for {len(data.x)} rows."
        )
    return require_rows(path, replace(data, labels=labels))
