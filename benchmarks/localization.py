"""Where a tile is defective: heatmaps beside the masks of the defects, which were seen by no detector.

    python benchmarks/localization.py
    python benchmarks/localization.py --tile 32 --overlap 0.75 --detectors knn egbad --out tiled.jsonl

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

from egbad.benchmark import suites
from egbad.detectors.registry import create
from egbad.detectors.tiled import Tiled
from egbad.scoring import metrics


def made(name: str, seed: int, tile: int | None, overlap: float) -> Any:
    """The detector as it is, or of patches."""
    if tile is None:
        return create(name, random_state=seed)
    nearest = {"n_neighbors": 1, "metric": "correlation"} if name == "knn" else None
    return Tiled(detector=name, detector_params=nearest, tile_size=tile, overlap=overlap, random_state=seed)


def measure(name: str, seed: int, tile: int | None = None, overlap: float = 0.5) -> dict[str, Any]:
    (task,) = suites.find_suite("magnetic_tile", "clean").tasks("clean", None)
    split, digest = task.load(seed)
    assert split.anomalous is not None
    assert split.masks is not None
    assert split.classes is not None
    detector = made(name, seed, tile, overlap).fit(split.x_train)
    costs, x, masks = [], split.x_test, split.masks
    for _ in range(3):
        started = time.perf_counter()
        scores = detector.anomaly_score(x)
        scored = time.perf_counter()
        found = detector.explain(x)
        costs.append((time.perf_counter() - scored) / (scored - started))
    heat = found.shares
    defects = [kind for kind in np.unique(split.classes) if masks[split.classes == kind].any()]
    return {
        "detector": name,
        "seed": seed,
        "tile": tile,
        "overlap": overlap if tile else None,
        "digest": digest,
        "method": found.method,
        "auroc": metrics.auroc(scores, split.anomalous),
        "pixel_auroc": metrics.auroc(heat.ravel(), masks.ravel()),
        "pro": metrics.per_region_overlap(heat, masks),
        "by_kind": {
            str(kind): metrics.auroc(heat[split.classes == kind].ravel(), masks[split.classes == kind].ravel())
            for kind in defects
        },
        "costs_scores": median(costs),
        "versions": detector.fit_versions_,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detectors", nargs="+", default=["pca", "egbad", "blend"])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--tile", type=int, help="patches of so many pixels instead of whole tiles")
    parser.add_argument("--overlap", type=float, default=0.5)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/localization.jsonl"))
    options = parser.parse_args()
    with options.out.open("w", encoding="utf-8") as file:
        for seed in range(options.seeds):
            for name in options.detectors:
                line = json.dumps(measure(name, seed, options.tile, options.overlap))
                print(line, flush=True)
                file.write(line + "\n")


if __name__ == "__main__":
    main()
