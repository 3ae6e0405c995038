"""Which tasks a benchmark has, under which protocol, and which detectors meet them."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egbad import datasets
from egbad.benchmark import protocols
from egbad.benchmark.protocols import Split
from egbad.data import Data
from egbad.datasets import Dataset
from egbad.datasets.magnetic_tile import NORMAL
from egbad.detectors.registry import all_detectors
from egbad.errors import InvalidInputError, unknown

PROTOCOLS = {
    "clean": "Disjoint splits; scaling, training and thresholds from normal training rows alone.",
    "paper": "What the papers' text says.",
    "released": "What the papers' released code does, its faults included: to see what they are worth.",
}


@dataclass(frozen=True)
class Variant:
    """A detector in a table: `label` is its name there, `parameters` what differs from its defaults."""

    label: str
    detector: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


UNTRAINED = "egbad, untrained"
BASELINES = ("knn", "pca", "isolation_forest", UNTRAINED)  # in every table: what a trained network must beat
SLOW_ON_IMAGES = ("adgan", "anogan", "anogan-sigma")  # a search for every image takes minutes for a thousand
ON_REQUEST = ("tiled",)  # on rows it is what it is made of, and no image here is too large

# The variants that papers name, beside the defaults.
_VARIANTS = (
    Variant("anogan-sigma", "anogan", {"discriminator_loss": "sigma"}),
    Variant("dagmm-nvi", "dagmm", {"estimator": "nvi"}),
    Variant("dsebm-r", "dsebm", {"score_type": "reconstruction"}),
    Variant("egbad-residual", "egbad", {"discriminator_loss": "fm", "distance": "norm", "residual_weight": 0.9}),
    Variant("egbad-sigma", "egbad", {"discriminator_loss": "sigma"}),
    Variant("vae-elbo", "vae", {"score_type": "elbo"}),
    Variant(UNTRAINED, "egbad", {"training__steps": 0}),
)
VARIANTS = {entry.label: entry for entry in (*(Variant(name, name) for name in all_detectors()), *_VARIANTS)}


def select_variants(names: Iterable[str], *, images: bool) -> list[Variant]:
    """Detectors and variants by name, or all but those that are `ON_REQUEST`, and the naive baselines always.

    Raises
    ------
    InvalidInputError
        For an unknown name.
    """
    left_out = (*ON_REQUEST, *(SLOW_ON_IMAGES if images else ()))
    chosen = list(names) or [name for name in VARIANTS if name not in left_out]
    for name in chosen:
        if name not in VARIANTS:
            raise unknown("detector", name, VARIANTS)
    return [VARIANTS[name] for name in dict.fromkeys([*BASELINES, *chosen])]


@dataclass(frozen=True)
class Task:
    """One data set to be split, learned and scored.

    Attributes
    ----------
    name : str
        As tables call it.
    dataset : str
        As `egbad data list` calls it.
    protocol : str
        One of `PROTOCOLS`.
    split : callable
        A function of `protocols`: (dataset, **arguments, seed=...) -> Split.
    arguments : mapping
        Of `split`.
    parameters : mapping
        What the protocol asks of every detector.
    faults : tuple of str
        What the protocol does that it should not.
    kinds : tuple of str, optional
        What the columns hold, of `egbad.data.column_types.KINDS`; None if all are numbers.
    """

    name: str
    dataset: str
    protocol: str
    split: Callable[..., Split]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    kinds: tuple[str, ...] | None = None

    @property
    def identity(self) -> str:
        """What tells it from every other task."""
        return self.name

    def load(self, seed: int, data_dir: Path | None = None) -> tuple[Split, str]:
        """The split of this seed, and the digest of the data."""
        data = datasets.load(self.dataset, data_dir)
        return self.split(data, **self.arguments, seed=seed), data.digest


@dataclass(frozen=True)
class UserTask(Task):
    """A user's data: `store`, an `.npz` that `user_task` wrote, has it; `digest` is known before."""

    store: Path = Path()
    digest: str = ""

    @property
    def identity(self) -> str:
        """What tells it from every other task: other data under the same name is another task."""
        return f"{self.name} {self.digest[:16]}"

    def load(self, seed: int, data_dir: Path | None = None) -> tuple[Split, str]:
        """The split of this seed, and the digest of the data."""
        with np.load(self.store, allow_pickle=False) as content:
            x, labels = content["x"], content["anomalous"]
        data = Dataset(self.dataset, x, labels, None, self.digest, "", "")
        return self.split(data, **self.arguments, seed=seed), self.digest


def user_task(name: str, data: Data, anomalous: NDArray[np.bool_] | None, store: Path) -> UserTask:
    """A task of a user's rows or images, put into the file `store` for the processes that run it."""
    x = data.x
    labels = np.zeros(0) if anomalous is None else anomalous.astype(np.int64)
    with store.open("wb") as file:
        np.savez(file, x=x, anomalous=labels)
    digest = hashlib.sha256(np.ascontiguousarray(x).data)
    digest.update(np.ascontiguousarray(labels).data)
    digest.update(",".join(data.column_types or ()).encode())
    known = anomalous is not None
    return UserTask(
        name=name,
        dataset=name,
        protocol="clean",
        split=protocols.share_of_normals if known else protocols.unlabelled_half,
        arguments={"normal": 0} if known else {},
        kinds=data.column_types,
        store=store,
        digest=digest.hexdigest(),
    )


_KNOWS_SHARE = "the papers' threshold is a percentile of the test scores: it knows how many anomalies there are"
_UNSCALED = "columns are not scaled: the released code drops what its scaler returns"
_LEAK = "four in five of the test normals were trained on"
_MIXED = "the training half has its anomalies in it"

_MINMAX = {"preprocessing__scaling": "minmax", "preprocessing__log_columns": ()}
_NO_SCALING = {"preprocessing__scaling": "none", "preprocessing__log_columns": ()}


def _kdd99(protocol: str, data_dir: Path | None) -> list[Task]:
    return {
        "clean": [Task("kdd99", "kdd99", protocol, protocols.kdd99)],
        "paper": [Task("kdd99", "kdd99", protocol, protocols.kdd99, {}, _MINMAX, (_KNOWS_SHARE,))],
        "released": [
            Task("kdd99", "kdd99", protocol, protocols.kdd99_released, {}, _NO_SCALING, (_UNSCALED, _KNOWS_SHARE))
        ],
    }[protocol]


def _kdd99_rev(protocol: str, data_dir: Path | None) -> list[Task]:
    parameters = {} if protocol == "clean" else _MINMAX
    faults = () if protocol == "clean" else (_KNOWS_SHARE,)
    return [Task("kdd99_rev", "kdd99", protocol, protocols.kdd99_rev, {}, parameters, faults)]


def _leave_one_out(dataset: str, n_train: int | None = None) -> Callable[[str, Path | None], list[Task]]:
    few = {} if n_train is None else {"n_train": n_train}
    name = dataset if n_train is None else f"{dataset} {n_train // 1000}k"

    def tasks(protocol: str, data_dir: Path | None) -> list[Task]:
        leaks = protocol == "released"
        split = protocols.leave_one_out_released if leaks else protocols.leave_one_out
        faults = (_LEAK,) if leaks else ()
        return [
            Task(
                f"{name}, {label} left out",
                dataset,
                protocol,
                split,
                {"label": label, **few},
                faults=faults,
            )
            for label in range(10)
        ]

    return tasks


def _one_normal(dataset: str, n_official: int) -> Callable[[str, Path | None], list[Task]]:
    def tasks(protocol: str, data_dir: Path | None) -> list[Task]:
        return [
            Task(f"{dataset}, {label} normal", dataset, protocol, protocols.one_normal,
                 {"label": label, "n_official": n_official})
            for label in range(10)
        ]  # fmt: skip

    return tasks


def _arrhythmia(protocol: str, data_dir: Path | None) -> list[Task]:
    normals = {"normal": 0, "top_share": 0.15}
    return {
        "clean": [Task("arrhythmia", "arrhythmia", protocol, protocols.share_of_normals, normals)],
        "paper": [Task("arrhythmia", "arrhythmia", protocol, protocols.share_of_normals, normals, _MINMAX,
                       (_KNOWS_SHARE,))],
        "released": [Task("arrhythmia", "arrhythmia", protocol, protocols.arrhythmia_released, {}, _NO_SCALING,
                          (_MIXED, _UNSCALED, _KNOWS_SHARE))],
    }[protocol]  # fmt: skip


def _adbench(protocol: str, data_dir: Path | None) -> list[Task]:
    """Every table of ADBench that is on this machine."""
    present = [
        entry.name for entry in datasets.describe(data_dir) if entry.name.startswith("adbench/") and entry.present
    ]
    if not present:
        raise InvalidInputError(
            "There is no table of ADBench on this machine. Fetch some with 'egbad data get', or name a folder with "
            "--data-dir or EGBAD_DATA."
        )
    short = {name: name.split("_", 1)[1] for name in present}
    return [Task(short[name], name, protocol, protocols.share_of_normals, {"normal": 0}) for name in present]


def _magnetic_tile(protocol: str, data_dir: Path | None) -> list[Task]:
    arguments = {"normal": NORMAL, "share": 0.8}
    return [Task("magnetic_tile", "magnetic_tile", protocol, protocols.share_of_normals, arguments)]


@dataclass(frozen=True)
class Suite:
    """What `egbad benchmark NAME` runs.

    Attributes
    ----------
    title : str
        A few words.
    tasks : callable
        (protocol, data folder) -> tasks.
    published : tuple of str
        The protocols that papers have, beside "clean".
    images : bool
        Whether images are learned from: the detectors that search for each one are left out unless asked for.
    """

    title: str
    tasks: Callable[[str, Path | None], list[Task]]
    published: tuple[str, ...] = ()
    images: bool = False


SUITES: dict[str, Suite] = {
    "kdd99": Suite("KDD Cup 1999, 10 percent", _kdd99, ("paper", "released")),
    "kdd99_rev": Suite("KDD Cup 1999, normal traffic is normal", _kdd99_rev, ("paper",)),
    "arrhythmia": Suite("Arrhythmia", _arrhythmia, ("paper", "released")),
    "adbench": Suite("ADBench's classical tables", _adbench),
    "digits": Suite("scikit-learn's digits, one left out", _leave_one_out("digits"), ("released",), images=True),
    "mnist": Suite("MNIST, one digit left out", _leave_one_out("mnist"), ("paper", "released"), images=True),
    "mnist_10k": Suite(
        "MNIST, one digit left out, 10,000 images to learn from", _leave_one_out("mnist", 10_000), images=True
    ),
    "mnist_one_normal": Suite("MNIST, one digit normal", _one_normal("mnist", 60_000), ("paper",), images=True),
    "fashion_mnist": Suite(
        "Fashion-MNIST, one class left out", _leave_one_out("fashion_mnist"), ("released",), images=True
    ),
    "fashion_mnist_one_normal": Suite(
        "Fashion-MNIST, one class normal", _one_normal("fashion_mnist", 60_000), images=True
    ),
    "cifar10": Suite("CIFAR-10, one class normal", _one_normal("cifar10", 50_000), ("paper",), images=True),
    "magnetic_tile": Suite("Magnetic tiles, defects among them", _magnetic_tile, images=True),
}


def find_suite(name: str, protocol: str) -> Suite:
    """A benchmark by name, once it is known to have the protocol.

    Raises
    ------
    InvalidInputError
        For an unknown name or a protocol that this benchmark hasn't.
    """
    if name not in SUITES:
        raise unknown("benchmark", name, SUITES)
    if protocol not in PROTOCOLS:
        raise unknown("protocol", protocol, PROTOCOLS)
    suite = SUITES[name]
    if protocol not in ("clean", *suite.published):
        raise InvalidInputError(
            f"The benchmark '{name}' must be run under the protocol {' or '.join(('clean', *suite.published))}, "
            f"got '{protocol}': no paper describes another."
        )
    return suite
