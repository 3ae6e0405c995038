"""MNIST's file format."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from egbad.datasets.idx import parse
from egbad.errors import UnreadableFileError


def idx(values: np.ndarray) -> bytes:
    """An idx file as MNIST's are: a magic number with the kind and the number of axes, the lengths, the bytes."""
    return struct.pack(f">BBBB{values.ndim}i", 0, 0, 8, values.ndim, *values.shape) + values.tobytes()


def packed(content: bytes) -> bytes:
    """Compressed, to the same bytes at any time: tests are called by them."""
    return gzip.compress(content, mtime=0)


@pytest.mark.parametrize("shape", [(5,), (3, 2, 4)])
def test_what_is_written_is_read(tmp_path: Path, shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    path = tmp_path / "a.gz"
    path.write_bytes(packed(idx(values)))
    np.testing.assert_array_equal(parse(path), values)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no gzip", "can't be read as idx"),
        (packed(idx(np.zeros(9, np.uint8)))[:-9], "can't be read as idx"),
        (packed(b"\0\0\x0d\1"), "must be an idx file of unsigned bytes"),
        (packed(idx(np.zeros(9, np.uint8))[:-1]), "must have 9 bytes after its header"),
    ],
)
def test_a_file_that_is_none_is_one_sentence(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(content)
    with pytest.raises(UnreadableFileError, match=message):
        parse(path)
