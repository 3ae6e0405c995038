"""Seconds of training until F1 on KDD99 is the paper's, 0.937, for three evaluations: the default recipe, and the paper's.

    python benchmarks/speed/time_to_f1.py

The default is trained and evaluated every 100 steps; seconds of evaluation don't count. The paper's recipe takes half an
hour (`benchmarks/kdd99_paper.py`): here its step is timed, turn by turn with the default's, and the number of its steps is
taken from that run's lines.
"""

import argparse
import json
import time
import warnings
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from egbad import EGBAD, datasets
from egbad.arrays import map_unique_rows
from egbad.benchmark import protocols
from egbad.errors import HealthWarning
from egbad.scoring import metrics
from egbad.training import EarlyStopping, TrainingConfig

PUBLISHED, HELD = 0.937, 3
PAPER = Path(__file__).parents[1] / "results" / "kdd99_paper.jsonl"


def first_held(steps: list[int], f1: list[float]) -> int | None:
    """The first step from which on F1 is the published one for so many evaluations."""
    for i in range(len(f1) - HELD + 1):
        if min(f1[i : i + HELD]) >= PUBLISHED:
            return steps[i]
    return None


def default(split: protocols.Split, seed: int) -> tuple[int | None, float]:
    """Steps until it is held, and seconds a step."""
    steps, f1, spent = list[int](), list[float](), 0.0
    detector = EGBAD(random_state=seed)

    def callback(step: int) -> None:
        nonlocal spent
        started = time.perf_counter()
        scores, _ = map_unique_rows(detector.anomaly_score, split.x_test)
        steps.append(step)
        f1.append(metrics.top_share(scores, split.anomalous, split.top_share).f1)
        spent += time.perf_counter() - started

    detector.fit(split.x_train, callback=callback, callback_interval=100)
    return first_held(steps, f1), (detector.fit_seconds_ - spent) / detector.history_["step"][-1]


def step_of(split: protocols.Split, steps: int, **options: Any) -> float:
    """Seconds of one step: those of a run less those of one half as long."""
    one, two = (
        EGBAD(
            random_state=0, training=TrainingConfig(steps=n), early_stopping=EarlyStopping(criterion="none"), **options
        )
        .fit(split.x_train)
        .fit_seconds_
        for n in (steps, 2 * steps)
    )
    return (two - one) / steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", HealthWarning)
    split = protocols.kdd99(datasets.load("kdd99"))
    paper = [json.loads(line) for line in PAPER.read_text(encoding="utf-8").splitlines()]
    needed = first_held([line["step"] for line in paper], [line["f1"] for line in paper])
    assert needed is not None
    found = [default(split, seed) for seed in range(options.seeds)]
    pairs = [
        (step_of(split, 300), step_of(split, 600, recipe="paper", log_columns=(), scaling="none"))
        for _ in range(options.repeats)
    ]
    of_default, of_paper = (median(pair[i] for pair in pairs) for i in (0, 1))
    ratios = [own * steps / (its * needed) for own, its in pairs for steps, _ in found if steps is not None]
    line = {
        "steps_default": [steps for steps, _ in found],
        "steps_paper": needed,
        "step_ms_default": 1000 * of_default,
        "step_ms_paper": 1000 * of_paper,
        "seconds_default": [steps * of_default for steps, _ in found if steps is not None],
        "seconds_paper": of_paper * needed,
        "ratio": float(np.median(ratios)),
        "ratio_low": min(ratios),
        "ratio_high": max(ratios),
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
