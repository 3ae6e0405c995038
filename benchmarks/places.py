"""Where a tile is defective: heatmaps beside the masks of the defects, which were seen by no detector.

    python benchmarks/places.py

One JSON line per detector: over the pixels of all test tiles AUROC and PRO up to a false-alarm rate of 0.3, AUROC over those
of each kind of defect, and what the heatmaps cost, in scores.
"""

import argparse
import json
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from egbad import metrics
from egbad.benchmark import suites
from egbad.registry import create


def measure(name: str, seed: int) -> dict[str, Any]:
    (task,) = suites.find("magnetic_tile", "clean").tasks("clean", None)
    split, digest = task.load(seed)
    assert split.anomalous is not None
    assert split.masks is not None
    assert split.kinds is not None
    detector = create(name, random_state=seed).fit(split.x_train)
    costs, x, masks = [], split.x_test, split.masks
    for _ in range(3):
        started = time.perf_counter()
        scores = detector.anomaly_score(x)
        scored = time.perf_counter()
        found = detector.explain(x)
        costs.append((time.perf_counter() - scored) / (scored - started))
    heat = found.shares
    defects = [kind for kind in np.unique(split.kinds) if masks[split.kinds == kind].any()]
    return {
        "detector": name,
        "seed": seed,
        "digest": digest,
        "method": found.method,
        "auroc": metrics.auroc(scores, split.anomalous),
        "pixel_auroc": metrics.auroc(heat.ravel(), masks.ravel()),
        "pro": metrics.per_region_overlap(heat, masks),
        "by_kind": {
            str(kind): metrics.auroc(heat[split.kinds == kind].ravel(), masks[split.kinds == kind].ravel())
            for kind in defects
        },
        "costs_scores": median(costs),
        "versions": detector.fit_versions_,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detectors", nargs="+", default=["pca", "egbad", "blend"])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/places.jsonl"))
    options = parser.parse_args()
    with options.out.open("w", encoding="utf-8") as file:
        for seed in range(options.seeds):
            for name in options.detectors:
                line = json.dumps(measure(name, seed))
                print(line, flush=True)
                file.write(line + "\n")


if __name__ == "__main__":
    main()
