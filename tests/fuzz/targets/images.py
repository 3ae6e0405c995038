"""Image files of all formats that are read."""

import io
import random
import struct
import zlib

import numpy as np
from PIL import Image

from tests.fuzz.data_files import check_data
from tests.fuzz.harness import Target, mutate_bytes

_PNG = b"\x89PNG\r\n\x1a\n"
_SIZES = (0, 1, 7, 8, 5000, 65_535, 10**5, 2**31 - 1, 2**32 - 1)
_FOREIGN = (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"SIMPLE  =  T", b"\xc5\xd0\xd3\xc6", b"8BPS\x00\x01")


def seeds() -> list[bytes]:
    """Return a small image in each format."""
    rng = np.random.default_rng(0)
    grey, colour = (rng.integers(0, 256, shape).astype(np.uint8) for shape in ((12, 10), (12, 10, 3)))
    formats = (
        *((grey, name, {}) for name in ("PNG", "JPEG", "GIF", "BMP", "PPM", "WEBP")),
        *((colour, name, {}) for name in ("PNG", "JPEG", "AVIF")),
        *((x, "TIFF", {"compression": c}) for c in ("raw", "tiff_lzw") for x in (grey, grey.astype(np.float32))),
        (grey.astype(np.uint16) * 257, "PNG", {}),
    )
    files = []
    for x, name, options in formats:
        file = io.BytesIO()
        Image.fromarray(x).save(file, name, **options)
        files.append(file.getvalue())
    return files


def mutate(content: bytes, rng: random.Random) -> bytes:
    """Change bytes, the beginning, or a chunk of a PNG, whose checksum is then right."""
    if rng.randrange(20) == 0:
        return rng.choice(_FOREIGN) + content[rng.randrange(len(content)) :]
    if not content.startswith(_PNG) or rng.randrange(2):
        return mutate_bytes(content, rng)
    chunks = _chunks(content)
    i = rng.randrange(len(chunks))
    kind, data = chunks[i]
    if kind == b"IHDR" and rng.randrange(3):
        data = struct.pack(">II", *(rng.choice((8, 10, *_SIZES)) for _ in range(2))) + data[8:]
    elif kind == b"IDAT" and rng.randrange(2):
        data = zlib.compress(mutate_bytes(zlib.decompress(data), rng) * rng.choice((1, 1, 1000)))
    else:
        data = mutate_bytes(data, rng)
    chunks[i] = (kind, data)
    return _PNG + b"".join(map(_chunk, chunks))


def _chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    """Return kind and data of the chunks of a PNG."""
    chunks, at = [], len(_PNG)
    while at < len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        chunks.append((content[at + 4 : at + 8], content[at + 8 : at + 8 + length]))
        at += length + 12
    return chunks


def _chunk(chunk: tuple[bytes, bytes]) -> bytes:
    kind, data = chunk
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


TARGET = Target(check=check_data, seeds=seeds, suffix=".png", mutate=mutate)
