"""Processes that run one job each, so that a job that crashes or hangs does not stop the others."""

import multiprocessing
import os
import signal
import sys
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Thread
from typing import Self

import torch
from threadpoolctl import threadpool_limits

from egbad.benchmark.jobs import Job, RunRecord
from egbad.benchmark.measurement import measure
from egbad.errors import EgbadError
from egbad.nn.threads import start_process
from egbad.report.serialization import to_jsonable

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]


@dataclass
class JobProcess:
    """A process that runs a job.

    Parameters
    ----------
    job : Job
    process : BaseProcess
    connection : Connection
        The process sends its record here.
    started : float
        Time of the start by `time.monotonic`.
    """

    job: Job
    process: BaseProcess
    connection: Connection
    started: float

    @classmethod
    def start(
        cls,
        context: BaseContext,
        job: Job,
        n_threads: int,
        data_dir: Path | None = None,
        scores_path: Path | None = None,
    ) -> Self:
        """Start a process for a job.

        Parameters
        ----------
        context : multiprocessing context
        job : Job
        n_threads : int
            Number of threads of the job.
        data_dir, scores_path : Path, optional
            As in `measure`.

        Returns
        -------
        JobProcess
        """
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(  # type: ignore[attr-defined]
            target=_run_job, args=(job, n_threads, data_dir, scores_path, sender), daemon=True
        )
        process.start()
        sender.close()  # now the connection ends with the process
        return cls(job, process, receiver, time.monotonic())

    def finish(self) -> RunRecord:
        """Return the record that the process sent, or a record that says how the process died.

        Returns
        -------
        dict
        """
        try:
            record: RunRecord = self.connection.recv()
        except (EOFError, OSError):  # the process died before or while it sent the record
            self.process.join()
            code = self.process.exitcode or 0
            record = failure(
                f"The process was killed by signal {-code}."
                if code < 0
                else f"The process ended with exit code {code}."
            )
        self._close()
        return record

    def stop(self) -> None:
        """Kill the process."""
        self.process.kill()
        self._close()

    def _close(self) -> None:
        """Wait for the process and release its resources."""
        self.process.join()
        self.process.close()
        self.connection.close()


def wait_for_finished(running: list[JobProcess], timeout: float | None) -> list[tuple[JobProcess, RunRecord]]:
    """Wait until at least one process finishes or exceeds its time.

    Parameters
    ----------
    running : list of JobProcess
        At least one.
    timeout : float or None
        Maximum number of seconds per job.

    Returns
    -------
    list of (JobProcess, dict)
        Finished and stopped processes with their records.
    """
    earliest = min(process.started for process in running)
    remaining = None if timeout is None else max(0.0, earliest + timeout - time.monotonic())
    ready = wait([process.connection for process in running], remaining)
    finished = [process for process in running if process.connection in ready]
    results = [(process, process.finish()) for process in finished]
    for process in running:
        if timeout is not None and process not in finished and time.monotonic() - process.started >= timeout:
            process.stop()
            record = failure(f"The run took longer than {timeout:g} seconds.") | {"seconds": {"limit": timeout}}
            results.append((process, record))
    return results


def failure(reason: str) -> RunRecord:
    """Return the record of a run without scores.

    Parameters
    ----------
    reason : str

    Returns
    -------
    dict
    """
    return {"status": "failed", "reason": reason}


def process_context() -> BaseContext:
    """Return the context of the processes: fork servers with imported libraries, or spawned processes.

    A forked process starts at once and has no memory of other jobs, so its peak memory is that of its own job.

    Returns
    -------
    multiprocessing context
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    # The first optimizer of a process imports torch._dynamo, which takes seconds that do not belong to training.
    context.set_forkserver_preload(["egbad.benchmark.processes", "egbad.detectors.registry", "torch._dynamo"])
    return context


def _run_job(job: Job, n_threads: int, data_dir: Path | None, scores_path: Path | None, connection: Connection) -> None:
    """Run a job and send its record. Any error becomes a record, so that the other jobs go on."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process stops its children
    Thread(target=_exit_with_parent, daemon=True).start()
    start_process()  # the fork server only imports
    torch.set_num_threads(n_threads)
    with threadpool_limits(n_threads):
        try:
            record = measure(job, data_dir, scores_path)
        except EgbadError as error:
            record = failure(str(error))
        except Exception as error:  # noqa: BLE001
            record = failure(f"{type(error).__name__}: {error}")
    record["peak_memory"] = peak_memory()
    connection.send(to_jsonable(record))


def peak_memory() -> int | None:
    """Return the peak resident memory of this process.

    Returns
    -------
    int or None
        In bytes. None on systems without `getrusage`, such as Windows.
    """
    if resource is None:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _exit_with_parent() -> None:
    """End this process when its parent is killed, because nobody reads its record then."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
