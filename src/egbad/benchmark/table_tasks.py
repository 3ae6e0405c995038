"""Tasks on tables in `.npz` files, with or without a published split."""

import hashlib
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from egbad.arrays import Array
from egbad.benchmark import table_protocols
from egbad.benchmark.protocols import Split
from egbad.benchmark.tasks import Task
from egbad.datasets import Dataset
from egbad.errors import InvalidInputError, UnreadableFileError
from egbad.output_files import printable

SPLIT_ARRAYS = ("train", "test", "test_labels")
TABLE_ARRAYS = ("X", "y")
SPLITS: dict[str, Callable[..., Split]] = {
    "clean": table_protocols.adbench,
    "released": table_protocols.adbench_released,
}


@dataclass(frozen=True)
class FixedSplitTask(Task):
    """A table that is published with its split, as `.npz` file.

    Parameters
    ----------
    split : callable
        Called with training rows, test rows and the anomalous test rows.
    path : Path
        File with `train` of shape (n, d), `test` of shape (m, d) and `test_labels` of shape (m,), 1 for an anomaly.
    """

    split: Callable[..., Split] = Split
    path: Path = Path()

    def load(self, seed: int, data_dir: Path | None = None) -> tuple[Split, str]:
        """Load the file. Every seed has the same split.

        Parameters
        ----------
        seed : int
            Ignored.
        data_dir : Path, optional
            Ignored.

        Returns
        -------
        split : Split
        digest : str
            SHA-256 of the file.

        Raises
        ------
        UnreadableFileError
            If the file is missing, is no `.npz` file or lacks one of the arrays.
        """
        train, test, labels = _read_arrays(self.path, SPLIT_ARRAYS)
        anomalous = labels.ravel() == 1
        split = self.split(
            train.astype(np.float64), test.astype(np.float64), anomalous, top_share=float(anomalous.mean())
        )
        return split, _digest(self.path)


@dataclass(frozen=True)
class TableTask(Task):
    """A table in an `.npz` file, to be split at random.

    Parameters
    ----------
    path : Path
        File with `X` of shape (n, d) and `y` of shape (n,), 0 for a normal row and 1 for an anomaly, as ADBench's.
    """

    path: Path = Path()

    def load(self, seed: int, data_dir: Path | None = None) -> tuple[Split, str]:
        """Load the file and split it.

        Parameters
        ----------
        seed : int
        data_dir : Path, optional
            Ignored.

        Returns
        -------
        split : Split
        digest : str
            SHA-256 of the file.

        Raises
        ------
        UnreadableFileError
            If the file is missing, is no `.npz` file or lacks one of the arrays.
        """
        x, labels = _read_arrays(self.path, TABLE_ARRAYS)
        digest = _digest(self.path)
        data = Dataset(self.name, x.astype(np.float64), labels.ravel().astype(np.int64), None, digest, "", "")
        return self.split(data, **self.arguments, seed=seed), digest


def table_tasks(folder: Path, protocol: str) -> list[Task]:
    """Return a task for each `.npz` file in a folder.

    Parameters
    ----------
    folder : Path
        Its files hold the arrays of `FixedSplitTask`, such as those of OddBench and OvRBench, or those of `TableTask`.
    protocol : {"clean", "released"}
        Protocol of tables without a published split.

    Returns
    -------
    list of Task
        In the order of the files' names.

    Raises
    ------
    InvalidInputError
        If there are no such files.
    UnreadableFileError
        If a file has other arrays.
    """
    paths = sorted(folder.glob("*.npz"))
    if not paths:
        raise InvalidInputError(f"'{printable(folder)}' must hold tables as .npz files, got none.")
    return [_table_task(path, protocol) for path in paths]


def _table_task(path: Path, protocol: str) -> Task:
    """Return the task of a file."""
    name = path.stem
    dataset = f"{path.parent.name}/{name}"
    names = _array_names(path)
    if names.issuperset(SPLIT_ARRAYS):
        return FixedSplitTask(name, dataset, protocol, path=path)
    if names.issuperset(TABLE_ARRAYS):
        return TableTask(name, dataset, protocol, SPLITS[protocol], path=path)
    raise UnreadableFileError(
        f"'{printable(path)}' must hold arrays {' and '.join(SPLIT_ARRAYS)}, or {' and '.join(TABLE_ARRAYS)}, got "
        f"{', '.join(sorted(names)) or 'none'}."
    )


def _array_names(path: Path) -> set[str]:
    """Return the names of the arrays of a file, without reading them."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {name.removesuffix(".npy") for name in archive.namelist()}
    except (OSError, zipfile.BadZipFile) as error:
        raise UnreadableFileError(f"'{printable(path)}' must be a .npz file: {error}.") from error


def _read_arrays(path: Path, names: tuple[str, ...]) -> list[Array]:
    """Read arrays of a file. Objects are refused, because they may run code."""
    try:
        with np.load(path, allow_pickle=False) as content:
            return [content[name] for name in names]
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise UnreadableFileError(f"'{path}' must hold arrays {' and '.join(names)}: {error}.") from error


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
