"""Public data sets: one set, one file, `load() -> Dataset`; checksummed and cached.

Files are read from a local copy (`data_dir`, or the environment variable EGBAD_DATA) or fetched into a cache
(EGBAD_CACHE, or ~/.cache/egbad). What comes is checked against a digest before it is used.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from egbad.datasets import adbench, arrhythmia, cifar10, digits, fashion_mnist, kdd99, magnetic_tile, mnist, mnist5k
from egbad.datasets.dataset import Dataset, Source
from egbad.errors import unknown

__all__ = ["Dataset", "Listing", "Source", "describe", "fetch", "load", "names"]

_MODULES = (kdd99, mnist, fashion_mnist, mnist5k, cifar10, digits, arrhythmia, magnetic_tile)
_SOURCES: dict[str, Source] = {module.SOURCE.name: module.SOURCE for module in _MODULES} | adbench.SOURCES
_LOADERS: dict[str, Callable[[str | os.PathLike[str] | None], Dataset]] = {
    **{module.SOURCE.name: module.load for module in _MODULES},
    **{name: partial(adbench.load, name) for name in adbench.SOURCES},
}


@dataclass(frozen=True)
class Listing:
    """One line of `egbad data list`: `bytes` are those to fetch, `present` says that none are left."""

    name: str
    rows: int
    shape: str
    bytes: int
    terms: str
    source: str
    present: bool


def names() -> list[str]:
    """Every data set's name."""
    return list(_SOURCES)


def describe(data_dir: str | os.PathLike[str] | None = None) -> list[Listing]:
    """What there is, without loading any of it."""
    return [Listing(s.name, s.rows, s.shape, s.size, s.terms, s.origin, s.present(data_dir)) for s in _SOURCES.values()]


def load(name: str, data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    """Load a data set by name, fetching it if need be.

    Raises
    ------
    InvalidInputError
        For an unknown name, with the nearest known one.
    DownloadError
        When a file can't be fetched whole.
    UnreadableFileError
        When a local copy is damaged.
    """
    return _LOADERS[_known(name)](data_dir)


def fetch(name: str, data_dir: str | os.PathLike[str] | None = None) -> list[Path]:
    """Fetch the files of a data set that are missing -> where they all are."""
    return _SOURCES[_known(name)].obtain(data_dir)


def _known(name: str) -> str:
    if name not in _SOURCES:
        raise unknown("data set", name, _SOURCES)
    return name
