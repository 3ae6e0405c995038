"""Public data sets, loaded by name.

Files are read from a local copy (`data_dir`, or the environment variable EGBAD_DATA) or downloaded into a cache
(EGBAD_CACHE, or ~/.cache/egbad). Their digests are checked before they are used.

names : names of all data sets.
describe : size, shape and terms of all data sets.
load : load a data set.
fetch : download the files of a data set.
local_files : list the files of a data set that are on this machine.
Dataset : rows or images with labels.
DatasetSource : facts about a data set and its files.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from egbad.datasets import adbench, arrhythmia, cifar10, digits, fashion_mnist, kdd99, magnetic_tile, mnist, mnist5k
from egbad.datasets.dataset import Dataset, DatasetSource
from egbad.datasets.files import find_file
from egbad.errors import unknown

__all__ = ["Dataset", "DatasetSource", "Listing", "describe", "fetch", "load", "local_files", "names"]

_MODULES = (kdd99, mnist, fashion_mnist, mnist5k, cifar10, digits, arrhythmia, magnetic_tile)
_SOURCES: dict[str, DatasetSource] = {module.SOURCE.name: module.SOURCE for module in _MODULES} | adbench.SOURCES
_LOADERS: dict[str, Callable[[str | os.PathLike[str] | None], Dataset]] = {
    **{module.SOURCE.name: module.load for module in _MODULES},
    **{name: partial(adbench.load, name) for name in adbench.SOURCES},
}


@dataclass(frozen=True)
class Listing:
    """A line of `egbad data list`.

    Attributes
    ----------
    name : str
    rows : int
        Number of rows or images.
    shape : str
        Shape of one of them.
    bytes : int
        Bytes to download.
    terms : str
        Terms of use.
    source : str
        Authors and publisher.
    present : bool
        True if nothing has to be downloaded or installed.
    """

    name: str
    rows: int
    shape: str
    bytes: int
    terms: str
    source: str
    present: bool


def names() -> list[str]:
    """Return the names of all data sets.

    Returns
    -------
    list of str

    Examples
    --------
    >>> names()[:4]
    ['kdd99', 'mnist', 'fashion_mnist', 'mnist5k']
    """
    return list(_SOURCES)


def describe(data_dir: str | os.PathLike[str] | None = None) -> list[Listing]:
    """Describe all data sets without loading them.

    Parameters
    ----------
    data_dir : path, optional
        Local copy of the public data sets.

    Returns
    -------
    list of Listing

    Raises
    ------
    UnreadableFileError
        If the local copy does not exist.

    Examples
    --------
    >>> next((row.rows, row.shape) for row in describe() if row.name == "digits")
    (1797, '8 x 8')
    """
    return [
        Listing(s.name, s.rows, s.shape, s.size, s.terms, s.origin, s.is_present(data_dir)) for s in _SOURCES.values()
    ]


def load(name: str, data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    """Load a data set, and download it if it is missing.

    Parameters
    ----------
    name : str
        One of `names`.
    data_dir : path, optional
        Local copy of the public data sets. By default the environment variable EGBAD_DATA, then the cache.

    Returns
    -------
    Dataset

    Raises
    ------
    InvalidInputError
        For an unknown name, with the nearest known one.
    DownloadError
        If a file cannot be downloaded completely.
    UnreadableFileError
        If a local copy is damaged or does not exist.
    MissingExtraError
        If the package that ships the data is not installed.

    Examples
    --------
    >>> data = load("digits")
    >>> data.x.shape, data.labels[:3].tolist()
    ((1797, 8, 8), [0, 1, 2])
    """
    _check_name(name)
    return _LOADERS[name](data_dir)


def fetch(name: str, data_dir: str | os.PathLike[str] | None = None) -> list[Path]:
    """Download the missing files of a data set.

    Parameters
    ----------
    name : str
        One of `names`.
    data_dir : path, optional
        Local copy of the public data sets. By default the environment variable EGBAD_DATA, then the cache.

    Returns
    -------
    list of Path
        Paths of all files; none if an installed package ships the data.

    Raises
    ------
    InvalidInputError
        For an unknown name, with the nearest known one.
    DownloadError
        If a file cannot be downloaded completely.
    UnreadableFileError
        If a local copy is damaged or does not exist.

    Examples
    --------
    >>> fetch("digits")
    []
    """
    _check_name(name)
    return _SOURCES[name].obtain(data_dir)


def local_files(name: str, data_dir: str | os.PathLike[str] | None = None) -> list[Path]:
    """List the files of a data set that are on this machine.

    Parameters
    ----------
    name : str
        One of `names`.
    data_dir : path, optional
        Local copy of the public data sets. By default the environment variable EGBAD_DATA, then the cache.

    Returns
    -------
    list of Path

    Raises
    ------
    InvalidInputError
        For an unknown name, with the nearest known one.
    UnreadableFileError
        If the local copy does not exist.

    Examples
    --------
    >>> local_files("digits")
    []
    """
    _check_name(name)
    return [path for file in _SOURCES[name].files if (path := find_file(file, data_dir))]


def _check_name(name: str) -> None:
    """Raise an error for an unknown name."""
    if name not in _SOURCES:
        raise unknown("data set", name, _SOURCES)
