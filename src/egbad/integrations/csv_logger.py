"""`CSVLogger`: a file with a line for each number."""

import csv
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from egbad.integrations.metric_logger import MetricLogger
from egbad.training import TrainingProgress


class CSVLogger(MetricLogger):
    """Log training to a CSV file with the columns step, name and value.

    The file is written anew by a fit that begins, and continued by one that resumes from checkpoints. Each log is on the disk
    at once. Results of the fit have no step.

    Parameters
    ----------
    path : path-like
    every, scores
        See `MetricLogger`.

    Raises
    ------
    InvalidInputError
        See `MetricLogger`.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from egbad import EGBAD, TrainingConfig
    >>> from egbad.integrations import CSVLogger
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> detector = EGBAD(training=TrainingConfig(steps=20), alpha=0.1, random_state=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = detector.fit(X, callback=CSVLogger(f"{folder}/log.csv"))
    ...     lines = Path(folder, "log.csv").read_text().splitlines()
    >>> lines[:2]
    ['step,name,value', '10,learning_rate,0.0003']
    """

    def __init__(
        self, path: str | os.PathLike[str], *, every: int = 10, scores: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(every=every, scores=scores)
        self.path = Path(path)

    def on_step(self, progress: TrainingProgress) -> None:
        """Begin the file at the first step, and log every `every` steps."""
        if progress.step == 1 or not self.path.exists():
            self.path.write_text("step,name,value\n", encoding="utf-8")
        super().on_step(progress)

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Append lines to the file."""
        self._append([(step, name, value) for name, value in metrics.items()])

    def log_result(self, parameters: Mapping[str, str], metrics: Mapping[str, float], detector: Any) -> None:
        """Append threshold, number of training rows and duration."""
        self._append([("", name, value) for name, value in metrics.items()])

    def _append(self, lines: list[tuple[int | str, str, float]]) -> None:
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows(lines)
