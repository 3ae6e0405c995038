"""Helpers that the benchmark scripts share: JSON lines, tasks by name, and resumable runs."""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from egbad.benchmark import runner, suites
from egbad.benchmark.jobs import Job, RunRecord
from egbad.benchmark.run_log import RunLog
from egbad.benchmark.suites import Task
from egbad.progress import progress

Line = dict[str, Any]
_KEPT = ("status", "reason", "digest", "training_steps", "seconds", "health", "versions", "threads")


def read_lines(path: Path) -> list[Line]:
    """Read a file of JSON lines; an absent file has none."""
    if not path.exists():
        return []
    return [json.loads(text) for text in path.read_text(encoding="utf-8").splitlines()]


def append_line(path: Path, line: Line) -> None:
    """Print a record and append it to a file of JSON lines."""
    text = json.dumps(line)
    print(text, flush=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(text + "\n")


def clean_tasks(suite: str, names: Sequence[str] | None = None) -> list[Task]:
    """Return the tasks of a suite under the clean protocol, all or those with these names."""
    tasks = suites.find_suite(suite, "clean").tasks("clean", None)
    if names is None:
        return tasks
    return [task for task in tasks if any(task.name == name or task.name.endswith(f", {name}") for name in names)]


class BriefRunLog(RunLog):
    """Run log that keeps the metrics of a run but no curves or pictures."""

    def add(self, job: Job, line: RunRecord) -> RunRecord:
        """Append the record of a finished run and return it."""
        kept: RunRecord = {name: line[name] for name in _KEPT if name in line}
        if measured := line.get("metrics"):
            kept |= flat_metrics(measured) | {"base_rate": line["base_rate"]}
        return super().add(job, kept)


def flat_metrics(measured: RunRecord) -> Line:
    """Return the metrics that the tables need from the metrics of a run of `egbad benchmark`."""
    return {
        "average_precision": measured["average_precision"],
        "auroc": measured["auroc"],
        "f1": measured["top"]["f1"],
        "false_alarms": {alpha: found["false_alarms"] for alpha, found in measured["thresholds"].items()},
    }


def run_pending(jobs: Iterable[Job], log: RunLog, workers: int) -> None:
    """Run the jobs that the log does not hold yet, with a progress bar."""
    jobs = list(jobs)
    with progress("Runs", len(runner.pending_jobs(jobs, log)), unit="runs") as advance:
        on_record: Callable[[RunRecord], None] = lambda line: advance(1)  # noqa: E731
        runner.run_jobs(jobs, log, n_workers=workers, on_record=on_record)
