"""Measure wider networks with longer training, which need a GPU, on the images of a benchmark.

    EGBAD_DATA=... python benchmarks/wide_networks.py cifar10 --precision tf32 --jobs 4

Fits `blend` with "contrastive-wide" in place of "contrastive", and EGBAD with twice the width and its own early stopping. One
JSON line per task and detector; the contrastive part alone has a line of its own.
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
from common import clean_tasks
from lines import Line, append_line

from egbad import EGBAD, Blend, TrainingConfig
from egbad.errors import CalibrationWarning, HealthWarning
from egbad.scoring import metrics

WIDE_PART = "contrastive-wide"


def measure(suite: str, task_index: int, name: str, seed: int, precision: str) -> list[Line]:
    """Fit one detector on one task; return a record for it and for its wide part."""
    warnings.simplefilter("ignore", (CalibrationWarning, HealthWarning))
    torch.set_num_threads(1)
    task = clean_tasks(suite)[task_index]
    split, _ = task.load(seed)
    training = TrainingConfig(precision=precision)
    if name == "blend":
        colour = ("nearest-colour",) if split.x_train.shape[-1] == 3 else ()
        parts = (WIDE_PART, "nearest-correlation", *colour)
        detector: Any = Blend(parts=parts, training=training, random_state=seed)
    else:
        detector = EGBAD(width=64, training=training, random_state=seed)
    started = time.perf_counter()
    detector.fit(split.x_train)
    fit_seconds = time.perf_counter() - started
    lines = []
    for label, scorer in {name: detector, **getattr(detector, "parts_", {})}.items():
        if label in (name, WIDE_PART):
            started = time.perf_counter()
            scores = scorer.anomaly_score(split.x_test)
            lines.append(
                {
                    "suite": suite,
                    "task": task.name,
                    "detector": label,
                    "seed": seed,
                    "precision": precision,
                    "auroc": metrics.auroc(scores, split.anomalous),
                    "average_precision": metrics.average_precision(scores, split.anomalous),
                    "fit_seconds": fit_seconds,
                    "score_seconds": time.perf_counter() - started,
                }
            )
    return lines


def main() -> None:
    """Run the tasks of a suite in parallel."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite")
    parser.add_argument("--detectors", nargs="+", default=["blend", "egbad"])
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="number of parallel runs")
    parser.add_argument("--out", type=Path, help="a .jsonl file to append to")
    options = parser.parse_args()
    with ProcessPoolExecutor(options.jobs, get_context("spawn")) as pool:
        pending = [
            pool.submit(measure, options.suite, index, name, seed, options.precision)
            for name in options.detectors
            for seed in range(options.seeds)
            for index in range(len(clean_tasks(options.suite)))
        ]
        for done in as_completed(pending):
            for line in done.result():
                if options.out is not None:
                    append_line(options.out, line)
                else:
                    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
