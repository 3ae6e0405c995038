"""CIFAR-10: small colour photographs of ten classes, from the official archive or from folders of images."""

import hashlib
import os
import tarfile
from pathlib import Path

import numpy as np

from egbad.arrays import Array
from egbad.data import read
from egbad.datasets.dataset import Dataset, DatasetSource
from egbad.datasets.files import RemoteFile, data_folders
from egbad.errors import UnreadableFileError

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
FOLDER = "cifar10"  # train/<class>/*.png and test/<class>/*.png in the data folder
_BATCHES = (*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin")
_RECORD_BYTES = 1 + 3 * 32 * 32  # bytes of an image: the label, then the red, green and blue pixels

SOURCE = DatasetSource(
    name="cifar10",
    rows=60_000,
    shape="3 x 32 x 32",
    size=170_052_171,
    terms="none stated; its author asks to be cited",
    origin="A. Krizhevsky, University of Toronto, 2009",
    files=(
        RemoteFile(  # the archive for C programs, because the one for Python is a pickle, which may run code
            "cifar10/cifar-10-binary.tar.gz",
            "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
            "md5:c32a1d4ab5d03f1284b67883e8d87530",
        ),
    ),
)


def load(data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    """Load CIFAR-10.

    A data folder with cifar10/train and cifar10/test, each with a folder per class, is read instead of the archive.

    Parameters
    ----------
    data_dir : path, optional
        Local copy of the public data sets. By default the environment variable EGBAD_DATA, then the cache.

    Returns
    -------
    Dataset
        Images of shape (60000, 3, 32, 32) and type uint8, the training images first, and labels 0 to 9 in the order of
        `CLASSES`.

    Raises
    ------
    UnreadableFileError
        If the archive is damaged or a folder has another name than a class.
    """
    folder = next((f / FOLDER for f in data_folders(data_dir) if (f / FOLDER / "train").is_dir()), None)
    x, labels, digest = _from_folder(folder) if folder else _from_archive(*SOURCE.obtain(data_dir))
    return Dataset(SOURCE.name, x, labels, None, digest, SOURCE.terms, SOURCE.origin)


def _from_archive(path: Path) -> tuple[Array, Array, str]:
    """Return images, labels and the digest of the official archive."""
    parts = []
    try:
        with tarfile.open(path) as archive:
            for name in _BATCHES:
                member = archive.extractfile(f"cifar-10-batches-bin/{name}")
                assert member is not None
                parts.append(np.frombuffer(member.read(), np.uint8).reshape(-1, _RECORD_BYTES))
    except (tarfile.TarError, OSError, EOFError, KeyError, ValueError) as error:
        raise UnreadableFileError(f"'{path}' cannot be read as the archive of CIFAR-10: {error}.") from error
    records = np.concatenate(parts)
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0].astype(np.int64), SOURCE.digest


def _from_folder(folder: Path) -> tuple[Array, Array, str]:
    """Return images, labels and a digest of folders of images."""
    halves = [read(folder / half, label_column="folder") for half in ("train", "test")]
    names = np.concatenate([half.labels for half in halves if half.labels is not None])
    others = sorted(set(names) - set(CLASSES))
    if others:
        raise UnreadableFileError(f"'{folder}' must have the folders {', '.join(CLASSES)}, got {others[0]}.")
    x = np.concatenate([half.x for half in halves]).astype(np.uint8)
    return x, np.array([CLASSES.index(name) for name in names]), hashlib.sha256(x.tobytes()).hexdigest()
