"""Tasks: data sets with a way to split them into training and test rows."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egbad import datasets
from egbad.benchmark import protocols
from egbad.benchmark.protocols import Split
from egbad.data import Data
from egbad.data.lazy_images import LazyImage
from egbad.data.ragged import is_lazy, ragged_array, update_digest
from egbad.datasets import Dataset


@dataclass(frozen=True)
class Task:
    """A data set with a way to split it.

    Parameters
    ----------
    name : str
        Name in tables.
    dataset : str
        Name of the data set, as in `egbad data list`.
    protocol : str
        A key of `PROTOCOLS`.
    split : callable
        A function of `egbad.benchmark.protocols`, called with the data set, `arguments` and `seed`.
    arguments : mapping
        Keyword arguments of `split`.
    parameters : mapping
        Parameters that the protocol sets for every detector.
    caveats : tuple of str
        Errors of the protocol.
    column_types : tuple of str, optional
        Types of the columns. None if all columns hold numbers.
    revision : str, default=""
        Part of the identity that separates runs from those of an earlier split under the same name.
    """

    name: str
    dataset: str
    protocol: str
    split: Callable[..., Split]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    caveats: tuple[str, ...] = ()
    column_types: tuple[str, ...] | None = None
    revision: str = ""

    @property
    def identity(self) -> str:
        """Name that differs from that of every other task."""
        return f"{self.name}, {self.revision}" if self.revision else self.name

    def load(self, seed: int, data_dir: Path | None = None) -> tuple[Split, str]:
        """Load the data and split it.

        Parameters
        ----------
        seed : int
        data_dir : Path, optional
            Folder with a local copy of the public data sets.

        Returns
        -------
        split : Split
        digest : str
            Digest of the data.
        """
        data = datasets.load(self.dataset, data_dir)
        return self.split(data, **self.arguments, seed=seed), data.digest


@dataclass(frozen=True)
class UserTask(Task):
    """A task on a user's data, as `user_task` returns it.

    Parameters
    ----------
    store : Path
        The `.npz` file with the data.
    digest : str
        Digest of the data.
    images : tuple of LazyImage
        Images that keep their sizes: they stay in their files, and the store has the labels only.
    """

    store: Path = Path()
    digest: str = ""
    images: tuple[LazyImage, ...] = ()

    @property
    def identity(self) -> str:
        """Name and digest: other data under the same name are another task."""
        return f"{self.name} {self.digest[:16]}"

    def load(self, seed: int, data_dir: Path | None = None) -> tuple[Split, str]:
        """Load the data from the store and split it.

        Parameters
        ----------
        seed : int
        data_dir : Path, optional
            Ignored.

        Returns
        -------
        split : Split
        digest : str
        """
        with np.load(self.store, allow_pickle=False) as content:
            x, labels = ragged_array(self.images) if self.images else content["x"], content["anomalous"]
        data = Dataset(self.dataset, x, labels, None, self.digest, "", "")
        return self.split(data, **self.arguments, seed=seed), self.digest


def user_task(name: str, data: Data, anomalous: NDArray[np.bool_] | None, store: Path) -> UserTask:
    """Create a task on a user's rows or images and write the data to a file for the processes that run it.

    Parameters
    ----------
    name : str
        Name in tables.
    data : Data
        Images that are not decoded yet stay in their files, which must not change.
    anomalous : ndarray of bool of shape (n_samples,) or None
        True for anomalies. None if the data have no labels.
    store : Path
        The `.npz` file to write.

    Returns
    -------
    UserTask
    """
    images = tuple(data.x) if is_lazy(data.x) else ()
    labels = np.zeros(0) if anomalous is None else anomalous.astype(np.int64)
    with store.open("wb") as file:
        np.savez(file, x=np.zeros(0) if images else data.x, anomalous=labels)
    digest = hashlib.sha256()
    update_digest(digest, data.x)
    digest.update(np.ascontiguousarray(labels).data)
    digest.update(",".join(data.column_types or ()).encode())
    labelled = anomalous is not None
    return UserTask(
        name=name,
        dataset=name,
        protocol="clean",
        split=protocols.share_of_normals if labelled else protocols.unlabelled_half,
        arguments={"normal": 0} if labelled else {},
        column_types=data.column_types,
        store=store,
        digest=digest.hexdigest(),
        images=images,
    )
