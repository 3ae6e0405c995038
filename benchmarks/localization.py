"""Compare the pixel attributions of detectors with the masks of defects on magnetic tiles.

    python benchmarks/localization.py
    python benchmarks/localization.py --tile 32 --overlap 0.75 --detectors knn egbad --out tiled.jsonl

Detectors see no masks. One JSON line per detector: AUROC over the pixels of all test tiles, PRO up to a false-alarm rate of
0.3, AUROC for each kind of defect, and the cost of the attributions relative to scoring.
"""

import argparse
import json
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from common import clean_tasks
from lines import Line

from egbad.detectors.registry import create
from egbad.detectors.tiled import Tiled
from egbad.scoring import metrics
from egbad.scoring.localization import per_region_overlap

REPEATS = 3


def make_detector(name: str, seed: int, tile_size: int | None, overlap: float) -> Any:
    """Return a detector of whole tiles, or of patches of `tile_size` pixels."""
    if tile_size is None:
        return create(name, random_state=seed)
    nearest = {"n_neighbors": 1, "metric": "correlation"} if name == "knn" else None
    return Tiled(detector=name, detector_params=nearest, tile_size=tile_size, overlap=overlap, random_state=seed)


def measure(name: str, seed: int, tile_size: int | None = None, overlap: float = 0.5) -> Line:
    """Fit one detector and compare its attributions with the masks."""
    (task,) = clean_tasks("magnetic_tile")
    split, digest = task.load(seed)
    assert split.anomalous is not None
    assert split.masks is not None
    assert split.classes is not None
    detector = make_detector(name, seed, tile_size, overlap).fit(split.x_train)
    costs, x, masks = [], split.x_test, split.masks
    for _ in range(REPEATS):
        started = time.perf_counter()
        scores = detector.anomaly_score(x)
        scored = time.perf_counter()
        explanation = detector.explain(x)
        costs.append((time.perf_counter() - scored) / (scored - started))
    shares = explanation.shares
    defects = [kind for kind in np.unique(split.classes) if masks[split.classes == kind].any()]
    return {
        "detector": name,
        "seed": seed,
        "tile": tile_size,
        "overlap": overlap if tile_size else None,
        "digest": digest,
        "method": explanation.method,
        "auroc": metrics.auroc(scores, split.anomalous),
        "pixel_auroc": metrics.auroc(shares.ravel(), masks.ravel()),
        "pro": per_region_overlap(shares, masks),
        "by_kind": {
            str(kind): metrics.auroc(shares[split.classes == kind].ravel(), masks[split.classes == kind].ravel())
            for kind in defects
        },
        "costs_scores": median(costs),
        "versions": detector.fit_versions_,
    }


def main() -> None:
    """Write one JSON line per detector and seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detectors", nargs="+", default=["pca", "egbad", "blend"])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--tile", type=int, help="side of patches in pixels; whole tiles by default")
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
