"""What a data set is, before and after it is loaded."""

import hashlib
import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from egbad.datasets.files import Remote, obtain, present


@dataclass(frozen=True)
class Dataset:
    """A public data set as published.

    Attributes
    ----------
    name : str
        As `egbad data list` gives it.
    x : array
        Rows (n, d) or images (n, h, w).
    labels : array (n,)
        Classes as published. Which of them are anomalies is for a protocol to say.
    columns : tuple of str, optional
        Names of the d columns.
    digest : str
        SHA-256 over the digests of its files.
    terms, source : str
        Under what terms it is published, and by whom.
    masks : array of bool (n, h, w), optional
        Which pixels make an image an anomaly.
    """

    name: str
    x: NDArray[Any]
    labels: NDArray[Any]
    columns: tuple[str, ...] | None
    digest: str
    terms: str
    source: str
    masks: NDArray[Any] | None = None


@dataclass(frozen=True)
class Source:
    """What is known of a data set without reading it.

    Attributes
    ----------
    name : str
        As `egbad data list` gives it.
    rows : int
        Rows or images.
    shape : str
        Of one of them: "121 columns", "28 x 28".
    size : int
        Bytes to fetch; 0 for one that an installed package ships.
    files : tuple of Remote
        What it consists of.
    package : str, optional
        The installed package that ships it, if one does.
    """

    name: str
    rows: int
    shape: str
    size: int
    terms: str
    origin: str
    files: tuple[Remote, ...] = ()
    package: str | None = None

    @property
    def digest(self) -> str:
        """SHA-256 over the digests of the files."""
        return hashlib.sha256("".join(file.digest for file in self.files).encode()).hexdigest()

    def obtain(self, data_dir: str | os.PathLike[str] | None = None) -> list[Path]:
        """Where the files are, fetched if need be, their digests checked."""
        return [obtain(file, data_dir) for file in self.files]

    def present(self, data_dir: str | os.PathLike[str] | None = None) -> bool:
        """Whether nothing has to be fetched or installed."""
        if self.package and importlib.util.find_spec(self.package) is None:
            return False
        return all(present(file, data_dir) for file in self.files)
