"""Whether the right column stands first: known faults in normal test rows, and the reasons for those that are flagged.

    python benchmarks/explanations.py

One to three columns of a normal row are moved out by four to ten standard deviations, take the value of another row, or are
given to each other; of KDD99's 41 columns as they are one to three categories take another level. One JSON line per data set,
detector and kind of fault: the share of rows that is flagged, and of these the share in which a faulty column stands first, or
among the first three; and what reasons cost, in scores.

With `--others` the same of two ways that know nothing of the detector but its score, on some of the flagged rows: a column's
part is how much the score falls on average when it is given the values of normal rows (permutation), and SHAP's kernel
method (Lundberg and Lee, 2017), which needs `pip install shap`.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from column_types import folded
from numpy.typing import NDArray

from egbad import datasets
from egbad.benchmark import protocols, suites
from egbad.data import Data, take_rows
from egbad.data.column_types import CATEGORY
from egbad.detectors.registry import create

SETS = (
    ("kdd99", "kdd99"),
    *(("adbench", name) for name in ("annthyroid", "cardio", "satellite", "shuttle", "Waveform")),
)
FAULTS = ("moved out", "another row's", "exchanged")
ROWS = 1000
FEW, NORMAL = 60, 20  # rows that the slow ways explain, and normal rows that they take values from
Array = NDArray[np.float64]


def spoiled(x: Array, spread: Array, kind: str, rng: np.random.Generator) -> tuple[Array, NDArray[np.bool_]]:
    """Rows (n, d) with a fault in one to three columns that move, and where."""
    y, moving = x.copy(), np.flatnonzero(spread > 0)
    for i, row in enumerate(y):
        own = rng.choice(moving, size=min(len(moving), int(rng.integers(1, 4)) + (kind == "exchanged")), replace=False)
        if kind == "moved out":
            row[own] += spread[own] * rng.uniform(4, 10, len(own)) * rng.choice([-1, 1], len(own))
        elif kind == "another row's":
            row[own] = x[rng.integers(len(x)), own]
        else:
            row[own] = row[np.roll(own, 1)]
        y[i] = row
    return y, y != x


def by_permutation(score: Callable[[Array], Array], x: Array, normal: Array) -> Array:
    """How much each row's score falls when a column has the values of normal rows instead, (n, d)."""
    whole, shares = score(x), np.empty(x.shape)
    for j in range(x.shape[1]):
        changed = np.repeat(x, len(normal), axis=0)
        changed[:, j] = np.tile(normal[:, j], len(x))
        shares[:, j] = whole - score(changed).reshape(len(x), -1).mean(axis=1)
    return shares


def by_shap(score: Callable[[Array], Array], x: Array, normal: Array) -> Array:
    """Shapley values of the score (n, d), by samples of coalitions."""
    import shap

    return np.asarray(shap.KernelExplainer(score, normal).shap_values(x, silent=True))


OTHERS = {"permutation": by_permutation, "shap": by_shap}


def right(shares: Array, faulty: NDArray[np.bool_]) -> dict[str, float | None]:
    """The share of rows in which a faulty column stands first, and among the first three."""
    order = np.argsort(-shares, axis=1, kind="stable")[:, :3]
    hits = np.take_along_axis(faulty, order, axis=1)
    if not len(hits):
        return {"first": None, "of_three": None}
    return {"first": float(hits[:, 0].mean()), "of_three": float(hits.any(axis=1).mean())}


def seconds(work: Callable[[Array], object], x: Array, repeats: int = 5) -> float:
    """The median of some calls."""
    work(x)
    took = []
    for _ in range(repeats):
        started = time.perf_counter()
        work(x)
        took.append(time.perf_counter() - started)
    return median(took)


def swapped(detector: str, seed: int) -> dict[str, Any]:
    """The same where one to three categories of KDD99's 41 columns have another of their levels."""
    dataset, kinds = folded(datasets.load("kdd99"))
    split = protocols.kdd99(dataset, seed)
    assert split.anomalous is not None
    fitted = create(detector, random_state=seed).fit(Data(split.x_train, dataset.columns, kinds=kinds))
    rng = np.random.default_rng(seed)
    normal = split.x_test[~split.anomalous]
    x = normal[rng.permutation(len(normal))[:ROWS]].copy()
    levels = {
        j: found for j, kind in enumerate(kinds) if kind == CATEGORY and len(found := np.unique(normal[:, j])) > 1
    }
    faulty = np.zeros(x.shape, dtype=np.bool_)
    for row, mark in zip(x, faulty, strict=True):
        for j in rng.choice([*levels], size=int(rng.integers(1, 4)), replace=False):
            row[j], mark[j] = rng.choice(levels[j][levels[j] != row[j]]), True
    scored = Data(x, dataset.columns, kinds=kinds)
    flagged = fitted.predict(scored) < 0
    found = fitted.explain(take_rows(scored, np.flatnonzero(flagged)))
    line = {"task": "kdd99, 41 columns", "detector": detector, "seed": seed, "fault": "another category"}
    return line | {"flagged": float(flagged.mean()), "method": found.method} | right(found.shares, faulty[flagged])


def measure(suite: str, name: str, detector: str, seed: int, *, others: bool) -> list[dict[str, Any]]:
    task = next(t for t in suites.find_suite(suite, "clean").tasks("clean", None) if t.name == name)
    split, _ = task.load(seed)
    fitted = create(detector, random_state=seed).fit(split.x_train)
    rng = np.random.default_rng(seed)
    normal = split.x_test[~split.anomalous]
    normal = normal[rng.permutation(len(normal))[:ROWS]]
    once, batch = seconds(fitted.anomaly_score, normal), seconds(fitted.explain, normal)
    row = seconds(fitted.explain, normal[:1], 20) / seconds(fitted.anomaly_score, normal[:1], 20)
    costs = {"batch_costs_scores": batch / once, "row_costs_scores": row}
    lines = []
    for kind in FAULTS:
        x, faulty = spoiled(normal, split.x_train.std(axis=0), kind, rng)
        x, faulty = x[faulty.any(axis=1)], faulty[faulty.any(axis=1)]
        flagged = fitted.predict(x) < 0
        found = fitted.explain(x[flagged])
        common = {"task": name, "detector": detector, "seed": seed, "fault": kind, "flagged": float(flagged.mean())}
        own = right(found.shares, faulty[flagged])
        lines.append(common | own | {"method": found.method} | costs)
        few = np.flatnonzero(flagged)[:FEW]
        for method, explain in OTHERS.items() if others and len(few) else ():
            started = time.perf_counter()
            shares = explain(fitted.anomaly_score, x[few], normal[:NORMAL])
            each = (time.perf_counter() - started) / len(few)
            ours = right(fitted.explain(x[few]).shares, faulty[few])
            lines.append(
                common
                | right(shares, faulty[few])
                | {"method": method, "rows": len(few), "ours_first": ours["first"], "ours_of_three": ours["of_three"]}
                | {"costs_scores": each / (once / len(normal))}
            )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detectors", nargs="+", default=["egbad", "blend"])
    parser.add_argument("--others", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/explanations.jsonl"))
    options = parser.parse_args()
    with options.out.open("w", encoding="utf-8") as file:
        for suite, name in SETS:
            for detector in options.detectors:
                for line in measure(suite, name, detector, 0, others=options.others):
                    print(json.dumps(line), flush=True)
                    file.write(json.dumps(line) + "\n")
        for detector in options.detectors:
            line = swapped(detector, 0)
            print(json.dumps(line), flush=True)
            file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
