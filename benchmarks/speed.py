"""Seconds to score the same rows and images by EGBAD's one forward pass and by AnoGAN's search of 500 steps.

    python benchmarks/speed.py --repeats 5

Both have the same generator sizes, batches and threads; the two take turns, so that noise meets both. What is timed is
`anomaly_score` on encoded-size chunks: 256 rows with 121 columns, and 32 images of 28 x 28.
"""

import argparse
import json
import time
import warnings

import numpy as np
import torch

from egbad.detectors import create
from egbad.errors import EgbadError, HealthWarning


def seconds(score: object, x: np.ndarray, calls: int) -> float:
    started = time.perf_counter()
    for _ in range(calls):
        score(x)  # type: ignore[operator]
    return (time.perf_counter() - started) / calls


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    if given.repeats < 1:
        raise EgbadError("repeats must be at least 1.")
    torch.set_num_threads(given.threads)
    warnings.simplefilter("ignore", HealthWarning)
    rng = np.random.default_rng(0)
    for kind, x in {"rows": rng.normal(size=(600, 121)), "images": rng.uniform(size=(400, 28, 28))}.items():
        batch = x[: 256 if kind == "rows" else 32]
        fast, slow = (
            create(name, steps=20, alpha=0.1, random_state=0, width=64 if kind == "rows" else 32).fit(x)
            for name in ("egbad", "anogan")
        )
        fast.anomaly_score(batch)  # the first call warms up
        ratios, times = [], []
        for _ in range(given.repeats):
            times.append((seconds(fast.anomaly_score, batch, 20), seconds(slow.anomaly_score, batch, 1)))
            ratios.append(times[-1][1] / times[-1][0])
        median = np.median(times, axis=0)
        line = {
            "kind": kind,
            "batch": len(batch),
            "threads": given.threads,
            "egbad_ms": 1000 * median[0],
            "anogan_ms": 1000 * median[1],
            "ratio": float(np.median(ratios)),
            "ratio_low": min(ratios),
            "ratio_high": max(ratios),
        }
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
