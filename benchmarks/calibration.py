"""What a threshold and a spread are worth: false alarms at three alphas, and errors by how far five members differ.

    python benchmarks/calibration.py --seeds 3

One JSON line per data set, detector and seed. A threshold is set by m calibration rows that were held out of training; of n
fresh normal rows k are flagged. If both come from one distribution, k is beta-binomial: "low" and "high" are its 99 percent
interval as shares of n.
"""

import argparse
import json
from math import floor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import betabinom

from egbad.arrays import map_unique_rows
from egbad.benchmark import suites
from egbad.detectors.registry import create
from egbad.progress import progress
from egbad.scoring import calibration, metrics

ALPHAS = (0.001, 0.01, 0.05)
SETS = (("kdd99", "kdd99"), ("adbench", "annthyroid"), ("adbench", "mnist"), ("digits", "digits, 8 left out"),
        ("mnist_10k", "mnist 10k, 9 left out"))  # fmt: skip
DETECTORS: dict[str, dict[str, Any]] = {"egbad": {"members": 5}, "blend": {}}
PARTS = 5  # of the test rows, by spread


def false_alarms(detector: Any, normal: NDArray[np.float64]) -> list[dict[str, float]]:
    """Shares of normal scores (n,) above the thresholds, with what is to be expected."""
    m, n, found = detector.n_calibration_, len(normal), []
    for alpha in ALPHAS:
        rank = max(1, floor(alpha * (m + 1) + 1e-9))  # the threshold is the rank-th largest calibration score
        expected = betabinom(n, rank, m + 1 - rank)
        found.append({
            "alpha": alpha,
            "reachable": bool(alpha * (m + 1) >= 1),
            "rate": float((normal > calibration.threshold(detector.calibration_scores_, alpha)).mean()),
            "low": float(expected.ppf(0.005) / n),
            "high": float(expected.ppf(0.995) / n),
        })  # fmt: skip
    return found


def errors_by_spread(spread: NDArray[np.float64], wrong: NDArray[np.bool_]) -> list[float]:
    """Share of wrong answers in fifths of the test rows, from those that members agree about to those that they don't."""
    return [float(wrong[part].mean()) for part in np.array_split(np.argsort(spread, kind="stable"), PARTS)]


def measure(task: suites.Task, name: str, seed: int) -> dict[str, Any]:
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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/calibration.jsonl"))
    options = parser.parse_args()
    tasks = {task.name: task for suite, _ in SETS for task in suites.find_suite(suite, "clean").tasks("clean", None)}
    todo = [(tasks[name], d, seed) for seed in range(options.seeds) for _, name in SETS for d in DETECTORS]
    done = {(line["task"], line["detector"], line["seed"]) for line in lines(options.out)}
    left = [(task, d, seed) for task, d, seed in todo if (task.name, d, seed) not in done]
    with progress("Runs", len(left), unit="runs") as advance, options.out.open("a", encoding="utf-8") as out:
        for task, name, seed in left:
            out.write(json.dumps(measure(task, name, seed)) + "\n")
            out.flush()
            advance(1)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


if __name__ == "__main__":
    main()
