"""Archives of NumPy arrays, mostly with valid checksums."""

import io
import random
import warnings
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZIP_STORED, ZipFile

import numpy as np

from tests.fuzz.data_files import check_data
from tests.fuzz.harness import Target, mutate_bytes
from tests.fuzz.targets.npy_files import array_bytes
from tests.fuzz.targets.npy_files import mutate as mutate_array

_NAMES = ("X.npy", "x.npy", "images.npy", "y.npy", "../X.npy", "X", "\x01.npy")


def _archive(members: list[tuple[str, bytes]], compression: int) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings(), ZipFile(file, "w", compression) as archive:
        warnings.simplefilter("ignore")  # of names that occur twice
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()


def seeds() -> list[bytes]:
    """Return an archive of rows with labels and an archive of images."""
    rng = np.random.default_rng(0)
    rows, images = rng.normal(size=(30, 3)), rng.integers(0, 256, (6, 8, 8)).astype(np.uint8)
    table = [("X.npy", array_bytes(rows)), ("y.npy", array_bytes(np.arange(30)))]
    return [_archive(table, ZIP_STORED), _archive([("images.npy", array_bytes(images))], ZIP_DEFLATED)]


def mutate(content: bytes, rng: random.Random) -> bytes:
    """Change bytes of the archive, or one member of it."""
    if rng.randrange(2):
        return mutate_bytes(content, rng)
    with ZipFile(io.BytesIO(content)) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    i = rng.randrange(len(members))
    name, array = members[i]
    match rng.randrange(6):
        case 0:
            members[i] = (rng.choice(_NAMES), array)
        case 1:
            members[i] = (name, bytes(10**6))
        case 2:
            members.append(("extra.npy", array_bytes(np.array([{"an": "object"}], dtype=object))))
        case _:
            members[i] = (name, mutate_array(array, rng))
    return _archive(members, rng.choice((ZIP_STORED, ZIP_DEFLATED, ZIP_BZIP2)))


TARGET = Target(check=check_data, seeds=seeds, suffix=".npz", mutate=mutate)
