"""Measure the default detector of photographs and PatchCore on one core: an image from its file, and the peak memory of a fit.

    python benchmarks/speed/photographs.py images --sides 320 640
    python benchmarks/speed/photographs.py fit --images 10000 --side 320

`images` fits each detector to 60 synthetic JPEG files and scores others one by one, decoding included: the median and the 90th
percentile of the milliseconds. `fit` learns a folder of JPEG files: seconds and the peak of memory. One JSON line each.
"""

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from egbad import Blend
from egbad.data import read
from egbad.detectors import PatchCore

N_FITTED, N_SCORED, N_WARM = 60, 40, 5
DETECTORS: dict[str, Any] = {"Blend": Blend, "PatchCore": PatchCore}


def write(folder: Path, n: int, side: int) -> list[Path]:
    """Write n JPEG files of smooth colours with noise, and return their paths."""
    rng = np.random.default_rng(0)
    paths = [folder / f"{i:05}.jpg" for i in range(n)]
    for path in paths:
        colours = Image.fromarray(rng.integers(0, 255, (side // 16, side // 16, 3), dtype=np.uint8))
        smooth = np.asarray(colours.resize((side, side), Image.Resampling.BICUBIC)).astype(int)
        noisy = np.clip(smooth + rng.integers(-12, 12, smooth.shape), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(path, quality=88)
    return paths


def time_images(sides: list[int]) -> Iterator[dict[str, Any]]:
    """Yield the time of an image by side and detector."""
    for side in sides:
        with tempfile.TemporaryDirectory() as name:
            paths = write(Path(name), N_FITTED + N_SCORED, side)
            for label, kind in DETECTORS.items():
                detector = kind(alpha=0.2, random_state=0).fit(read(paths[:N_FITTED], lazy=True))
                seconds = []
                for path in paths[N_FITTED:]:
                    started = time.perf_counter()
                    detector.anomaly_score(read(path, patch_size=8).x)
                    seconds.append(time.perf_counter() - started)
                ms = 1000 * np.array(seconds[N_WARM:])
                memory = detector.parts_["patchcore"].memory_ if label == "Blend" else detector.memory_
                yield {
                    "job": "one image",
                    "detector": label,
                    "side": side,
                    "memory": len(memory.memory),
                    "median_ms": round(float(np.median(ms)), 1),
                    "p90_ms": round(float(np.quantile(ms, 0.9)), 1),
                }


def fit_folder(n: int, side: int) -> Iterator[dict[str, Any]]:
    """Yield seconds and peak memory of a fit to n images of files."""
    with tempfile.TemporaryDirectory() as name:
        data = read(write(Path(name), n, side), lazy=True)
        for label, kind in DETECTORS.items():
            started = time.perf_counter()
            kind(alpha=0.01, random_state=0).fit(data)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
            yield {
                "job": "fit",
                "detector": label,
                "images": n,
                "side": side,
                "seconds": round(time.perf_counter() - started, 1),
                "peak_gib": round(peak, 2),
            }


def main() -> None:
    """Print the lines of a job."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=["images", "fit"])
    parser.add_argument("--sides", type=int, nargs="+", default=[320, 640])
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--side", type=int, default=320)
    options = parser.parse_args()
    torch.set_num_threads(1)
    lines = time_images(options.sides) if options.job == "images" else fit_folder(options.images, options.side)
    for line in lines:
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
