"""Wider networks that are trained for longer, as a GPU allows: what they are worth on the images of a benchmark.

    EGBAD_DATA=... python benchmarks/wide_networks.py cifar10 --precision tf32 --jobs 4

`blend` with "contrastive-wide" in it, that part alone, and EGBAD twice as wide, whose own rule ends it. One JSON line per task
and detector.
"""

import argparse
import json
import time
import warnings
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from egbad import EGBAD, Blend
from egbad.benchmark import suites
from egbad.errors import CalibrationWarning, HealthWarning
from egbad.scoring import metrics

Line = dict[str, Any]


def measured(suite: str, number: int, name: str, seed: int, options: argparse.Namespace) -> list[Line]:
    """Fit one detector on one task -> a line for it, and for the part of it that learned."""
    warnings.simplefilter("ignore", (CalibrationWarning, HealthWarning))
    torch.set_num_threads(1)
    task = suites.find_suite(suite, "clean").tasks("clean", None)[number]
    split, _ = task.load(seed)
    given = {"random_state": seed, "training__precision": options.precision}
    if name == "blend":
        colour = ("nearest-colour",) if split.x_train.shape[-1] == 3 else ()
        detector: Any = Blend(parts=("contrastive-wide", "nearest-correlation", *colour), **given)
    else:
        detector = EGBAD(width=64, **given)
    started = time.perf_counter()
    detector.fit(split.x_train)
    fitted = time.perf_counter() - started
    lines = []
    for label, scorer in {name: detector, **getattr(detector, "parts_", {})}.items():
        if label in (name, "contrastive-wide"):
            started = time.perf_counter()
            scores = scorer.anomaly_score(split.x_test)
            lines.append({
                "suite": suite, "task": task.name, "detector": label, "seed": seed, "training__precision": options.precision,
                "auroc": metrics.auroc(scores, split.anomalous),
                "average_precision": metrics.average_precision(scores, split.anomalous),
                "fit_seconds": fitted, "score_seconds": time.perf_counter() - started,
            })  # fmt: skip
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite")
    parser.add_argument("--detectors", nargs="+", default=["blend", "egbad"])
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with ProcessPoolExecutor(options.jobs, get_context("spawn")) as pool:
        waiting = [
            pool.submit(measured, options.suite, number, name, seed, options)
            for name in options.detectors
            for seed in range(options.seeds)
            for number in range(len(suites.find_suite(options.suite, "clean").tasks("clean", None)))
        ]
        for done in as_completed(waiting):
            for line in done.result():
                print(json.dumps(line), flush=True)
                if options.out is not None:
                    with options.out.open("a") as file:
                        file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
