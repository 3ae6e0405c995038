"""Measure what unnoticed anomalies in the training rows cost, and what `trim_fraction` wins back.

    python benchmarks/contamination.py --jobs 2

A fraction of the training rows of each clean split is replaced by anomalies from the test half, which are removed from the
test rows. Both detectors train with and without trimming; the trimmed fraction is the one that was best among cuts of 10 to
50 percent. An interrupted run resumes where it stopped; `benchmarks/tables.py` makes the table.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from common import BriefRunLog, clean_tasks, run_pending

from egbad.benchmark.jobs import make_jobs
from egbad.benchmark.protocols import Split
from egbad.benchmark.suites import Variant
from egbad.benchmark.tasks import Task

TRIM_FRACTIONS = {0.0: 0.0, 0.01: 0.1, 0.05: 0.3, 0.1: 0.4}  # contamination -> trimmed fraction
MIN_CONTAMINATION = 0.01  # a data set without enough anomalies for this fraction is skipped
KEPT_ANOMALIES = 0.5  # fraction of the anomalies that must remain for testing
IMAGES = (("digits", "8 left out"), ("mnist_10k", "9 left out"))


@dataclass(frozen=True)
class ContaminatedTask(Task):
    """A task with anomalies among its training rows."""

    contamination: float = 0.0

    @property
    def identity(self) -> str:
        """Return the text that identifies the task in a run log."""
        return f"{self.name}, {self.contamination:g} mixed in"

    def load(self, seed: int, data_dir: Path | None = None) -> tuple[Split, str]:
        """Return the contaminated split and the digest of the data."""
        split, digest = super().load(seed, data_dir)
        return contaminate(split, self.contamination, seed), digest


def contaminate(split: Split, fraction: float, seed: int) -> Split:
    """Replace a fraction of the training rows by anomalies, and remove these from the test rows."""
    assert split.anomalous is not None
    rng = np.random.default_rng(seed)
    anomalies = rng.permutation(np.flatnonzero(split.anomalous))
    moved = anomalies[: round(fraction * len(split.x_train))]
    rows = rng.permutation(len(split.x_train))[: len(moved)]
    x_train = split.x_train.copy()
    x_train[rows] = split.x_test[moved]
    kept = np.setdiff1d(np.arange(len(split.x_test)), moved)
    return replace(
        split,
        x_train=x_train,
        x_test=split.x_test[kept],
        anomalous=split.anomalous[kept],
        classes=None if split.classes is None else split.classes[kept],
        masks=None,
        row_indices=None if split.row_indices is None else split.row_indices[kept],
    )


def has_enough_anomalies(task: Task, fraction: float) -> bool:
    """Check that enough anomalies remain for testing when a fraction of the training rows is replaced."""
    split, _ = task.load(0)
    assert split.anomalous is not None
    return bool(fraction * len(split.x_train) <= (1 - KEPT_ANOMALIES) * split.anomalous.sum())


def main() -> None:
    """Run both detectors on all data sets and levels of contamination."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="number of parallel runs")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/contamination"))
    parser.add_argument("--only", default="", help="only runs whose task and variant contain this text")
    options = parser.parse_args()
    tables = [task for suite in ("adbench", "kdd99") for task in clean_tasks(suite) if task.name != "InternetAds"]
    tasks = tables + [task for suite, name in IMAGES for task in clean_tasks(suite, [name])]
    jobs = [
        job
        for contamination, trim_fraction in TRIM_FRACTIONS.items()
        for task in tasks
        if has_enough_anomalies(task, max(contamination, MIN_CONTAMINATION))
        for detector in ("blend", "egbad")
        for trim in sorted({0.0, trim_fraction})
        for job in make_jobs(
            [ContaminatedTask(**vars(task), contamination=contamination)],
            [Variant(f"{detector}, trim {trim:g}", detector, {"preprocessing__trim_fraction": trim})],
            options.seeds,
        )
    ]
    jobs = [job for job in jobs if options.only in f"{job.task.name} {job.variant.label}"]
    run_pending(jobs, BriefRunLog(options.out), options.jobs)


if __name__ == "__main__":
    main()
