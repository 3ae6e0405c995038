"""Measure how time grows with rows, columns, image side, members and threads, and fit the exponent.

    python benchmarks/speed/growth.py --out benchmarks/results/growth.jsonl

The exponent is the slope of a line through the logarithms: 1 is proportional growth, 0 is none. Training is timed by a fixed
number of steps; for rows also by a complete fit, whose number of steps depends on early stopping.
"""

import argparse
import json
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from egbad import EGBAD
from egbad.errors import CalibrationWarning, HealthWarning
from egbad.training import EarlyStopping, TrainingConfig

REPEATS = 3
STEPS = 60


def random_data(n: int, shape: Sequence[int], seed: int = 0) -> np.ndarray:
    """Return random rows or images near an eight-dimensional plane."""
    rng = np.random.default_rng(seed)
    way = np.random.default_rng(9).normal(size=(8, int(np.prod(shape)))).astype(np.float32)
    x = rng.normal(size=(n, 8)).astype(np.float32) @ way
    return (x + 0.1 * rng.normal(size=x.shape).astype(np.float32)).reshape(n, *shape)


def seconds(work: Callable[[], object]) -> float:
    """Return the median duration, after one call that does not count."""
    work()
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return median(times)


def training(x: np.ndarray, n: int = STEPS, **options: Any) -> float:
    """Return the duration of a step, from two callbacks that are n steps apart."""

    def once() -> float:
        marks: list[float] = []
        detector = EGBAD(
            training=TrainingConfig(steps=2 * n),
            early_stopping=EarlyStopping(criterion="none"),
            random_state=0,
            alpha=0.1,
            **options,
        )
        detector.fit(x, callback=lambda step: marks.append(time.perf_counter()), callback_interval=n)
        return (marks[1] - marks[0]) / n

    return median(once() for _ in range(REPEATS))


def scoring(x: np.ndarray, y: np.ndarray, **options: Any) -> float:
    """Return the duration of scoring y by a detector fitted on x."""
    detector = EGBAD(training=TrainingConfig(steps=5), random_state=0, alpha=0.1, **options).fit(x)
    return seconds(lambda: detector.anomaly_score(y))


def measurements() -> dict[str, tuple[Sequence[int], Callable[[int], float]]]:
    """Return, for each measurement, the sizes and a function from a size to seconds."""
    few = random_data(2000, (121,))
    images = {side: random_data(400, (side, side)) for side in (16, 32, 64, 128)}

    def threads(n: int) -> float:
        torch.set_num_threads(n)
        return scoring(few, random_data(100_000, (121,), 1))

    return {
        "scoring, rows": ((10**3, 10**4, 10**5, 10**6), lambda n: scoring(few, random_data(n, (121,), 1))),
        "a complete fit, rows": (
            (10**3, 10**4, 10**5, 10**6),
            lambda n: EGBAD(random_state=0, alpha=0.1).fit(random_data(n, (121,))).fit_seconds_,
        ),
        "scoring, columns": (
            (10, 50, 200, 1000, 2000),
            lambda d: scoring(random_data(2000, (d,)), random_data(20_000, (d,), 1)),
        ),
        "a training step, columns": ((10, 50, 200, 1000, 2000), lambda d: training(random_data(2000, (d,)))),
        "scoring, image side": ((16, 32, 64, 128), lambda side: scoring(images[side], images[side])),
        "a training step, image side": (
            (16, 32, 64, 128),
            lambda side: training(images[side][:64], max(3, 480 // side)),
        ),
        "scoring, members": ((1, 2, 4, 8, 16, 32), lambda k: scoring(few, random_data(20_000, (121,), 1), members=k)),
        "a training step, members": ((1, 2, 4, 8, 16, 32), lambda k: training(few, members=k)),
        "scoring, threads": ((1, 2), threads),
    }


def main() -> None:
    """Append one JSON line per measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/growth.jsonl"))
    parser.add_argument("--only", default="", help="only measurements whose name contains this text")
    options = parser.parse_args()
    for quiet in (HealthWarning, CalibrationWarning):
        warnings.simplefilter("ignore", quiet)
    threads = torch.get_num_threads()
    for what, (sizes, at) in measurements().items():
        if options.only not in what:
            continue
        torch.set_num_threads(1 if what.startswith("a ") else threads)
        found = [at(size) for size in sizes]
        torch.set_num_threads(threads)
        exponent = np.polyfit(np.log(sizes), np.log(found), 1)[0]
        line = {"what": what, "sizes": list(sizes), "seconds": found, "exponent": float(exponent)}
        print(json.dumps(line), flush=True)
        with options.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line | {"torch": torch.__version__}) + "\n")


if __name__ == "__main__":
    main()
