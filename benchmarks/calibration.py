"""Measure false-alarm rates at three alphas, and errors by the spread of five members.

    python benchmarks/calibration.py --seeds 3

One JSON line per data set, detector and seed. A threshold is set by m calibration rows that were held out of training; k of
n fresh normal rows are flagged. If both come from the same distribution, k is beta-binomial; "low" and "high" bound its 99
percent interval, as fractions of n. An interrupted run resumes where it stopped.
"""

import argparse
from math import floor
from pathlib import Path
from typing import Any

import numpy as np
from common import clean_tasks
from lines import Line, append_line, read_lines
from numpy.typing import NDArray
from scipy.stats import betabinom

from egbad.arrays import map_unique_rows
from egbad.benchmark.tasks import Task
from egbad.detectors.registry import create
from egbad.scoring import calibration, metrics

ALPHAS = (0.001, 0.01, 0.05)
TASKS = (
    ("kdd99", "kdd99"),
    ("adbench", "annthyroid"),
    ("adbench", "mnist"),
    ("digits", "8 left out"),
    ("mnist_10k", "9 left out"),
)
DETECTORS: dict[str, dict[str, Any]] = {"egbad": {"members": 5}, "blend": {}}
SPREAD_GROUPS = 5  # groups of test rows, by spread


def false_alarms(detector: Any, normal: NDArray[np.float64]) -> list[dict[str, float]]:
    """Return the fraction of normal scores (n,) above each threshold, with its expected interval."""
    m, n, found = detector.n_calibration_, len(normal), []
    for alpha in ALPHAS:
        rank = max(1, floor(alpha * (m + 1) + 1e-9))  # the threshold is the rank-th largest calibration score
        expected = betabinom(n, rank, m + 1 - rank)
        found.append(
            {
                "alpha": alpha,
                "reachable": bool(alpha * (m + 1) >= 1),
                "rate": float((normal > calibration.threshold(detector.calibration_scores_, alpha)).mean()),
                "low": float(expected.ppf(0.005) / n),
                "high": float(expected.ppf(0.995) / n),
            }
        )
    return found


def errors_by_spread(spread: NDArray[np.float64], wrong: NDArray[np.bool_]) -> list[float]:
    """Return the fraction of wrong decisions in fifths of the test rows, from the lowest spread to the highest."""
    groups = np.array_split(np.argsort(spread, kind="stable"), SPREAD_GROUPS)
    return [float(wrong[group].mean()) for group in groups]


def measure(task: Task, name: str, seed: int) -> Line:
    """Fit and measure one detector on one task."""
    split, digest = task.load(seed)
    assert split.anomalous is not None
    detector = create(name, random_state=seed, **DETECTORS[name]).fit(split.x_train)
    scores, _ = map_unique_rows(detector.anomaly_score, split.x_test)
    spread, _ = map_unique_rows(detector.score_spread, split.x_test)
    wrong = (scores > calibration.threshold(detector.calibration_scores_, 0.01)) != split.anomalous
    return {
        "task": task.name,
        "detector": name,
        "seed": seed,
        "digest": digest,
        "average_precision": metrics.average_precision(scores, split.anomalous),
        "auroc": metrics.auroc(scores, split.anomalous),
        "calibration_rows": detector.n_calibration_,
        "test_normals": int((~split.anomalous).sum()),
        "false_alarms": false_alarms(detector, scores[~split.anomalous]),
        "errors_by_spread": errors_by_spread(spread, wrong),
        "spread_tells_errors": metrics.auroc(spread, wrong) if wrong.any() and not wrong.all() else None,
        "versions": detector.fit_versions_,
    }


def main() -> None:
    """Measure what the file does not hold yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", default="", help="only tasks whose name contains this text")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/calibration.jsonl"))
    options = parser.parse_args()
    done = {(line["task"], line["detector"], line["seed"]) for line in read_lines(options.out)}
    tasks = [task for suite, name in TASKS for task in clean_tasks(suite, [name]) if options.only in task.name]
    for seed in range(options.seeds):
        for task in tasks:
            for name in DETECTORS:
                if (task.name, name, seed) not in done:
                    append_line(options.out, measure(task, name, seed))


if __name__ == "__main__":
    main()
