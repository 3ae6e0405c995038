"""Jobs: one detector on one split of one task."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from egbad.benchmark.suites import Variant
from egbad.benchmark.tasks import Task
from egbad.report.serialization import to_jsonable

RunRecord = dict[str, Any]  # a line of `runs.jsonl`


@dataclass(frozen=True)
class Job:
    """A detector to fit and to score on one split of a task.

    Parameters
    ----------
    task : Task
    variant : Variant
    seed : int
        Seed of the split and of the detector.
    """

    task: Task
    variant: Variant
    seed: int

    @property
    def key(self) -> str:
        """Identity of the job in `runs.jsonl`."""
        parameters = json.dumps(to_jsonable(self.variant.parameters), sort_keys=True)
        return f"{self.task.protocol}|{self.task.identity}|{self.variant.label}|{parameters}|{self.seed}"

    @property
    def scores_file_name(self) -> str:
        """Name of the file for the scores of the run."""
        return hashlib.sha256(self.key.encode()).hexdigest()[:24] + ".npy"


def make_jobs(tasks: Iterable[Task], variants: Iterable[Variant], n_seeds: int) -> list[Job]:
    """Create a job for each seed, task and detector.

    Seeds vary slowest, so that a benchmark that is stopped early has results for all tasks and detectors.

    Parameters
    ----------
    tasks : iterable of Task
    variants : iterable of Variant
    n_seeds : int

    Returns
    -------
    list of Job
    """
    variants, tasks = list(variants), list(tasks)
    return [Job(task, variant, seed) for seed in range(n_seeds) for task in tasks for variant in variants]
