"""Compare methods without networks on ADBench, those that no page of results has beside those that all pages have.

    python benchmarks/small_methods.py --seeds 2

One JSON line per table, seed and detector. An interrupted run resumes where it stopped; `benchmarks/tables.py` makes the tables.
"""

import argparse
import time
from pathlib import Path
from typing import Any

from common import clean_tasks
from lines import Line, append_line, read_lines

from egbad.detectors.registry import create
from egbad.scoring import metrics

DETECTORS = ("feature_bagging", "column_gap", "column_density", "gaussian", "knn", "pca", "isolation_forest", "blend")


def measure(task: Any, name: str, seed: int) -> Line:
    """Return AUROC and average precision of a detector on one task, and the seconds of fit and score."""
    split, digest = task.load(seed)
    start = time.perf_counter()
    detector = create(name, random_state=seed).fit(split.x_train)
    fitted = time.perf_counter()
    scores = detector.score_checked(split.x_test)
    scored = time.perf_counter()
    return {
        "task": task.name,
        "seed": seed,
        "detector": name,
        "digest": digest,
        "rows": len(split.x_train),
        "base_rate": float(split.anomalous.mean()),
        "auroc": metrics.auroc(scores, split.anomalous),
        "average_precision": metrics.average_precision(scores, split.anomalous),
        "fit_seconds": fitted - start,
        "rows_per_second": len(split.x_test) / (scored - fitted),
        "versions": detector.fit_versions_,
    }


def main() -> None:
    """Measure what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/small_methods.jsonl"))
    options = parser.parse_args()
    done = {(line["task"], line["detector"], line["seed"]) for line in read_lines(options.out)}
    for seed in range(options.seeds):
        for task in clean_tasks("adbench"):
            for name in DETECTORS:
                if (task.name, name, seed) not in done:
                    append_line(options.out, measure(task, name, seed))


if __name__ == "__main__":
    main()
