"""Arrays in files. Nothing is ever unpickled."""

from dataclasses import replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from egbad.data.conversion import as_data
from egbad.data.stream import Data
from egbad.data.tables import damaged, not_empty
from egbad.errors import InvalidInputError, unknown

_NOT_NUMPYS = (ValueError, OSError, EOFError, BadZipFile, AttributeError, TypeError)  # what NumPy says of other files


def read_npy(path: Path, label_column: str | None) -> Data:
    """An array in a file."""
    if label_column is not None:
        raise InvalidInputError(
            f"A .npy file has no labels, got label column '{label_column}'. Use .npz, .csv or .parquet."
        )
    try:
        with path.open("rb") as file:  # NumPy leaves a file open that it can't read
            x = np.lib.format.read_array(file, allow_pickle=False)
    except _NOT_NUMPYS as error:
        raise damaged(path, error) from error
    return not_empty(path, as_data(x))


def read_npz(path: Path, label_column: str | None) -> Data:
    """An array in an archive, with labels where it has them."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            found = {key: archive[key] for key in archive.files if archive[key].dtype.kind != "O"}
    except _NOT_NUMPYS as error:
        raise damaged(path, error) from error
    if label_column is not None and label_column not in found:
        raise unknown("label key", label_column, found)
    key = next((key for key in ("X", "x", "images") if key in found and key != label_column), None)
    if key is None:
        raise InvalidInputError(f"'{path}' must have an array X, x or images, got {', '.join(found) or 'none'}.")
    data = as_data(found[key])
    label_key = label_column or next((k for k in ("y", "labels") if k in found), None)
    labels = found[label_key].ravel() if label_key else None
    if labels is not None and len(labels) != len(data.x):
        raise InvalidInputError(
            f"'{path}' must have one label per row, got {len(labels)} labels for {len(data.x)} rows."
        )
    return not_empty(path, replace(data, labels=labels))
