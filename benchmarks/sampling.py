"""Compare batches from all rows of a sorted file with batches from a shuffle buffer that moves along it: EGBAD on KDD99.

python benchmarks/sampling.py --seeds 2
"""

import argparse
import json
from functools import partial
from unittest import mock

import numpy as np
import torch
from common import clean_tasks

from egbad import EarlyStopping, Preprocessing, TrainingConfig
from egbad.detectors.registry import create
from egbad.nn.generators import MemberGenerators
from egbad.scoring import metrics
from egbad.training import loop
from egbad.training.players import Batches

BUFFER_ROWS = (4_096, 16_384, 65_536)


class BufferedBatches(Batches):
    """Endless batches (1, batch_size, d) in the order of the file.

    Each row comes from a random place of a buffer, which the next row of the file then fills.
    """

    def __init__(
        self,
        x: torch.Tensor,
        batch_size: int,
        generators: MemberGenerators,
        multiple_of: int = 1,
        *,
        buffer_rows: int = BUFFER_ROWS[0],
    ) -> None:
        super().__init__(x, batch_size, generators, multiple_of)
        self.rng = np.random.default_rng(0)
        self.buffer = [*range(min(buffer_rows, len(x)))]
        self.next_row = len(self.buffer)

    def __next__(self) -> torch.Tensor:
        rows = []
        for place in self.rng.integers(len(self.buffer), size=self.batch_size).tolist():
            rows.append(self.buffer[place])
            self.buffer[place] = self.next_row % len(self.x)
            self.next_row += 1
        return self.x[torch.tensor(rows)][None]


def main() -> None:
    """Print one JSON line per seed and buffer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--steps", type=int, help="steps of training instead of the default's early stopping")
    options = parser.parse_args()
    (task,) = clean_tasks("kdd99")
    early_stopping = EarlyStopping(criterion="none") if options.steps else None
    for seed in range(options.seeds):
        split, _ = task.load(seed)
        x = split.x_train[np.lexsort(split.x_train.T[::-1])]
        for rows in (None, *BUFFER_ROWS):
            batches = Batches if rows is None else partial(BufferedBatches, buffer_rows=rows)
            detector = create(
                "egbad",
                random_state=seed,
                preprocessing=Preprocessing(drop_duplicates=False),
                training=TrainingConfig(steps=options.steps),
                early_stopping=early_stopping,
            )
            # The library has no such option: it samples from all rows because this benchmark advises against a buffer.
            with mock.patch.object(loop, "Batches", batches):
                detector.fit(x)
            scores = detector.anomaly_score(split.x_test)
            line = {
                "seed": seed,
                "buffer": rows or "all rows",
                "f1": round(metrics.top_share(scores, split.anomalous, split.top_share).f1, 4),
                "average_precision": round(metrics.average_precision(scores, split.anomalous), 4),
            }
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
