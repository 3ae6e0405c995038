"""Compare a detector's defaults with parameters tuned without labels and with ten labelled anomalies.

    python benchmarks/tuning.py --seeds 1

Each table uses the normal training rows and the test rows of the clean protocol. The ten labelled anomalies are removed from
the test rows in all three cases. One JSON line per run. An interrupted run resumes where it stopped; `benchmarks/tables.py` makes
the table.
"""

import argparse
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from common import clean_tasks
from lines import Line, append_line, read_lines

from egbad.detectors.registry import create
from egbad.errors import CalibrationWarning, HealthWarning
from egbad.scoring import metrics
from egbad.tuning import tune

TABLES = ("cardio", "glass", "Lymphography", "Stamps", "vertebral", "WDBC", "wine", "yeast")
N_LABELLED = 10
CHOICES = ("defaults", "without labels", f"by {N_LABELLED} labelled")


def measure(task: Any, name: str, choice: str, seed: int, trials: int) -> Line:
    """Choose parameters, fit and measure on one table."""
    split, digest = task.load(seed)
    assert split.anomalous is not None
    anomalies = np.flatnonzero(split.anomalous)
    labelled = np.random.default_rng(seed).choice(anomalies, min(N_LABELLED, len(anomalies) // 2), replace=False)
    tested = np.setdiff1d(np.arange(len(split.x_test)), labelled)
    started, chosen = time.perf_counter(), {}
    if choice == "defaults":
        detector = create(name, random_state=seed).fit(split.x_train)
    else:
        known = None if choice == "without labels" else split.x_test[labelled]
        found = tune(split.x_train, name, anomalies=known, n_trials=trials, random_state=seed)
        detector, chosen = found.detector, found.chosen.parameters
    seconds = time.perf_counter() - started
    scores, y = detector.anomaly_score(split.x_test[tested]), split.anomalous[tested]
    return {
        "table": task.name,
        "detector": name,
        "way": choice,
        "seed": seed,
        "trials": trials,
        "digest": digest,
        "average_precision": metrics.average_precision(scores, y),
        "auroc": metrics.auroc(scores, y),
        "chosen": chosen,
        "seconds": seconds,
        "versions": detector.fit_versions_,
    }


def main() -> None:
    """Measure what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detectors", nargs="+", default=["blend", "egbad"])
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=[*TABLES])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/tuning.jsonl"))
    options = parser.parse_args()
    for category in (HealthWarning, CalibrationWarning):
        warnings.simplefilter("ignore", category)
    done = {(line["table"], line["detector"], line["way"], line["seed"]) for line in read_lines(options.out)}
    for name in options.detectors:
        for seed in range(options.seeds):
            for task in clean_tasks("adbench", options.tables):
                for choice in CHOICES:
                    if (task.name, name, choice, seed) not in done:
                        append_line(options.out, measure(task, name, choice, seed, options.trials))


if __name__ == "__main__":
    main()
