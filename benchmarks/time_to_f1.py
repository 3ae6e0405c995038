"""Measure the training time until F1 on KDD99 reaches the paper's 0.937 in three evaluations in a row.

    python benchmarks/time_to_f1.py > benchmarks/results/time_to_f1.jsonl

The default recipe is evaluated every 100 steps; evaluations do not count. Of the paper's recipe only a step is timed here,
alternating with the default's: the numbers of steps are those of the runs of paper.py.
"""

import argparse
import json
import time
import warnings
from statistics import median
from typing import Any

import torch
from paper_tables import first_reached

from egbad import EGBAD, EarlyStopping, Preprocessing, TrainingConfig, datasets
from egbad.arrays import map_unique_rows
from egbad.benchmark import protocols
from egbad.errors import HealthWarning
from egbad.scoring import metrics

PUBLISHED_F1 = 0.937


def train_default(split: protocols.Split, seed: int) -> tuple[int | None, float]:
    """Return the steps that the default recipe needs, and the duration of a step."""
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
    return first_reached(steps, f1, PUBLISHED_F1), (detector.fit_seconds_ - spent) / detector.history_["step"][-1]


def step_seconds(split: protocols.Split, steps: int, **options: Any) -> float:
    """Return the duration of a step, from trainings of two lengths."""
    short, long = (
        EGBAD(
            random_state=0, training=TrainingConfig(steps=n), early_stopping=EarlyStopping(criterion="none"), **options
        )
        .fit(split.x_train)
        .fit_seconds_
        for n in (steps, 2 * steps)
    )
    return (long - short) / steps


def main() -> None:
    """Print the result as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", HealthWarning)
    split = protocols.kdd99(datasets.load("kdd99"))
    found = [train_default(split, seed) for seed in range(options.seeds)]
    unscaled = Preprocessing(scaling="none", log_columns=())
    pairs = [
        (step_seconds(split, 300), step_seconds(split, 600, recipe="paper", preprocessing=unscaled))
        for _ in range(options.repeats)
    ]
    of_default, of_paper = (median(pair[i] for pair in pairs) for i in (0, 1))
    line = {
        "steps_default": [steps for steps, _ in found],
        "step_ms_default": 1000 * of_default,
        "step_ms_paper": 1000 * of_paper,
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
