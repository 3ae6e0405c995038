"""Compare scoring by EGBAD's one forward pass with AnoGAN's search of 500 steps.

    python benchmarks/speed/anogan_search.py --repeats 5

Uses the networks released with the paper, to which its claim refers, and our default networks. Both methods have the same batch
and threads and alternate, so noise affects both. `anomaly_score` is timed, including validation and encoding.
"""

import argparse
import json
import time
import warnings
from collections.abc import Callable

import numpy as np
import torch

from egbad.detectors.registry import create
from egbad.errors import HealthWarning

SHAPES: dict[str, tuple[int, ...]] = {"rows": (121,), "images": (28, 28)}
RECIPES = {"released": "paper", "default": "default"}  # networks -> recipe


def seconds(score: Callable[[np.ndarray], np.ndarray], x: np.ndarray, calls: int) -> float:
    """Return the mean duration of consecutive calls."""
    started = time.perf_counter()
    for _ in range(calls):
        score(x)
    return (time.perf_counter() - started) / calls


def main() -> None:
    """Print one JSON line per kind of data and networks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rows", type=int, default=1024, help="rows in a batch")
    parser.add_argument("--images", type=int, default=64, help="images in a batch")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    warnings.simplefilter("ignore", HealthWarning)
    rng = np.random.default_rng(0)
    for kind, shape in SHAPES.items():
        batch = rng.uniform(size=(given.rows if kind == "rows" else given.images, *shape)).astype(np.float32)
        for networks, recipe in RECIPES.items():
            # Speed does not depend on the weights.
            fast, slow = (
                create(name, recipe=recipe, training__steps=5, alpha=0.1, random_state=0).fit(batch)
                for name in ("egbad", "anogan")
            )
            seconds(fast.anomaly_score, batch, 3)  # warm-up
            times = []
            for _ in range(given.repeats):
                before = seconds(fast.anomaly_score, batch, 10)
                search = seconds(slow.anomaly_score, batch, 1)
                after = seconds(fast.anomaly_score, batch, 10)
                times.append(((before + after) / 2, search))
            one_pass, search = np.median(times, axis=0)
            ratios = [b / a for a, b in times]
            line = {
                "kind": kind,
                "networks": networks,
                "batch": len(batch),
                "threads": given.threads,
                "egbad_ms": 1000 * one_pass,
                "anogan_ms": 1000 * search,
                "egbad_per_second": len(batch) / one_pass,
                "anogan_per_second": len(batch) / search,
                "ratio": float(np.median(ratios)),
                "ratio_low": min(ratios),
                "ratio_high": max(ratios),
            }
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
