"""Parallel work in threads and worker processes."""

import os
import signal
import subprocess
import sys
import threading
import time
from multiprocessing import current_process
from pathlib import Path

import pytest

from egbad.data.worker_pool import TASKS_AHEAD, available_cores, map_processes
from egbad.errors import EgbadError


def test_no_more_cores_are_available_than_the_machine_has():
    assert 1 <= available_cores() <= os.cpu_count()


def test_results_are_in_order_for_any_number_of_workers():
    for n_workers in (None, 1, 2, 100):
        found = map_processes(lambda i: 2 * i, range(20), 3, processes=False, n_workers=n_workers)
        assert list(found) == [*range(0, 40, 2)]


def test_processes_share_the_work_and_threads_stay_in_this_process(tmp_path):
    def wait_for_another(_):
        """Return the number of this process, once another has called this function or a long time has passed."""
        (tmp_path / str(os.getpid())).touch()
        until = time.time() + 30
        while len(list(tmp_path.iterdir())) < 2 and time.time() < until:
            time.sleep(0.01)
        return os.getpid()

    others = set(map_processes(wait_for_another, range(8), 2, processes=True, n_workers=2))
    assert len(others) == 2 and os.getpid() not in others
    assert set(map_processes(wait_for_another, range(4), 2, processes=False, n_workers=2)) == {os.getpid()}
    assert set(map_processes(wait_for_another, range(4), 2, processes=True, n_workers=1)) == {os.getpid()}


def test_a_daemonic_process_uses_threads(monkeypatch):
    monkeypatch.setitem(current_process()._config, "daemon", True)
    found = map_processes(lambda _: os.getpid(), range(8), 2, processes=True, n_workers=2)
    assert set(found) == {os.getpid()}


def test_only_a_few_tasks_are_started_ahead_of_the_consumer():
    started, lock = [], threading.Lock()

    def record(item):
        with lock:
            started.append(item)
        return item

    found = map_processes(record, range(100), 5, processes=False, n_workers=2)
    assert not started
    assert next(found) == 0
    expected = list(range(5 * (2 * TASKS_AHEAD + 1)))
    until = time.time() + 30
    while len(started) < len(expected) and time.time() < until:
        time.sleep(0.01)
    time.sleep(0.2)  # time in which further tasks would start
    assert sorted(started) == expected
    assert list(found) == list(range(1, 100))


def test_a_killed_worker_is_an_error_and_the_next_call_starts_new_ones():
    def kill_at_three(item):
        if item == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return item

    with pytest.raises(EgbadError, match="A worker process that was reading files was killed"):
        list(map_processes(kill_at_three, range(8), 1, processes=True, n_workers=2))
    assert list(map_processes(kill_at_three, range(4, 8), 1, processes=True, n_workers=2)) == [4, 5, 6, 7]


SLOW = """
import os, time
from egbad.data.worker_pool import map_processes
pid = lambda _: (time.sleep(0.1), os.getpid())[1]
print(*set(map_processes(pid, range(40), 2, processes=True, n_workers=2)), flush=True)
time.sleep(60)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for workers in /proc")
def test_workers_end_with_the_process_that_started_them():
    with subprocess.Popen([sys.executable, "-c", SLOW], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pids = process.stdout.readline().split()
        assert len(pids) == 2 and all(Path("/proc", pid).exists() for pid in pids)
        process.kill()
    until = time.time() + 90  # they end after ten seconds of idleness and half a minute of waiting for this process
    while time.time() < until and any(Path("/proc", pid).exists() for pid in pids):
        time.sleep(0.1)
    assert not any(Path("/proc", pid).exists() for pid in pids)
