"""Compare a detector's defaults with parameters tuned without labels and with ten labelled anomalies.

    python benchmarks/tuning.py --seeds 1
    python benchmarks/tuning.py --table

Each table uses the normal training rows and the test rows of the clean protocol. The ten labelled anomalies are removed from
the test rows in all three cases. One JSON line per run. An interrupted run resumes where it stopped.
"""

import argparse
import time
import warnings
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from common import Line, append_line, clean_tasks, read_lines

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


def print_table(lines: list[Line]) -> None:
    """Print means over the tables that all three choices have, and how often tuning changed the defaults."""
    for name in dict.fromkeys(line["detector"] for line in lines):
        by_choice = [[line for line in lines if (line["detector"], line["way"]) == (name, way)] for way in CHOICES]
        complete = set.intersection(*({(line["table"], line["seed"]) for line in own} for own in by_choice))
        for choice, lines_of_choice in zip(CHOICES, by_choice, strict=True):
            own = [line for line in lines_of_choice if (line["table"], line["seed"]) in complete]
            if not own:
                continue
            values = (mean(line[metric] for line in own) for metric in ("average_precision", "auroc"))
            changed = sum(bool(line["chosen"]) for line in own)
            print(f"| {name} | {choice} | {' | '.join(f'{v:.3f}' for v in values)} | {changed} of {len(own)} |")


def main() -> None:
    """Measure what is missing, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detectors", nargs="+", default=["blend", "egbad"])
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=[*TABLES])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--table", action="store_true", help="print the table and measure nothing")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/tuning.jsonl"))
    options = parser.parse_args()
    lines = read_lines(options.out)
    if options.table:
        print_table(lines)
        return
    for category in (HealthWarning, CalibrationWarning):
        warnings.simplefilter("ignore", category)
    done = {(line["table"], line["detector"], line["way"], line["seed"]) for line in lines}
    for name in options.detectors:
        for seed in range(options.seeds):
            for task in clean_tasks("adbench", options.tables):
                for choice in CHOICES:
                    if (task.name, name, choice, seed) not in done:
                        append_line(options.out, measure(task, name, choice, seed, options.trials))


if __name__ == "__main__":
    main()
