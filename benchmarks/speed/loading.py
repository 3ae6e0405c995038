"""Measure how fast photographs are read, resized and scored: on one thread, in threads, in processes, and by `egbad.data`.

    python benchmarks/speed/loading.py --repeats 3

The photographs are JPEGs of smooth colours with noise, written to a temporary folder. The first three methods decode them at
full size. `busy` is the share of all cores' time that this process and its workers used; workers start anew for each run.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

import numpy as np
from loky import cpu_count, get_reusable_executor
from PIL import Image

from egbad.data import open_stream
from egbad.data.worker_pool import map_processes
from egbad.detectors import EGBAD
from egbad.training import TrainingConfig

SIZE = (64, 64)
SETS = {"2,000 of 640 x 480": (2000, 480, 640), "150 of 3,008 x 2,000": (150, 2000, 3008)}
METHODS = ("one thread", "threads", "processes", "egbad.data")
TASK_PIXELS = 2**21  # pixels in one task of a worker
BATCH_IMAGES = 60  # images per scoring call


def write(folder: Path, n: int, height: int, width: int) -> list[Path]:
    """Write n photographs and return their paths."""
    rng = np.random.default_rng(0)
    paths = [folder / f"{i:05}.jpg" for i in range(n)]
    for path in paths:
        colours = Image.fromarray(rng.integers(0, 255, (height // 16, width // 16, 3), dtype=np.uint8))
        smooth = np.asarray(colours.resize((width, height), Image.Resampling.BICUBIC)).astype(int)
        noisy = np.clip(smooth + rng.integers(-12, 12, smooth.shape), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(path, quality=88)
    return paths


def pixels(path: Path) -> np.ndarray:
    """Read and resize one photograph, (3, h, w)."""
    with Image.open(path) as image:
        return np.moveaxis(np.asarray(image.convert("RGB").resize(SIZE[::-1], Image.Resampling.LANCZOS)), 2, 0)


def read(method: str, paths: list[Path], at_once: int) -> Iterator[np.ndarray]:
    """Yield the images one by one."""
    if method == "one thread":
        return map(pixels, paths)
    if method == "egbad.data":
        return chain.from_iterable(
            data.x for data in open_stream(paths[0].parent, image_size=SIZE, colour=True).batches
        )
    return map_processes(pixels, paths, at_once, processes=method == "processes")


def score(images: Iterator[np.ndarray], detector: EGBAD | None) -> None:
    """Read all images, and score them if there is a detector."""
    while batch := [*islice(images, BATCH_IMAGES)]:
        if detector is not None:
            detector.anomaly_score(np.stack(batch))


def measure(method: str, paths: list[Path], at_once: int, detector: EGBAD | None) -> tuple[float, float]:
    """Return the images a second and the share of all cores' time."""
    before, started = os.times(), time.perf_counter()
    score(read(method, paths, at_once), detector)
    seconds = time.perf_counter() - started
    get_reusable_executor().shutdown(wait=True)  # the times of workers count once they have ended
    return len(paths) / seconds, (sum(os.times()[:4]) - sum(before[:4])) / seconds / cpu_count()


def main() -> None:
    """Print one JSON line per set, job and method."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    normal = np.random.default_rng(0).integers(0, 255, (200, 3, *SIZE), dtype=np.uint8)
    detector = EGBAD(training=TrainingConfig(steps=20), alpha=0.1, random_state=0).fit(normal)
    for name, (n, height, width) in SETS.items():
        with tempfile.TemporaryDirectory() as folder:
            paths = write(Path(folder), n, height, width)
            for job, scorer in (("read", None), ("read and scored", detector)):
                found: dict[str, list[tuple[float, float]]] = {method: [] for method in METHODS}
                for method in options.repeats * METHODS:
                    found[method].append(measure(method, paths, max(1, TASK_PIXELS // (height * width)), scorer))
                for method, runs in found.items():
                    speed, busy = (statistics.median(column) for column in zip(*runs, strict=True))
                    line = {"images": name, "job": job, "method": method, "images_per_second": round(speed, 1)}
                    line |= {"busy": round(busy, 2), "repeats": [round(rate, 1) for rate, _ in runs]}
                    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
