"""Small tasks and records of runs."""

import numpy as np
import pytest

from egbad.benchmark.tasks import user_task
from egbad.data import Data
from egbad.datasets import Dataset


@pytest.fixture
def dataset():
    """A function that returns a data set of rows or images and their labels."""

    def make(x, labels, masks=None):
        return Dataset("made", np.asarray(x), np.asarray(labels), None, "", "", "", masks)

    return make


@pytest.fixture
def labelled_rows():
    """400 normal rows and 40 anomalies, with their labels."""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=(400, 4)), rng.normal(size=(40, 4)) * 6])
    return x, np.arange(440) >= 400


@pytest.fixture
def task(labelled_rows, tmp_path):
    """A task on a user's rows."""
    x, anomalous = labelled_rows
    return user_task("rows.csv", Data(x), anomalous, tmp_path / "data.npz")


def finished_record(task, label, seed, average_precision, **changes):
    """Return the record of a finished run."""
    return {
        "task": task,
        "dataset": "d",
        "digest": "f00",
        "label": label,
        "seed": seed,
        "status": "ok",
        "training_rows": 10,
        "test_rows": 20,
        "base_rate": 0.2,
        "repeats": 3,
        "notes": ["a caveat"],
        "seconds": {"fit": 2.0},
        "scored_per_second": 100.0,
        "flagged": {"0.01": 0.1, "0.05": 0.2},
        "top": [1, 0],
        "versions": {"egbad": "1"},
        "metrics": {
            "auroc": average_precision,
            "average_precision": average_precision,
            "top": {"share": 0.2, "f1": average_precision, "ties": 2},
        },
    } | changes


@pytest.fixture
def record():
    """The function that returns the record of a finished run."""
    return finished_record


@pytest.fixture
def records():
    """Records of two detectors on two tasks. One detector failed on the second task."""
    return [
        *(finished_record("t1", "good", seed, 0.9 + seed / 100) for seed in range(3)),
        *(finished_record("t1", "bad", seed, 0.5 + seed / 100) for seed in range(3)),
        *(finished_record("t2", "good", seed, 0.8) for seed in range(3)),
        {"task": "t2", "label": "bad", "dataset": "d", "seed": 0, "status": "failed", "reason": "it <broke>"},
    ]


@pytest.fixture
def unlabelled_records():
    """Records of two detectors on rows without labels."""
    left_out = ("metrics", "base_rate", "repeats")
    return [
        {key: value for key, value in finished_record("own", label, 0, 0.5).items() if key not in left_out}
        for label in ("a", "b")
    ]


@pytest.fixture
def records_with_kinds():
    """Records of a detector on two kinds of anomalies."""

    def make(seed, auroc):
        kinds = {"crack": {"auroc": auroc, "n": 4}, "hole <1>": {"auroc": 0.5, "n": 2}}
        metrics = finished_record("t", "a", seed, 0.9)["metrics"] | {"by_kind": kinds, "pixel_auroc": 0.7}
        return finished_record("t", "a", seed, 0.9, metrics=metrics)

    return [make(0, 0.8), make(1, 0.9)]


@pytest.fixture
def records_of_tables():
    """A function that returns records of three detectors on n tables; "good" is better than both baselines on all."""

    def make(n):
        levels = {"knn-standard": 0.6, "knn-minmax": 0.7, "good": 0.75}
        seconds = {"fit": 2.0, "score": 0.5}
        return [
            finished_record(
                f"t{i}", label, seed, level + i / 1000, training_rows=100 * i + 100, columns=i + 3, seconds=seconds
            )
            for i in range(n)
            for label, level in levels.items()
            for seed in range(2)
        ]

    return make
