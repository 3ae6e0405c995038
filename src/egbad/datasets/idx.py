"""The file format of MNIST, and loading of the data sets that use it."""

import gzip
import os
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from egbad.datasets.dataset import Dataset, DatasetSource
from egbad.errors import UnreadableFileError

IDX_FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
_UNSIGNED_BYTES = b"\0\0\x08"  # start of an idx file of this type


def parse_idx(path: Path) -> NDArray[np.uint8]:
    """Read a compressed idx file of unsigned bytes.

    Parameters
    ----------
    path : Path

    Returns
    -------
    ndarray
        Array of the shape that the header gives.

    Raises
    ------
    UnreadableFileError
        If the file is damaged, of another type, or shorter or longer than its header says.
    """
    try:
        content = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableFileError(f"'{path}' cannot be read as idx: {error}.") from error
    if len(content) < 4 or content[:3] != _UNSIGNED_BYTES:
        raise UnreadableFileError(f"'{path}' must be an idx file of unsigned bytes, got another header.")
    n_axes = content[3]
    header_bytes = 4 + 4 * n_axes
    shape = tuple(np.frombuffer(content, ">i4", n_axes, 4))
    if len(content) != header_bytes + int(np.prod(shape)):
        raise UnreadableFileError(
            f"'{path}' must have {np.prod(shape)} bytes after its header, got {len(content) - header_bytes}."
        )
    return np.frombuffer(content, np.uint8, offset=header_bytes).reshape(shape)


def load_idx(source: DatasetSource, data_dir: str | os.PathLike[str] | None) -> Dataset:
    """Load a data set of four idx files.

    Parameters
    ----------
    source : DatasetSource
        Its files are those of `IDX_FILES`, in this order.
    data_dir : path, optional
        Local copy of the public data sets.

    Returns
    -------
    Dataset
        The training images first, then the test images.
    """
    train_x, train_labels, test_x, test_labels = (parse_idx(path) for path in source.obtain(data_dir))
    return Dataset(
        name=source.name,
        x=np.concatenate([train_x, test_x]),
        labels=np.concatenate([train_labels, test_labels]).astype(np.int64),
        columns=None,
        digest=source.digest,
        terms=source.terms,
        source=source.origin,
    )
