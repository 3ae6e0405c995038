"""Measure how often the faulty column ranks first in explanations of rows with injected faults.

    python benchmarks/explanations.py
    python benchmarks/explanations.py --others --detectors egbad --out others.jsonl

In normal test rows, one to three columns are shifted by four to ten standard deviations, replaced by another row's values, or
swapped with each other. In KDD99's 41 original columns, one to three categorical columns get another level. One JSON line per
data set, detector and kind of fault: the fraction of rows that is flagged; of these, the fraction in which a faulty column
ranks first or among the first three; and the cost of an explanation, in scoring calls.

`--others` adds two model-agnostic methods on some of the flagged rows: permutation (how much the score falls on average when
a column gets the values of normal rows) and kernel SHAP (Lundberg and Lee, 2017), which needs `pip install shap`.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
from column_types import with_categories
from common import clean_tasks
from lines import Line
from numpy.typing import NDArray

from egbad import datasets
from egbad.arrays import Floats
from egbad.benchmark import protocols
from egbad.data import Data, take_rows
from egbad.data.column_types import CATEGORY
from egbad.detectors.registry import create

TASKS = (
    ("kdd99", "kdd99"),
    *(("adbench", name) for name in ("annthyroid", "cardio", "satellite", "shuttle", "Waveform")),
)
FAULTS = ("shifted", "another row's value", "swapped")
N_ROWS = 1000
N_EXPLAINED, N_BACKGROUND = 60, 20  # rows that the model-agnostic methods explain, and normal rows they draw from

Score = Callable[[Floats], Floats]


def inject_faults(x: Floats, spread: Floats, fault: str, rng: np.random.Generator) -> tuple[Floats, NDArray[np.bool_]]:
    """Return rows (n, d) with faults in one to three columns that vary, and a mask of the changed values (n, d)."""
    y, varying = x.copy(), np.flatnonzero(spread > 0)
    for i, row in enumerate(y):
        n_columns = min(len(varying), int(rng.integers(1, 4)) + (fault == "swapped"))
        own = rng.choice(varying, size=n_columns, replace=False)
        if fault == "shifted":
            row[own] += spread[own] * rng.uniform(4, 10, len(own)) * rng.choice([-1, 1], len(own))
        elif fault == "another row's value":
            row[own] = x[rng.integers(len(x)), own]
        else:
            row[own] = row[np.roll(own, 1)]
        y[i] = row
    return y, y != x


def explain_by_permutation(score: Score, x: Floats, background: Floats) -> Floats:
    """Return how much each score falls when a column gets the values of normal rows, (n, d)."""
    scores, shares = score(x), np.empty(x.shape)
    for j in range(x.shape[1]):
        changed = np.repeat(x, len(background), axis=0)
        changed[:, j] = np.tile(background[:, j], len(x))
        shares[:, j] = scores - score(changed).reshape(len(x), -1).mean(axis=1)
    return shares


def explain_by_shap(score: Score, x: Floats, background: Floats) -> Floats:
    """Return Shapley values of the score (n, d), from sampled coalitions."""
    import shap

    return np.asarray(shap.KernelExplainer(score, background).shap_values(x, silent=True))


OTHERS = {"permutation": explain_by_permutation, "shap": explain_by_shap}


def hit_rates(shares: Floats, faulty: NDArray[np.bool_]) -> Line:
    """Return the fraction of rows with a faulty column in first place, and among the first three."""
    order = np.argsort(-shares, axis=1, kind="stable")[:, :3]
    hits = np.take_along_axis(faulty, order, axis=1)
    if not len(hits):
        return {"first": None, "of_three": None}
    return {"first": float(hits[:, 0].mean()), "of_three": float(hits.any(axis=1).mean())}


def seconds(work: Callable[[Floats], object], x: Floats, repeats: int = 5) -> float:
    """Return the median duration of several calls, after one that does not count."""
    work(x)
    durations = []
    for _ in range(repeats):
        started = time.perf_counter()
        work(x)
        durations.append(time.perf_counter() - started)
    return median(durations)


def measure_categories(name: str, seed: int) -> Line:
    """Measure a detector on KDD99's 41 columns where one to three categories get another level."""
    dataset, types = with_categories(datasets.load("kdd99"))
    split = protocols.kdd99(dataset, seed)
    assert split.anomalous is not None
    detector = create(name, random_state=seed).fit(Data(split.x_train, dataset.columns, column_types=types))
    rng = np.random.default_rng(seed)
    normal = split.x_test[~split.anomalous]
    x = normal[rng.permutation(len(normal))[:N_ROWS]].copy()
    levels = {
        j: found for j, kind in enumerate(types) if kind == CATEGORY and len(found := np.unique(normal[:, j])) > 1
    }
    faulty = np.zeros(x.shape, dtype=np.bool_)
    for row, mark in zip(x, faulty, strict=True):
        for j in rng.choice([*levels], size=int(rng.integers(1, 4)), replace=False):
            row[j], mark[j] = rng.choice(levels[j][levels[j] != row[j]]), True
    data = Data(x, dataset.columns, column_types=types)
    flagged = detector.predict(data) < 0
    explanation = detector.explain(take_rows(data, np.flatnonzero(flagged)))
    line = {"task": "kdd99, 41 columns", "detector": name, "seed": seed, "fault": "another category"}
    line |= {"flagged": float(flagged.mean()), "method": explanation.method}
    return line | hit_rates(explanation.shares, faulty[flagged])


def measure(suite: str, task_name: str, name: str, seed: int, *, others: bool) -> list[Line]:
    """Measure a detector on one data set, for each kind of fault."""
    (task,) = clean_tasks(suite, [task_name])
    split, _ = task.load(seed)
    detector = create(name, random_state=seed).fit(split.x_train)
    rng = np.random.default_rng(seed)
    normal = split.x_test[~split.anomalous]
    normal = normal[rng.permutation(len(normal))[:N_ROWS]]
    score_seconds = seconds(detector.anomaly_score, normal)
    costs = {
        "batch_costs_scores": seconds(detector.explain, normal) / score_seconds,
        "row_costs_scores": seconds(detector.explain, normal[:1], 20) / seconds(detector.anomaly_score, normal[:1], 20),
    }
    lines = []
    for fault in FAULTS:
        x, faulty = inject_faults(normal, split.x_train.std(axis=0), fault, rng)
        x, faulty = x[faulty.any(axis=1)], faulty[faulty.any(axis=1)]
        flagged = detector.predict(x) < 0
        explanation = detector.explain(x[flagged])
        common = {"task": task_name, "detector": name, "seed": seed, "fault": fault, "flagged": float(flagged.mean())}
        lines.append(common | hit_rates(explanation.shares, faulty[flagged]) | {"method": explanation.method} | costs)
        rows = np.flatnonzero(flagged)[:N_EXPLAINED]
        for method, explain in OTHERS.items() if others and len(rows) else ():
            started = time.perf_counter()
            shares = explain(detector.anomaly_score, x[rows], normal[:N_BACKGROUND])
            row_seconds = (time.perf_counter() - started) / len(rows)
            ours = hit_rates(detector.explain(x[rows]).shares, faulty[rows])
            lines.append(
                common
                | hit_rates(shares, faulty[rows])
                | {"method": method, "rows": len(rows), "ours_first": ours["first"], "ours_of_three": ours["of_three"]}
                | {"costs_scores": row_seconds / (score_seconds / len(normal))}
            )
    return lines


def main() -> None:
    """Write one JSON line per data set, detector and fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detectors", nargs="+", default=["egbad", "blend"])
    parser.add_argument("--tasks", nargs="+", help="names of data sets, all by default")
    parser.add_argument("--others", action="store_true", help="add permutation and kernel SHAP")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/explanations.jsonl"))
    options = parser.parse_args()
    with options.out.open("w", encoding="utf-8") as file:

        def write(line: Line) -> None:
            print(json.dumps(line), flush=True)
            file.write(json.dumps(line) + "\n")

        for suite, task_name in TASKS:
            if options.tasks is None or task_name in options.tasks:
                for name in options.detectors:
                    for line in measure(suite, task_name, name, 0, others=options.others):
                        write(line)
        if options.tasks is None:
            for name in options.detectors:
                write(measure_categories(name, 0))


if __name__ == "__main__":
    main()
