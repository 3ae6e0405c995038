"""How seconds grow: training and scoring by rows, columns, side of images, members and threads, and the fitted exponent.

    python benchmarks/speed/growth.py --out benchmarks/results/growth.jsonl

The exponent is the slope of a line through the logarithms: 1 is in proportion, 0 does not grow. Seconds of training are
those of a fixed number of steps by default; for rows also a whole fit by the default, whose number of steps depends on
how soon little is gained, not on the rows.
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


def drawn(n: int, shape: Sequence[int], seed: int = 0) -> np.ndarray:
    """Rows or images near a plane of eight dimensions: something to learn."""
    rng = np.random.default_rng(seed)
    way = np.random.default_rng(9).normal(size=(8, int(np.prod(shape)))).astype(np.float32)
    x = rng.normal(size=(n, 8)).astype(np.float32) @ way
    return (x + 0.1 * rng.normal(size=x.shape).astype(np.float32)).reshape(n, *shape)


def seconds(work: Callable[[], object]) -> float:
    work()
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return median(times)


def training(x: np.ndarray, n: int = STEPS, **options: Any) -> float:
    """Seconds of a step: between two moments of one run that lie n steps apart, at each of which it settles once."""

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
    detector = EGBAD(training=TrainingConfig(steps=5), random_state=0, alpha=0.1, **options).fit(x)
    return seconds(lambda: detector.anomaly_score(y))


def measured() -> dict[str, tuple[Sequence[int], Callable[[int], float]]]:
    """What is measured -> the sizes, and the seconds at one of them."""
    few = drawn(2000, (121,))
    images = {side: drawn(400, (side, side)) for side in (16, 32, 64, 128)}

    def threads(n: int) -> float:
        torch.set_num_threads(n)
        return scoring(few, drawn(100_000, (121,), 1))

    return {
        "scoring, rows": ((10**3, 10**4, 10**5, 10**6), lambda n: scoring(few, drawn(n, (121,), 1))),
        "a whole fit, rows": (
            (10**3, 10**4, 10**5, 10**6),
            lambda n: EGBAD(random_state=0, alpha=0.1).fit(drawn(n, (121,))).fit_seconds_,
        ),
        "scoring, columns": (
            (10, 50, 200, 1000, 2000),
            lambda d: scoring(drawn(2000, (d,)), drawn(20_000, (d,), 1)),
        ),
        "a step, columns": ((10, 50, 200, 1000, 2000), lambda d: training(drawn(2000, (d,)))),
        "scoring, side": ((16, 32, 64, 128), lambda side: scoring(images[side], images[side])),
        "a step, side": ((16, 32, 64, 128), lambda side: training(images[side][:64], max(3, 480 // side))),
        "scoring, members": ((1, 2, 4, 8, 16, 32), lambda k: scoring(few, drawn(20_000, (121,), 1), members=k)),
        "a step, members": ((1, 2, 4, 8, 16, 32), lambda k: training(few, members=k)),
        "scoring, threads": ((1, 2), threads),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/growth.jsonl"))
    parser.add_argument("--only", default="", help="only what holds these words")
    options = parser.parse_args()
    for quiet in (HealthWarning, CalibrationWarning):
        warnings.simplefilter("ignore", quiet)
    usual = torch.get_num_threads()
    for what, (sizes, at) in measured().items():
        if options.only not in what:
            continue
        torch.set_num_threads(1 if what.startswith("a ") else usual)
        found = [at(size) for size in sizes]
        torch.set_num_threads(usual)
        exponent = np.polyfit(np.log(sizes), np.log(found), 1)[0]
        line = {"what": what, "sizes": list(sizes), "seconds": found, "exponent": float(exponent)}
        print(json.dumps(line), flush=True)
        with options.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line | {"torch": torch.__version__}) + "\n")


if __name__ == "__main__":
    main()
