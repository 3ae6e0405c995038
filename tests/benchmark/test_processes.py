"""A process that dies or hangs becomes a record."""

import os
import signal

import pytest

from egbad.benchmark.jobs import Job
from egbad.benchmark.processes import JobProcess, failure, peak_memory, process_context, wait_for_finished
from egbad.benchmark.suites import VARIANTS, Variant


@pytest.fixture
def endless(task):
    """A job that takes hours."""
    return Job(task, Variant("slow", "egbad", {"training__steps": 10_000_000, "early_stopping__criterion": "none"}), 0)


def test_a_killed_process_becomes_a_record(endless):
    process = JobProcess.start(process_context(), endless, n_threads=1)
    os.kill(process.process.pid, signal.SIGKILL)
    assert process.finish() == failure("The process was killed by signal 9.")


def test_a_job_that_takes_too_long_is_stopped(endless):
    process = JobProcess.start(process_context(), endless, n_threads=1)
    ((stopped, record),) = wait_for_finished([process], timeout=1.5)
    assert stopped is process
    assert record["reason"] == "The run took longer than 1.5 seconds." and record["seconds"] == {"limit": 1.5}


def test_the_first_finished_process_is_returned(endless, task):
    context = process_context()
    slow, quick = (JobProcess.start(context, job, n_threads=1) for job in (endless, Job(task, VARIANTS["pca"], 0)))
    try:
        ((finished, record),) = wait_for_finished([slow, quick], timeout=None)
        assert finished is quick and record["status"] == "ok" and record["peak_memory"] > 50e6
    finally:
        slow.stop()


def test_peak_memory_is_in_bytes():
    memory = peak_memory()
    assert memory is None or memory > 50e6
