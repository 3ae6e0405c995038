"""Measure what unnoticed anomalies in the training rows cost, and what `trim_fraction` wins back.

    python benchmarks/contamination.py --jobs 2
    python benchmarks/contamination.py --suites oddbench --detectors blend blend-nearest knn-minmax --out contaminated
    python benchmarks/contamination.py --summary --out contaminated

A fraction of the training rows of each clean split is replaced by anomalies from the test half, which are removed from the
test rows. Each detector trains with and without trimming; the trimmed fraction is the one that was best among cuts of 10 to
50 percent. An interrupted run resumes where it stopped; `benchmarks/tables.py` makes the table of the default runs, and
`--summary` prints the mean differences of any folder.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from common import BriefRunLog, clean_tasks, run_pending
from design_tables import contamination_by_table

from egbad.benchmark.jobs import Job, make_jobs
from egbad.benchmark.protocols import Split
from egbad.benchmark.suites import VARIANTS, Variant
from egbad.benchmark.tasks import Task
from egbad.detectors.blend_parts import PARTS
from egbad.errors import unknown

TRIM_FRACTIONS = {0.0: 0.0, 0.01: 0.1, 0.05: 0.3, 0.1: 0.4}  # contamination -> trimmed fraction
MIN_CONTAMINATION = 0.01  # a data set without enough anomalies for this fraction is skipped
KEPT_ANOMALIES = 0.5  # fraction of the anomalies that must remain for testing
IMAGES = (("digits", "8 left out"), ("mnist_10k", "9 left out"))
SUITES = ("adbench", "kdd99", "oddbench", "images")
SKIPPED = ("InternetAds",)


@dataclass(frozen=True)
class ContaminatedTask(Task):
    """A task with anomalies among its training rows."""

    clean: Task = field(kw_only=True)
    contamination: float = 0.0

    @property
    def identity(self) -> str:
        """Return the text that identifies the task in a run log."""
        return f"{self.clean.identity}, {self.contamination:g} mixed in"

    def load(self, seed: int, data_dir: Path | None = None) -> tuple[Split, str]:
        """Return the contaminated split and the digest of the data."""
        split, digest = self.clean.load(seed, data_dir)
        return contaminate(split, self.contamination, seed), digest


def contaminated_task(task: Task, fraction: float) -> ContaminatedTask:
    """Return a task with a fraction of its training rows replaced by anomalies."""
    return ContaminatedTask(task.name, task.dataset, task.protocol, task.split, clean=task, contamination=fraction)


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


def largest_contamination(task: Task) -> float:
    """Return the fraction of the training rows that can be replaced so that enough anomalies remain for testing."""
    split, _ = task.load(0)
    assert split.anomalous is not None
    return float((1 - KEPT_ANOMALIES) * split.anomalous.sum() / len(split.x_train))


def variant_named(name: str) -> Variant:
    """Return a variant of the benchmarks, or a part of the blend as a detector of its own."""
    if name in VARIANTS:
        return VARIANTS[name]
    if name not in PARTS:
        raise unknown("detector", name, [*VARIANTS, *PARTS])
    return Variant(name, PARTS[name].detector, PARTS[name].parameters)


def trimmed(variant: Variant, fraction: float) -> Variant:
    """Return a variant that trims a fraction of the training rows."""
    parameters = {**variant.parameters, "preprocessing__trim_fraction": fraction}
    return replace(variant, label=f"{variant.label}, trim {fraction:g}", parameters=parameters)


def find_tasks(suites: Sequence[str], n_tables: int | None) -> list[Task]:
    """Return the tasks of suites, of each suite only so many, evenly spaced."""
    found: list[Task] = []
    for suite in suites:
        if suite == "images":
            found += [task for name, task_name in IMAGES for task in clean_tasks(name, [task_name])]
            continue
        tasks = [task for task in clean_tasks(suite) if task.name not in SKIPPED]
        found += tasks[:: max(1, len(tasks) // n_tables) if n_tables else 1]
    return found


def find_jobs(tasks: Sequence[Task], variants: Sequence[Variant], n_seeds: int) -> list[Job]:
    """Return the runs of all levels of contamination that the anomalies of a task suffice for, first seeds first."""
    largest = [largest_contamination(task) for task in tasks]
    jobs = [
        job
        for contamination, trim_fraction in TRIM_FRACTIONS.items()
        for task, limit in zip(tasks, largest, strict=True)
        if max(contamination, MIN_CONTAMINATION) <= limit
        for variant in variants
        for trim in sorted({0.0, trim_fraction})
        for job in make_jobs([contaminated_task(task, contamination)], [trimmed(variant, trim)], n_seeds)
    ]
    return sorted(jobs, key=lambda job: job.seed)


def main() -> None:
    """Run the detectors on all data sets and levels of contamination, or print the differences."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suites", nargs="+", choices=SUITES, default=["adbench", "kdd99", "images"])
    parser.add_argument("--detectors", nargs="+", default=["blend", "egbad"], help="of `egbad benchmark`, or parts")
    parser.add_argument("--tables", type=int, help="only so many tasks of a suite, evenly spaced in their order")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="number of parallel runs")
    parser.add_argument("--limit", type=float, help="longest duration of a run, in seconds")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/contamination"))
    parser.add_argument("--only", default="", help="only runs whose task and variant contain this text")
    parser.add_argument("--summary", action="store_true", help="print the differences of the runs in --out")
    options = parser.parse_args()
    if options.summary:
        print(contamination_by_table(options.out))
        return
    variants = [variant_named(name) for name in options.detectors]
    jobs = find_jobs(find_tasks(options.suites, options.tables), variants, options.seeds)
    jobs = [job for job in jobs if options.only in f"{job.task.name} {job.variant.label}"]
    run_pending(jobs, BriefRunLog(options.out), options.jobs, timeout=options.limit)


if __name__ == "__main__":
    main()
