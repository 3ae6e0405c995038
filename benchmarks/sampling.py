"""Batches from all rows of a sorted file, or from a buffer that runs along it: EGBAD on KDD99, rows that are alike together.

python benchmarks/sampling.py --seeds 2
"""

import argparse
import json

import numpy as np
import torch

from egbad.benchmark import suites
from egbad.detectors.registry import create
from egbad.scoring import metrics
from egbad.training import loop

BUFFERS = (4_096, 16_384, 65_536)  # rows


class Buffered:
    """Endless batches (1, size, d) in the file's order, each row from a random place of a buffer that the next row fills."""

    rows = 0

    def __init__(self, x: torch.Tensor, size: int, generators: object, parts: int = 1) -> None:
        self.x, self.size = x, min(size, len(x))
        self.rng = np.random.default_rng(0)
        self.buffer = [*range(min(self.rows, len(x)))]
        self.next = len(self.buffer)

    def __next__(self) -> torch.Tensor:
        found = []
        for place in self.rng.integers(len(self.buffer), size=self.size).tolist():
            found.append(self.buffer[place])
            self.buffer[place] = self.next % len(self.x)
            self.next += 1
        return self.x[torch.tensor(found)][None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    (task,) = suites.find_suite("kdd99", "clean").tasks("clean", None)
    of_all = loop.Batches
    for seed in range(options.seeds):
        split, _ = task.load(seed)
        x = split.x_train[np.lexsort(split.x_train.T[::-1])]
        for rows in (None, *BUFFERS):
            Buffered.rows = rows or 0
            loop.Batches = of_all if rows is None else Buffered
            detector = create("egbad", random_state=seed, preprocessing__drop_duplicates=False).fit(x)
            scores = detector.anomaly_score(split.x_test)
            found = metrics.top_share(scores, split.anomalous, split.top_share)
            precision = metrics.average_precision(scores, split.anomalous)
            line = {
                "seed": seed,
                "buffer": rows or "all rows",
                "f1": round(found.f1, 4),
                "average_precision": round(precision, 4),
            }
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
