"""NumPy files of one array."""

import io
import random

import numpy as np

from tests.fuzz.data_files import check_data
from tests.fuzz.harness import Target, mutate_bytes

_PIECES = (b"'|O'", b"'<f2'", b"'>i8'", b"'<c16'", b"'<M8[s]'", b"'<U9'", b"[('a', '<f8')]", b"True", b"(", b")", b",")
_PIECES += (b"-1", b"99999999999999999999", b"0", b"1", b"\n", b"'shape'", b"1" * 300, b"(" * 500, b"[" * 50)


def array_bytes(x: object) -> bytes:
    """Return an array as a file."""
    file = io.BytesIO()
    np.save(file, np.asarray(x))
    return file.getvalue()


def seeds() -> list[bytes]:
    """Return rows and images of several types."""
    rng = np.random.default_rng(0)
    rows, images = rng.normal(size=(30, 3)), rng.integers(0, 256, (6, 8, 8)).astype(np.uint8)
    return [array_bytes(x) for x in (rows, np.asfortranarray(rows.astype(">f4")), rows > 0, images)]


def mutate(content: bytes, rng: random.Random) -> bytes:
    """Change bytes, or pieces of the header, whose length is then right."""
    length = int.from_bytes(content[8:10], "little")
    if rng.randrange(3) == 0 or len(content) < 10 + length:
        return mutate_bytes(content, rng)
    header = content[10 : 10 + length].rstrip()
    at, end = sorted(rng.randrange(len(header) + 1) for _ in range(2))
    header = header[:at] + rng.choice(_PIECES) + header[end if rng.randrange(2) else at :]
    header = header.ljust(max(length, len(header) + 1))
    return content[:8] + min(65_535, len(header)).to_bytes(2, "little") + header + content[10 + length :]


TARGET = Target(check=check_data, seeds=seeds, suffix=".npy", mutate=mutate)
