"""Helpers that the benchmark scripts share: tasks by name and resumable runs."""

from collections.abc import Callable, Iterable, Sequence

from lines import flat_metrics

from egbad.benchmark import runner, suites
from egbad.benchmark.jobs import Job, RunRecord
from egbad.benchmark.run_log import RunLog
from egbad.benchmark.tasks import Task
from egbad.progress import progress

_KEPT = ("status", "reason", "digest", "training_steps", "seconds", "health", "versions", "threads")


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


def run_pending(jobs: Iterable[Job], log: RunLog, workers: int, timeout: float | None = None) -> None:
    """Run the jobs that the log does not hold yet, with a progress bar and at most so many seconds each."""
    jobs = list(jobs)
    with progress("Runs", len(runner.pending_jobs(jobs, log)), unit="runs") as advance:
        on_record: Callable[[RunRecord], None] = lambda line: advance(1)  # noqa: E731
        runner.run_jobs(jobs, log, n_workers=workers, timeout=timeout, on_record=on_record)
