"""The file format of MNIST."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from egbad.datasets.idx import parse_idx
from egbad.errors import UnreadableFileError


def idx(values: np.ndarray) -> bytes:
    """Return an idx file: a magic number with the type and the number of axes, the lengths, and the values."""
    return struct.pack(f">BBBB{values.ndim}i", 0, 0, 8, values.ndim, *values.shape) + values.tobytes()


def compressed(content: bytes) -> bytes:
    """Return compressed content, with the same bytes at any time because they are part of the name of a test."""
    return gzip.compress(content, mtime=0)


@pytest.mark.parametrize("shape", [(5,), (3, 2, 4)])
def test_an_array_is_read_as_it_was_written(tmp_path: Path, shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    path = tmp_path / "a.gz"
    path.write_bytes(compressed(idx(values)))
    np.testing.assert_array_equal(parse_idx(path), values)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no gzip", "cannot be read as idx"),
        (compressed(idx(np.zeros(9, np.uint8)))[:-9], "cannot be read as idx"),
        (compressed(b"\0\0\x0d\1"), "must be an idx file of unsigned bytes"),
        (compressed(idx(np.zeros(9, np.uint8))[:-1]), "must have 9 bytes after its header"),
    ],
)
def test_another_or_damaged_file_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(content)
    with pytest.raises(UnreadableFileError, match=message):
        parse_idx(path)
