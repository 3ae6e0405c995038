"""What `tune` is worth: a detector's defaults, and its parameters chosen without labels, or by ten labelled anomalies.

    python benchmarks/tuning.py --seeds 1

For each table the normal rows to learn from and the test rows of the clean protocol; the ten anomalies that judge are taken out
of the test rows of all three. One JSON line for each. It goes on where it was stopped; `--table` makes the table.
"""

import argparse
import json
import time
import warnings
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from egbad.benchmark import suites
from egbad.detectors.registry import create
from egbad.errors import CalibrationWarning, HealthWarning
from egbad.scoring import metrics
from egbad.tuning import tune

TABLES = ("cardio", "glass", "Lymphography", "Stamps", "vertebral", "WDBC", "wine", "yeast")
LABELLED = 10
WAYS = ("defaults", "without labels", f"by {LABELLED} labelled")
Line = dict[str, Any]


def measure(task: Any, name: str, way: str, seed: int, trials: int) -> Line:
    split, digest = task.load(seed)
    assert split.anomalous is not None
    strange = np.flatnonzero(split.anomalous)
    judges = np.random.default_rng(seed).choice(strange, min(LABELLED, len(strange) // 2), replace=False)
    tested = np.setdiff1d(np.arange(len(split.x_test)), judges)
    started, chosen = time.perf_counter(), {}
    if way == "defaults":
        detector = create(name, random_state=seed).fit(split.x_train)
    else:
        known = None if way == "without labels" else split.x_test[judges]
        found = tune(split.x_train, name, anomalies=known, trials=trials, random_state=seed)
        detector, chosen = found.detector, found.chosen.parameters
    seconds = time.perf_counter() - started
    scores, y = detector.anomaly_score(split.x_test[tested]), split.anomalous[tested]
    return {
        "table": task.name,
        "detector": name,
        "way": way,
        "seed": seed,
        "trials": trials,
        "digest": digest,
        "average_precision": metrics.average_precision(scores, y),
        "auroc": metrics.auroc(scores, y),
        "chosen": chosen,
        "seconds": seconds,
        "versions": detector.fit_versions_,
    }


def table(lines: list[Line]) -> None:
    """Means over the tables that all ways have, and how often something was chosen."""
    for name in dict.fromkeys(line["detector"] for line in lines):
        by_way = [[line for line in lines if (line["detector"], line["way"]) == (name, way)] for way in WAYS]
        whole = set.intersection(*({(line["table"], line["seed"]) for line in own} for own in by_way))
        for way, of_way in zip(WAYS, by_way, strict=True):
            own = [line for line in of_way if (line["table"], line["seed"]) in whole]
            if not own:
                continue
            values = (mean(line[metric] for line in own) for metric in ("average_precision", "auroc"))
            changed = sum(bool(line["chosen"]) for line in own)
            print(f"| {name} | {way} | {' | '.join(f'{v:.3f}' for v in values)} | {changed} of {len(own)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detectors", nargs="+", default=["blend", "egbad"])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/tuning.jsonl"))
    options = parser.parse_args()
    lines = [json.loads(line) for line in options.out.read_text().splitlines()] if options.out.exists() else []
    if options.table:
        table(lines)
        return
    for quiet in (HealthWarning, CalibrationWarning):
        warnings.simplefilter("ignore", quiet)
    done = {(line["table"], line["detector"], line["way"], line["seed"]) for line in lines}
    tasks = {task.name: task for task in suites.find_suite("adbench", "clean").tasks("clean", None)}
    for name in options.detectors:
        for seed in range(options.seeds):
            for task in (tasks[table] for table in TABLES):
                for way in WAYS:
                    if (task.name, name, way, seed) in done:
                        continue
                    line = json.dumps(measure(task, name, way, seed, options.trials))
                    print(line, flush=True)
                    with options.out.open("a", encoding="utf-8") as file:
                        file.write(line + "\n")


if __name__ == "__main__":
    main()
