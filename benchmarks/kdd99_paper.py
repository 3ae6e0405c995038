"""Train the paper's recipe on KDD99 like the released code and measure F1 over steps.

    python benchmarks/kdd99_paper.py --minutes 30 --out benchmarks/results/kdd99_paper.jsonl

Unscaled columns and the released half of the rows. One JSON line per evaluation.
"""

import argparse
import json
import time

import numpy as np
import torch

from egbad import EGBAD, Preprocessing, datasets
from egbad.benchmark import protocols
from egbad.scoring import metrics


class TimeIsUp(Exception):
    """Training has taken the minutes that were given."""


def main() -> None:
    """Train and evaluate until the time is up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30, help="training time, evaluations not counted")
    parser.add_argument("--every", type=int, default=2000, help="steps between evaluations")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", default="benchmarks/results/kdd99_paper.jsonl")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    split = protocols.kdd99_released(datasets.load("kdd99"))
    distinct, inverse = np.unique(split.x_test, axis=0, return_inverse=True)
    detector = EGBAD(recipe="paper", preprocessing=Preprocessing(scaling="none"), random_state=0)
    started, evaluation_seconds = time.perf_counter(), 0.0

    with open(options.out, "w", encoding="utf-8") as out:

        def evaluate(step: int) -> None:
            nonlocal evaluation_seconds
            paused = time.perf_counter()
            terms = {name: values[inverse.ravel()] for name, values in detector.score_terms(distinct).items()}
            scores = sum(terms.values())
            top = metrics.top_share(scores, split.anomalous, 0.2)
            line = {"step": step, "seconds": paused - started - evaluation_seconds, "f1": top.f1, "ties": top.ties}
            line |= {f"f1_{name}": metrics.top_share(values, split.anomalous, 0.2).f1 for name, values in terms.items()}
            line["auroc"] = metrics.auroc(scores, split.anomalous)
            out.write(json.dumps(line) + "\n")
            out.flush()
            print(line, flush=True)
            evaluation_seconds += time.perf_counter() - paused
            if line["seconds"] > 60 * options.minutes:
                raise TimeIsUp

        try:
            detector.fit(split.x_train, callback=evaluate, callback_interval=options.every)
        except TimeIsUp:
            print(f"Stopped after {options.minutes:g} minutes.")


if __name__ == "__main__":
    main()
