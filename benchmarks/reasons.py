"""Whether the right column stands first: known faults in normal test rows, and the reasons for those that are flagged.

    python benchmarks/reasons.py

One to three columns of a normal row are moved out by four to ten standard deviations, take the value of another row, or are
given to each other. One JSON line per data set, detector and kind of fault: the share of rows that is flagged, and of these
the share in which a faulty column stands first, or among the first three; and what a batch of reasons costs, in scores.
"""

import argparse
import json
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egbad.benchmark import suites
from egbad.registry import create

SETS = (
    ("kdd99", "kdd99"),
    *(("adbench", name) for name in ("annthyroid", "cardio", "satellite", "shuttle", "Waveform")),
)
FAULTS = ("moved out", "another row's", "exchanged")
ROWS = 1000
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


def measure(suite: str, name: str, detector: str, seed: int) -> list[dict[str, Any]]:
    task = next(t for t in suites.find(suite, "clean").tasks("clean", None) if t.name == name)
    split, _ = task.load(seed)
    fitted = create(detector, random_state=seed).fit(split.x_train)
    rng = np.random.default_rng(seed)
    normal = split.x_test[~split.anomalous]
    normal = normal[rng.permutation(len(normal))[:ROWS]]
    costs = []
    for _ in range(5):
        started = time.perf_counter()
        fitted.anomaly_score(normal)
        scored = time.perf_counter()
        fitted.explain(normal)
        costs.append((time.perf_counter() - scored) / (scored - started))
    lines = []
    for kind in FAULTS:
        x, faulty = spoiled(normal, split.x_train.std(axis=0), kind, rng)
        x, faulty = x[faulty.any(axis=1)], faulty[faulty.any(axis=1)]
        flagged = fitted.predict(x) < 0
        found = fitted.explain(x[flagged])
        order = np.argsort(-found.shares, axis=1)[:, :3]
        right = np.take_along_axis(faulty[flagged], order, axis=1)
        lines.append(
            {
                "task": name,
                "detector": detector,
                "seed": seed,
                "fault": kind,
                "flagged": float(flagged.mean()),
                "first": float(right[:, 0].mean()) if len(right) else None,
                "of_three": float(right.any(axis=1).mean()) if len(right) else None,
                "method": found.method,
                "batch_costs_scores": median(costs),
            }
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detectors", nargs="+", default=["egbad", "blend"])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/reasons.jsonl"))
    options = parser.parse_args()
    with options.out.open("w", encoding="utf-8") as file:
        for suite, name in SETS:
            for detector in options.detectors:
                for line in measure(suite, name, detector, 0):
                    print(json.dumps(line), flush=True)
                    file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
