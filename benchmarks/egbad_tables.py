"""Measure changes of EGBAD that might bring it to the nearest neighbour on tables.

    python benchmarks/egbad_tables.py --tables 60

Each table is a development table of OddBench. One JSON line for each table and seed; an interrupted run resumes where it
stopped. `benchmarks/tables.py` makes the table.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from common import clean_tasks
from lines import Line, append_line, read_lines

from egbad import EGBAD, Blend
from egbad.arrays import Array, Floats, map_unique_rows
from egbad.benchmark.tasks import Task
from egbad.detectors import KNN
from egbad.detectors.base import Detector
from egbad.preprocessing import Preprocessing
from egbad.scoring import metrics

COLUMN_TERMS = ("column-gap", "column-density")  # parts of the blend that look at one column at a time
CHANGES: dict[str, dict[str, Any]] = {  # parameters of EGBAD that differ from the default
    "five members": {"members": 5},
    "longer training": {"training__steps": 20_000, "early_stopping__patience": 20, "early_stopping__min_gain": 0.01},
    "memory of latents": {"discriminator_loss": "memory"},
    "memory of latents, equal weights": {"discriminator_loss": "memory", "residual_weight": 0.5},
}


def scored(detector: Detector[Any], x_train: Array, x_test: Array) -> Floats:
    """Fit a detector and return the scores of test rows, of equal rows once."""
    detector.fit(x_train)
    return map_unique_rows(detector.anomaly_score, x_test)[0]


def scores_by_change(x_train: Array, x_test: Array, seed: int) -> Iterator[tuple[str, Floats]]:
    """Yield the scores of test rows by the nearest neighbour, by EGBAD and by EGBAD with each change.

    Parameters
    ----------
    x_train : ndarray of shape (n_train, d)
        Normal rows.
    x_test : ndarray of shape (n_test, d)
    seed : int

    Yields
    ------
    str
        Name of the change.
    ndarray of shape (n_test,)
    """
    for scaling in ("minmax", "standard"):
        nearest = KNN(n_neighbors=1, preprocessing=Preprocessing(scaling=scaling), random_state=seed)
        yield f"nearest neighbour, {scaling}", scored(nearest, x_train, x_test)

    blend = Blend(parts=("egbad", *COLUMN_TERMS), combination="root_mean_square", tails="held_out", random_state=seed)
    yield "gap and density of columns as terms", scored(blend, x_train, x_test)
    yield "default", map_unique_rows(blend.parts_["egbad"].anomaly_score, x_test)[0]

    for name, parameters in CHANGES.items():
        yield name, scored(EGBAD(random_state=seed).set_params(**parameters), x_train, x_test)

    whitened = KNN(whitening="local", preprocessing=Preprocessing(scaling="rank_normal"), random_state=seed).fit(
        x_train
    )
    rows = [whitened.encoder_.encode(x) @ whitened.learned_["whitening"] for x in (x_train, x_test)]
    yield "local whitening of rank-normal columns", scored(EGBAD(random_state=seed), *rows)


def measure(task: Task, seed: int) -> Line:
    """Return AUROC and average precision on one table."""
    split, digest = task.load(seed)
    found = dict(scores_by_change(split.x_train, split.x_test, seed))
    return {
        "task": task.name,
        "seed": seed,
        "digest": digest,
        "rows": len(split.x_train),
        "columns": int(np.shape(split.x_train)[1]),
        "auroc": {name: metrics.auroc(own, split.anomalous) for name, own in found.items()},
        "average_precision": {name: metrics.average_precision(own, split.anomalous) for name, own in found.items()},
    }


def main() -> None:
    """Measure what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=int, default=60, help="number of tables, evenly spaced in their order")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/egbad_tables.jsonl"))
    options = parser.parse_args()
    tasks = clean_tasks("oddbench")
    chosen = [tasks[i] for i in np.linspace(0, len(tasks) - 1, min(options.tables, len(tasks))).astype(int)]
    done = {(line["task"], line["seed"]) for line in read_lines(options.out)}
    for seed in range(options.seeds):
        for task in chosen:
            if (task.name, seed) not in done:
                append_line(options.out, measure(task, seed))


if __name__ == "__main__":
    main()
