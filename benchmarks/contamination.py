"""Anomalies that nobody noticed among the training rows: what they cost, and what `trim` wins back.

    python benchmarks/contamination.py --jobs 2

A share of the training rows of each data set's clean split is replaced by anomalies of its test half, which are tested no
more. Both detectors learn with and without trimming, and as much of it as was best among cuts of 10 to 50 percent. It goes on
where it was stopped, as `egbad benchmark` does; `benchmarks/tables.py` makes the table.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from ablation import BriefRuns

from egbad.benchmark import runner, suites
from egbad.benchmark.jobs import make_jobs
from egbad.benchmark.protocols import Split
from egbad.benchmark.suites import Task, Variant
from egbad.progress import progress

SHARES = {0.0: 0.0, 0.01: 0.1, 0.05: 0.3, 0.1: 0.4}  # that is mixed in -> that is trimmed
LEAST = 0.01  # of the training rows there must be anomalies for, or a data set is left out
LEFT = 0.5  # of the anomalies must be left to be tested, or the share is not put in
IMAGES = ("digits, 8 left out", "mnist 10k, 9 left out")


@dataclass(frozen=True)
class Mixed(Task):
    """A task of which a share of the training rows are anomalies."""

    mixed: float = 0.0

    @property
    def identity(self) -> str:
        """What tells it from every other task."""
        return f"{self.name}, {self.mixed:g} mixed in"

    def load(self, seed: int, data_dir: Path | None = None) -> tuple[Split, str]:
        """The split with anomalies put in."""
        split, digest = super().load(seed, data_dir)
        return put_in(split, self.mixed, seed), digest


def put_in(split: Split, share: float, seed: int) -> Split:
    """Replace a share of the training rows by anomalies of the test half, which leave it."""
    assert split.anomalous is not None
    rng = np.random.default_rng(seed)
    anomalies = rng.permutation(np.flatnonzero(split.anomalous))
    moved = anomalies[: round(share * len(split.x_train))]
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


def enough(task: Task, share: float) -> bool:
    """Whether enough anomalies are left to be tested when a share of the training rows is replaced by others."""
    split, _ = task.load(0)
    assert split.anomalous is not None
    return bool(share * len(split.x_train) <= (1 - LEFT) * split.anomalous.sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/contamination"))
    parser.add_argument("--only", default="", help="only runs whose task and variant hold these words")
    options = parser.parse_args()
    tables = [task for suite in ("adbench", "kdd99") for task in suites.find_suite(suite, "clean").tasks("clean", None)]
    images = [t for suite in ("digits", "mnist_10k") for t in suites.find_suite(suite, "clean").tasks("clean", None)]
    chosen = [t for t in tables if t.name != "InternetAds"] + [t for t in images if t.name in IMAGES]
    todo = [
        job
        for share, trimmed in SHARES.items()
        for task in chosen
        if enough(task, max(share, LEAST))
        for detector in ("blend", "egbad")
        for trim in sorted({0.0, trimmed})
        for job in make_jobs(
            [Mixed(**vars(task), mixed=share)],
            [Variant(f"{detector}, trim {trim:g}", detector, {"preprocessing__trim_fraction": trim})],
            options.seeds,
        )
    ]
    todo = [job for job in todo if options.only in f"{job.task.name} {job.variant.label}"]
    runs = BriefRuns(options.out)
    with progress("Runs", len(runner.pending_jobs(todo, runs)), unit="runs") as advance:
        runner.run_jobs(todo, runs, n_workers=options.jobs, on_record=lambda line: advance(1))


if __name__ == "__main__":
    main()
