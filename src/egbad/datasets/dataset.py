"""Public data sets before and after they are loaded."""

import hashlib
import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path

from egbad.arrays import Array
from egbad.datasets.files import RemoteFile, find_file, obtain


@dataclass(frozen=True)
class Dataset:
    """A public data set as published.

    Attributes
    ----------
    name : str
        Name, as in `egbad data list`.
    x : ndarray
        Rows of shape (n, d), or images of shape (n, h, w) or (n, c, h, w).
    labels : ndarray of shape (n,)
        Classes as published. A protocol decides which of them are anomalies.
    columns : tuple of str, optional
        Names of the d columns.
    digest : str
        SHA-256 over the digests of the files.
    terms : str
        Terms of use.
    source : str
        Authors and publisher.
    masks : ndarray of bool of shape (n, h, w), optional
        Pixels that are anomalous.
    """

    name: str
    x: Array
    labels: Array
    columns: tuple[str, ...] | None
    digest: str
    terms: str
    source: str
    masks: Array | None = None


@dataclass(frozen=True)
class DatasetSource:
    """Facts about a data set that are known without loading it, and its files.

    Attributes
    ----------
    name : str
        Name, as in `egbad data list`.
    rows : int
        Number of rows or images.
    shape : str
        Shape of one of them: "121 columns", "28 x 28".
    size : int
        Bytes to download; 0 if an installed package ships the data.
    terms : str
        Terms of use.
    origin : str
        Authors and publisher.
    files : tuple of RemoteFile
        Files of the data set.
    package : str, optional
        Installed package that ships the data.
    """

    name: str
    rows: int
    shape: str
    size: int
    terms: str
    origin: str
    files: tuple[RemoteFile, ...] = ()
    package: str | None = None

    @property
    def digest(self) -> str:
        """SHA-256 over the digests of the files."""
        return hashlib.sha256("".join(file.digest for file in self.files).encode()).hexdigest()

    def obtain(self, data_dir: str | os.PathLike[str] | None = None) -> list[Path]:
        """Find the files or download them, and check their digests.

        Parameters
        ----------
        data_dir : path, optional
            Local copy of the public data sets.

        Returns
        -------
        list of Path
            Paths in the order of `files`.

        Raises
        ------
        DownloadError
            If a file cannot be downloaded completely.
        UnreadableFileError
            If a local copy is damaged.
        """
        return [obtain(file, data_dir) for file in self.files]

    def is_present(self, data_dir: str | os.PathLike[str] | None = None) -> bool:
        """Return True if nothing has to be downloaded or installed.

        Parameters
        ----------
        data_dir : path, optional
            Local copy of the public data sets.

        Returns
        -------
        bool
        """
        if self.package and importlib.util.find_spec(self.package) is None:
            return False
        return all(find_file(file, data_dir) for file in self.files)
