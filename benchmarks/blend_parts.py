"""The blend beside each of its parts, by one fit of it: whether a part makes it worse than its best part.

    python benchmarks/blend_parts.py --seeds 3

One JSON line per data set and seed; it goes on where it was stopped. `--table` says where the best part is ahead.
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path
from statistics import mean
from typing import Any

from egbad.arrays import map_unique_rows
from egbad.benchmark import suites
from egbad.detectors.registry import create
from egbad.scoring import metrics

SUITES = ("kdd99", "adbench", "digits", "magnetic_tile")
Line = dict[str, Any]


def measure(task: Any, seed: int) -> Line:
    """AUROC and average precision of the blend and of each part, on the same rows."""
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


def table(lines: list[Line]) -> None:
    """Means over seeds, and where the best part is ahead of the blend by more than 0.01 AUROC."""
    by_task = defaultdict(list)
    for line in lines:
        by_task[line["task"]].append(line["auroc"])
    ahead = {}
    for task, found in by_task.items():
        means = {name: mean(of[name] for of in found) for name in found[0]}
        best = max((name for name in means if name != "blend"), key=means.__getitem__)
        ahead[task] = (means[best] - means["blend"], best, means)
    print("| data | blend | best part | the others |")
    print("| --- | --- | --- | --- |")
    for task, (by, best, means) in sorted(ahead.items(), key=lambda item: -item[1][0]):
        others = ", ".join(f"{name} {value:.3f}" for name, value in means.items() if name not in ("blend", best))
        if by > 0.01:
            print(f"| {task} | {means['blend']:.3f} | {best} {means[best]:.3f} | {others} |")
    behind = sum(by <= 0 for by, _, _ in ahead.values())
    print(f"\n{len(ahead)} data sets; the blend is at least as good as its best part on {behind}.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=SUITES, default=[*SUITES])
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/blend_parts.jsonl"))
    options = parser.parse_args()
    lines = [json.loads(line) for line in options.out.read_text().splitlines()] if options.out.exists() else []
    if options.table:
        table(lines)
        return
    done = {(line["task"], line["seed"]) for line in lines}
    for seed in range(options.seeds):
        for task in (task for suite in options.only for task in suites.find_suite(suite, "clean").tasks("clean", None)):
            if (task.name, seed) in done:
                continue
            line = json.dumps(measure(task, seed))
            print(line, flush=True)
            with options.out.open("a", encoding="utf-8") as file:
                file.write(line + "\n")


if __name__ == "__main__":
    main()
