"""MNIST's file format, and the two data sets that come in it."""

import gzip
import os
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from egbad.datasets.dataset import Dataset, Source
from egbad.errors import UnreadableFileError


def parse(path: Path) -> NDArray[np.uint8]:
    """An idx file of unsigned bytes -> array of the shape that its header gives."""
    try:
        content = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableFileError(f"'{path}' can't be read as idx: {error}.") from error
    if len(content) < 4 or content[:3] != b"\0\0\x08":
        raise UnreadableFileError(f"'{path}' must be an idx file of unsigned bytes, its header says otherwise.")
    axes = content[3]
    shape = tuple(np.frombuffer(content, ">i4", axes, 4))
    if len(content) != 4 + 4 * axes + int(np.prod(shape)):
        raise UnreadableFileError(f"'{path}' must have {np.prod(shape)} bytes after its header, as it says.")
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)


def load_pair(source: Source, data_dir: str | os.PathLike[str] | None) -> Dataset:
    """Training and test images after each other, from the four files in the order train, train, test, test."""
    train_x, train_y, test_x, test_y = (parse(path) for path in source.obtain(data_dir))
    return Dataset(
        name=source.name,
        x=np.concatenate([train_x, test_x]),
        labels=np.concatenate([train_y, test_y]).astype(np.int64),
        columns=None,
        digest=source.digest,
        terms=source.terms,
        source=source.origin,
    )


FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
