"""Parquet files, with changes of data, of the footer, and of the numbers of rows in it."""

import random
from datetime import datetime, time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.fuzz.data_files import check_data
from tests.fuzz.harness import Target, mutate_bytes

_END = 8  # bytes after the footer: its length, and the name of the format
_N = 77  # rows
_COUNTS = (-1, 0, 1, 5, _N - 1, _N + 1, 1000, 10**6, 2**31, 2**40, 2**62)


def seeds() -> list[bytes]:
    """Return tables of all column types, with gaps and several row groups, in three kinds of compression."""
    rng = np.random.default_rng(0)
    numbers, texts = rng.normal(size=_N), ["a", "b", None, "cc"]
    columns = {
        "number": pa.array(numbers, mask=rng.random(_N) < 0.1),
        "text": pa.array([texts[i % 4] for i in range(_N)]),
        "level": pa.array([texts[i % 2] for i in range(_N)]).dictionary_encode(),
        "when": pa.array([datetime(2024, 1, 1 + i % 28) for i in range(_N)], pa.timestamp("us", tz="UTC")),
        "of_day": pa.array([time(i % 24) for i in range(_N)]),
        "flag": pa.array([i % 3 == 0 for i in range(_N)]),
        "amount": pa.array(range(_N), pa.decimal128(9, 2)),
        "small": pa.array(range(_N), pa.int8()),
    }
    files = []
    for compression, version, group in (("none", "1.0", 30), ("snappy", "2.0", 100), ("zstd", "2.0", 30)):
        sink = pa.BufferOutputStream()
        pq.write_table(
            pa.table(columns), sink, compression=compression, data_page_version=version, row_group_size=group
        )
        files.append(sink.getvalue().to_pybytes())
    return files


def mutate(content: bytes, rng: random.Random) -> bytes:
    """Change bytes anywhere, or in the footer, whose length is then right."""
    if rng.randrange(3) == 0:
        return mutate_bytes(content, rng)
    length = int.from_bytes(content[-_END:-4], "little")
    data, footer = content[: -_END - length], content[-_END - length : -_END]
    footer = _change_counts(footer, rng) if rng.randrange(2) else mutate_bytes(footer, rng)
    return data + footer + len(footer).to_bytes(4, "little") + content[-4:]


def _change_counts(footer: bytes, rng: random.Random) -> bytes:
    """Replace numbers of rows."""
    old = _varint(rng.choice((_N, 30)))
    first, *parts = footer.split(old)
    new, changed = _varint(rng.choice(_COUNTS)), rng.choice((0.1, 0.5, 1.0))
    return first + b"".join((new if rng.random() < changed else old) + part for part in parts)


def _varint(value: int) -> bytes:
    """Return a whole number as the footer encodes it."""
    value = (value << 1 ^ value >> 63) % 2**64
    content = b""
    while value >= 128:
        content, value = content + bytes([value % 128 | 128]), value >> 7
    return content + bytes([value])


TARGET = Target(check=check_data, seeds=seeds, suffix=".parquet", mutate=mutate)
