"""Compare Blend with each of its parts, fitted once, to find where the best part is better than the blend.

    python benchmarks/blend_parts.py --seeds 3
    python benchmarks/blend_parts.py --table

One JSON line per data set and seed. An interrupted run resumes where it stopped.
"""

import argparse
from collections import defaultdict
from pathlib import Path
from statistics import mean
from typing import Any

from common import Line, append_line, clean_tasks, read_lines

from egbad.arrays import map_unique_rows
from egbad.detectors.registry import create
from egbad.scoring import metrics

SUITES = ("kdd99", "adbench", "digits", "magnetic_tile")
MARGIN = 0.01  # difference in AUROC from which the table shows a data set


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


def print_table(lines: list[Line]) -> None:
    """Print mean AUROC over seeds where the best part is ahead of the blend by more than MARGIN."""
    by_task = defaultdict(list)
    for line in lines:
        by_task[line["task"]].append(line["auroc"])
    leads = {}
    for task, found in by_task.items():
        means = {name: mean(auroc[name] for auroc in found) for name in found[0]}
        best = max((name for name in means if name != "blend"), key=means.__getitem__)
        leads[task] = (means[best] - means["blend"], best, means)
    print("| data | blend | best part | other parts |")
    print("| --- | --- | --- | --- |")
    for task, (lead, best, means) in sorted(leads.items(), key=lambda item: -item[1][0]):
        others = ", ".join(f"{name} {value:.3f}" for name, value in means.items() if name not in ("blend", best))
        if lead > MARGIN:
            print(f"| {task} | {means['blend']:.3f} | {best} {means[best]:.3f} | {others} |")
    behind = sum(lead <= 0 for lead, _, _ in leads.values())
    print(f"\n{len(leads)} data sets; the blend is at least as good as its best part on {behind}.")


def main() -> None:
    """Measure what is missing, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=SUITES, default=[*SUITES], help="suites to run")
    parser.add_argument("--table", action="store_true", help="print the table and measure nothing")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/blend_parts.jsonl"))
    options = parser.parse_args()
    lines = read_lines(options.out)
    if options.table:
        print_table(lines)
        return
    done = {(line["task"], line["seed"]) for line in lines}
    for seed in range(options.seeds):
        for task in (task for suite in options.only for task in clean_tasks(suite)):
            if (task.name, seed) not in done:
                append_line(options.out, measure(task, seed))


if __name__ == "__main__":
    main()
