"""Running jobs: several at a time, each in its own process, continuing where an earlier benchmark stopped."""

from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

import torch

from egbad.benchmark.jobs import Job, RunRecord
from egbad.benchmark.processes import JobProcess, process_context, wait_for_finished
from egbad.benchmark.run_log import RunLog
from egbad.data.worker_pool import available_cores


def pending_jobs(jobs: Iterable[Job], log: RunLog, *, retry: bool = False) -> list[Job]:
    """Return the jobs that are not in the log.

    Parameters
    ----------
    jobs : iterable of Job
    log : RunLog
    retry : bool, default=False
        True to include jobs that failed.

    Returns
    -------
    list of Job
    """
    records = [(job, log.records.get(job.key)) for job in jobs]
    return [job for job, record in records if record is None or (retry and record["status"] == "failed")]


def run_jobs(
    jobs: Iterable[Job],
    log: RunLog,
    *,
    n_workers: int = 1,
    timeout: float | None = None,
    retry: bool = False,
    data_dir: Path | None = None,
    scores_dir: Path | None = None,
    on_record: Callable[[RunRecord], None] = lambda record: None,
) -> list[RunRecord]:
    """Run the jobs that are not in the log.

    Parameters
    ----------
    jobs : iterable of Job
    log : RunLog
        Receives the record of each finished job.
    n_workers : int, default=1
        Number of jobs at the same time. They share the cores of the machine equally, each with at most as many threads as torch
        has in this process.
    timeout : float, optional
        Maximum number of seconds per job.
    retry : bool, default=False
        True to repeat jobs that failed.
    data_dir : Path, optional
        Folder with a local copy of the public data sets.
    scores_dir : Path, optional
        Folder for the scores of each run.
    on_record : callable, optional
        Called with each new record.

    Returns
    -------
    list of dict
        The records of all jobs, in the order of the jobs.

    Raises
    ------
    EgbadError
        If another benchmark is writing to the same log.
    """
    jobs = list(jobs)
    n_threads = max(1, min(torch.get_num_threads(), available_cores() // n_workers))
    context = process_context()
    running: list[JobProcess] = []
    with log.lock():
        waiting = deque(pending_jobs(jobs, log, retry=retry))
        try:
            while waiting or running:
                while waiting and len(running) < n_workers:
                    job = waiting.popleft()
                    scores_path = scores_dir / job.scores_file_name if scores_dir else None
                    running.append(JobProcess.start(context, job, n_threads, data_dir, scores_path))
                for process, record in wait_for_finished(running, timeout):
                    running.remove(process)
                    on_record(log.add(process.job, record | {"threads": n_threads}))
        finally:
            for process in running:
                process.stop()
    return [log.records[job.key] for job in jobs]
