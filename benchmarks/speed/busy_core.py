"""Time fits and scores while another program keeps one core busy, and alone.

python benchmarks/speed/busy_core.py
"""

import argparse
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from statistics import median

import numpy as np

from egbad.data.worker_pool import available_cores
from egbad.detectors.registry import create

STEPS = 100
WORK = ("fit on rows", "fit on rows, ten members", "fit on images", "scoring 4,096 rows")
_BUSY_SCRIPT = "import os, sys; os.sched_setaffinity(0, {int(sys.argv[1])})\nwhile True: pass"


def work(name: str) -> Callable[[], object]:
    """Return the function to time."""
    rng = np.random.default_rng(0)
    rows, images = rng.normal(size=(2000, 121)).astype(np.float32), rng.integers(0, 256, (200, 28, 28), dtype=np.uint8)
    options = {"random_state": 0, "alpha": 0.1}
    if name.startswith("fit on rows"):
        members = 10 if name.endswith("ten members") else 1
        return lambda: create("egbad", training__steps=STEPS, members=members, **options).fit(rows)
    if name == "fit on images":
        return lambda: create("contrastive", training__steps=STEPS // 5, **options).fit(images)
    detector, many = create("egbad", training__steps=5, **options).fit(rows), np.tile(rows, (3, 1))[:4096]
    return lambda: detector.anomaly_score(many)


def seconds(name: str) -> float:
    """Return the median of three durations, after one call that does not count."""
    run = work(name)
    run()
    found = []
    for _ in range(3):
        started = time.perf_counter()
        run()
        found.append(time.perf_counter() - started)
    return median(found)


def main() -> None:
    """Print the table."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    warnings.simplefilter("ignore")
    print("| work | alone, s | one core busy, s |\n| --- | --- | --- |")
    for name in WORK:
        alone = seconds(name)
        with subprocess.Popen([sys.executable, "-c", _BUSY_SCRIPT, str(available_cores() - 1)]) as busy:
            beside = seconds(name)
            busy.kill()
        print(f"| {name} | {alone:.3g} | {beside:.3g} |", flush=True)


if __name__ == "__main__":
    main()
