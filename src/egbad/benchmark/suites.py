"""Suites: the tasks of each benchmark under each protocol, and the detectors that run on them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from egbad import datasets
from egbad.benchmark import protocols, table_protocols
from egbad.benchmark.external import EXTERNAL, is_available
from egbad.benchmark.folder_tasks import folder_tasks
from egbad.benchmark.table_tasks import FixedSplitTask, table_tasks
from egbad.benchmark.tasks import Task
from egbad.datasets.files import data_folders
from egbad.datasets.magnetic_tile import NORMAL
from egbad.detectors.registry import all_detectors
from egbad.errors import InvalidInputError, unknown
from egbad.output_files import printable

PROTOCOLS = {
    "clean": "Disjoint splits. Scaling, training and thresholds use normal training rows only.",
    "paper": "The protocol that the papers describe.",
    "released": "The protocol of the papers' released code, including its errors, to measure their effect.",
}


@dataclass(frozen=True)
class Variant:
    """A detector in a table.

    Parameters
    ----------
    label : str
        Name in the table.
    detector : str
        Name of the method.
    parameters : mapping
        Parameters that differ from the defaults.
    """

    label: str
    detector: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


UNTRAINED = "egbad, untrained"
BASELINES = ("knn", "pca", "isolation_forest", UNTRAINED)  # in every table: a trained network must be better
SLOW_ON_IMAGES = ("adgan", "anogan", "anogan-sigma")  # these search a latent code for each image
# Two scalings of the simplest detector of tables; results over many tables are compared with the better of them.
NEAREST_NEIGHBOURS = ("knn-standard", "knn-minmax")
# "tiled" equals its inner detector on rows and on images as small as these; "patchcore" is for photographs.
ON_REQUEST = ("tiled", "patchcore")

_UNLOGGED: Mapping[str, Any] = {"preprocessing__log_columns": ()}

_TABLE_VARIANTS = (
    *(
        Variant(f"knn-{scaling}", "knn", {"n_neighbors": 1, "preprocessing__scaling": scaling, **_UNLOGGED})
        for scaling in ("standard", "minmax")
    ),
    Variant("blend-nearest", "blend", {"recipe": "nearest"}),
    *(Variant(name, name) for name in EXTERNAL),
)
_PAPER_VARIANTS = (
    Variant("anogan-sigma", "anogan", {"discriminator_loss": "sigma"}),
    Variant("dagmm-nvi", "dagmm", {"estimator": "nvi"}),
    Variant("dsebm-r", "dsebm", {"score_type": "reconstruction"}),
    Variant("egbad-residual", "egbad", {"discriminator_loss": "fm", "distance": "norm", "residual_weight": 0.9}),
    Variant("egbad-sigma", "egbad", {"discriminator_loss": "sigma"}),
    Variant("vae-elbo", "vae", {"score_type": "elbo"}),
    Variant(UNTRAINED, "egbad", {"training__steps": 0}),
)
VARIANTS = {
    variant.label: variant
    for variant in (*(Variant(name, name) for name in all_detectors()), *_PAPER_VARIANTS, *_TABLE_VARIANTS)
}


def select_variants(names: Iterable[str], *, images: bool, references: Sequence[str] = ()) -> list[Variant]:
    """Return the detectors to run. The baselines always come first.

    Parameters
    ----------
    names : iterable of str
        Labels of detectors and variants. If empty, all but those in `ON_REQUEST`, and on images all but those in
        `SLOW_ON_IMAGES`. The variants for tables and installed detectors of other packages are among all if there are
        references.
    images : bool
        True for suites of images.
    references : sequence of str
        Baselines of a suite of tables, in addition to `BASELINES`.

    Returns
    -------
    list of Variant

    Raises
    ------
    InvalidInputError
        If a name is unknown.
    """
    left_out = {*ON_REQUEST, *(SLOW_ON_IMAGES if images else ())}
    left_out |= {v.label for v in _TABLE_VARIANTS if not references or not is_available(v.detector)}
    labels = list(names) or [label for label in VARIANTS if label not in left_out]
    for label in labels:
        if label not in VARIANTS:
            raise unknown("detector", label, VARIANTS)
    return [VARIANTS[label] for label in dict.fromkeys([*references, *BASELINES, *labels])]


_NEEDS_BASE_RATE = "the papers' threshold is a percentile of the test scores, so it needs the share of anomalies"
_UNSCALED = "columns are not scaled: the released code drops what its scaler returns"
_LEAK = "four in five test normals are training images too"
_DRAWN = "rows are drawn with replacement before the split where a table has fewer than 1,000, so copies of a row train and test"
_WITHOUT_DUPLICATES = "duplicates removed"
_CONTAMINATED = "the training half contains anomalies"

_MINMAX = {"preprocessing__scaling": "minmax", "preprocessing__log_columns": ()}
_NO_SCALING = {"preprocessing__scaling": "none", "preprocessing__log_columns": ()}

MakeTasks = Callable[[str, Path | None], list[Task]]


def _kdd99(protocol: str, data_dir: Path | None) -> list[Task]:
    """Return the task of KDD99."""
    return {
        "clean": [Task("kdd99", "kdd99", protocol, protocols.kdd99)],
        "paper": [Task("kdd99", "kdd99", protocol, protocols.kdd99, {}, _MINMAX, (_NEEDS_BASE_RATE,))],
        "released": [
            Task("kdd99", "kdd99", protocol, protocols.kdd99_released, {}, _NO_SCALING, (_UNSCALED, _NEEDS_BASE_RATE))
        ],
    }[protocol]


def _kdd99_rev(protocol: str, data_dir: Path | None) -> list[Task]:
    """Return the task of KDD99 with normal traffic as the normal class."""
    parameters = {} if protocol == "clean" else _MINMAX
    caveats = () if protocol == "clean" else (_NEEDS_BASE_RATE,)
    return [Task("kdd99_rev", "kdd99", protocol, protocols.kdd99_rev, {}, parameters, caveats)]


def _leave_one_out(dataset: str, n_train: int | None = None) -> MakeTasks:
    """Return a function that returns a task for each anomalous class."""
    name = dataset if n_train is None else f"{dataset} {n_train // 1000}k"
    limit = {} if n_train is None else {"n_train": n_train}

    def make_tasks(protocol: str, data_dir: Path | None) -> list[Task]:
        released = protocol == "released"
        split = protocols.leave_one_out_released if released else protocols.leave_one_out
        caveats = (_LEAK,) if released else ()
        return [
            Task(f"{name}, {label} left out", dataset, protocol, split, {"label": label, **limit}, caveats=caveats)
            for label in range(10)
        ]

    return make_tasks


def _one_normal(dataset: str, n_official: int) -> MakeTasks:
    """Return a function that returns a task for each normal class."""

    def make_tasks(protocol: str, data_dir: Path | None) -> list[Task]:
        arguments = [{"label": label, "n_official": n_official} for label in range(10)]
        return [
            Task(f"{dataset}, {given['label']} normal", dataset, protocol, protocols.one_normal, given)
            for given in arguments
        ]

    return make_tasks


def _arrhythmia(protocol: str, data_dir: Path | None) -> list[Task]:
    """Return the task of Arrhythmia."""
    normals = {"normal": 0, "top_share": 0.15}
    split, released = protocols.share_of_normals, protocols.arrhythmia_released
    caveats = (_CONTAMINATED, _UNSCALED, _NEEDS_BASE_RATE)
    return {
        "clean": [Task("arrhythmia", "arrhythmia", protocol, split, normals)],
        "paper": [Task("arrhythmia", "arrhythmia", protocol, split, normals, _MINMAX, (_NEEDS_BASE_RATE,))],
        "released": [Task("arrhythmia", "arrhythmia", protocol, released, {}, _NO_SCALING, caveats)],
    }[protocol]


def _adbench(protocol: str, data_dir: Path | None) -> list[Task]:
    """Return a task for each table of ADBench that is on this machine."""
    present = [
        listing.name
        for listing in datasets.describe(data_dir)
        if listing.name.startswith("adbench/") and listing.present
    ]
    if not present:
        raise InvalidInputError(
            "No table of ADBench is on this machine. Download tables with 'egbad data get', or give their folder with "
            "--data-dir or EGBAD_DATA."
        )
    short = {name: name.split("_", 1)[1] for name in present}
    if protocol == "released":
        split = table_protocols.adbench_released
        return [Task(short[name], name, protocol, split, caveats=(_DRAWN,)) for name in present]
    # Runs of the first revision have duplicates across the split.
    return [
        Task(short[name], name, protocol, table_protocols.adbench, revision=_WITHOUT_DUPLICATES) for name in present
    ]


def _oddbench(protocol: str, data_dir: Path | None) -> list[Task]:
    """Return a task for each table of OddBench in the data folder."""
    folders = [folder / "oddbench" for folder in data_folders(data_dir)]
    paths = {path.stem: path for folder in reversed(folders) for path in folder.glob("*.npz")}
    if not paths:
        raise InvalidInputError(
            "No table of OddBench is on this machine. Put its .npz files into a folder 'oddbench', and give the folder above "
            "it with --data-dir or EGBAD_DATA."
        )
    return [FixedSplitTask(name, f"oddbench/{name}", protocol, path=paths[name]) for name in sorted(paths)]


def _magnetic_tile(protocol: str, data_dir: Path | None) -> list[Task]:
    """Return the task of the magnetic tiles."""
    arguments = {"normal": NORMAL, "share": 0.8}
    return [Task("magnetic_tile", "magnetic_tile", protocol, protocols.share_of_normals, arguments)]


@dataclass(frozen=True)
class Suite:
    """A benchmark that `egbad benchmark NAME` runs.

    Parameters
    ----------
    title : str
    tasks : callable
        Called with the protocol and the data folder, returns the tasks.
    published : tuple of str
        Protocols of papers, in addition to "clean".
    images : bool, default=False
        True for images: detectors that are slow on images run on request only.
    references : tuple of str, default=()
        Baselines: all other detectors are compared, table by table, with the better of these.
    """

    title: str
    tasks: MakeTasks
    published: tuple[str, ...] = ()
    images: bool = False
    references: tuple[str, ...] = ()


SUITES: dict[str, Suite] = {
    "kdd99": Suite("KDD Cup 1999, 10 percent subset", _kdd99, ("paper", "released")),
    "kdd99_rev": Suite("KDD Cup 1999, trained on normal traffic", _kdd99_rev, ("paper",)),
    "arrhythmia": Suite("Arrhythmia", _arrhythmia, ("paper", "released")),
    "adbench": Suite("ADBench, classical tables", _adbench, ("released",), references=NEAREST_NEIGHBOURS),
    "oddbench": Suite("OddBench, one-class tables", _oddbench, references=NEAREST_NEIGHBOURS),
    "digits": Suite("scikit-learn digits, one digit left out", _leave_one_out("digits"), ("released",), images=True),
    "mnist": Suite("MNIST, one digit left out", _leave_one_out("mnist"), ("paper", "released"), images=True),
    "mnist_10k": Suite(
        "MNIST, one digit left out, 10,000 training images", _leave_one_out("mnist", 10_000), images=True
    ),
    "mnist_one_normal": Suite("MNIST, one normal digit", _one_normal("mnist", 60_000), ("paper",), images=True),
    "fashion_mnist": Suite(
        "Fashion-MNIST, one class left out", _leave_one_out("fashion_mnist"), ("released",), images=True
    ),
    "fashion_mnist_one_normal": Suite(
        "Fashion-MNIST, one normal class", _one_normal("fashion_mnist", 60_000), images=True
    ),
    "cifar10": Suite("CIFAR-10, one normal class", _one_normal("cifar10", 50_000), ("paper",), images=True),
    "magnetic_tile": Suite("Magnetic tiles with defects", _magnetic_tile, images=True),
}


def find_suite(name: str, protocol: str) -> Suite:
    """Return a benchmark and check that it has the protocol.

    Parameters
    ----------
    name : str
        A key of `SUITES`, a folder of `.npz` tables as `egbad.benchmark.table_tasks` takes it, or a folder of images as
        `egbad.benchmark.folder_tasks` takes it.
    protocol : str
        A key of `PROTOCOLS`.

    Returns
    -------
    Suite

    Raises
    ------
    InvalidInputError
        If the name is unknown, or the benchmark does not have the protocol.
    """
    suite, path = SUITES.get(name), Path(name)
    if suite is None and path.is_dir():
        suite = _folder_suite(path)
    if suite is None:
        raise unknown("benchmark", name, SUITES)
    if protocol not in PROTOCOLS:
        raise unknown("protocol", protocol, PROTOCOLS)
    available = ("clean", *suite.published)
    if protocol not in available:
        raise InvalidInputError(
            f"The protocol of the benchmark '{name}' must be {' or '.join(available)}, got '{protocol}'. "
            "No paper describes another one."
        )
    return suite


def _folder_suite(path: Path) -> Suite:
    """Return the suite of a folder of tables or images."""
    name = printable(path.resolve().name)
    if any(path.glob("*.npz")):
        make_tasks: MakeTasks = lambda protocol, data_dir: table_tasks(path, protocol)  # noqa: E731
        return Suite(f"Tables in {name}", make_tasks, ("released",), references=NEAREST_NEIGHBOURS)
    return Suite(f"Images in {name}", lambda protocol, data_dir: [*folder_tasks(path, protocol)], images=True)
