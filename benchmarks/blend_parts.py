"""Compare Blend with each of its parts, fitted once, to find where the best part is better than the blend.

    python benchmarks/blend_parts.py --seeds 2

One JSON line per data set and seed. An interrupted run resumes where it stopped; `benchmarks/tables.py` makes the table.
"""

import argparse
from pathlib import Path
from typing import Any

from common import clean_tasks
from lines import Line, append_line, read_lines

from egbad.arrays import map_unique_rows
from egbad.detectors.registry import create
from egbad.scoring import metrics

SUITES = ("kdd99", "adbench")


def measure(task: Any, seed: int) -> Line:
    """Return AUROC and average precision of the blend and of each part on one task."""
    split, digest = task.load(seed)
    blend = create("blend", random_state=seed).fit(split.x_train)
    scorers = {"blend": blend, **blend.parts_}
    scores = {name: map_unique_rows(scorer.score_checked, split.x_test)[0] for name, scorer in scorers.items()}
    return {
        "task": task.name,
        "seed": seed,
        "digest": digest,
        "auroc": {name: metrics.auroc(own, split.anomalous) for name, own in scores.items()},
        "average_precision": {name: metrics.average_precision(own, split.anomalous) for name, own in scores.items()},
        "versions": blend.fit_versions_,
    }


def main() -> None:
    """Measure what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=SUITES, default=[*SUITES], help="suites to run")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/blend_parts.jsonl"))
    options = parser.parse_args()
    done = {(line["task"], line["seed"]) for line in read_lines(options.out)}
    for seed in range(options.seeds):
        for task in (task for suite in options.only for task in clean_tasks(suite)):
            if (task.name, seed) not in done:
                append_line(options.out, measure(task, seed))


if __name__ == "__main__":
    main()
