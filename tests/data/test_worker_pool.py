"""Files are read on all cores, in order, a little ahead; worker processes give what threads give, and end."""

import os
import signal
import subprocess
import sys
import threading
import time
from multiprocessing import current_process
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from egbad.data import open_stream, read, worker_pool
from egbad.data.worker_pool import map_processes
from egbad.errors import EgbadError, UnreadableFileError


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Forty images of different sizes, one of which is damaged after its head."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for i in range(40):
        pixels = rng.integers(0, 256, (20 + i % 3, 24, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:02}.{('png', 'jpg')[i % 2]}")
    damaged = folder / "08.png"
    damaged.write_bytes(damaged.read_bytes()[:-500])
    return folder


@pytest.fixture
def in_processes(monkeypatch):
    """Let a few images be enough for worker processes, each of which gets some of them."""
    monkeypatch.setattr("egbad.data.images._MUCH", 0)
    monkeypatch.setattr("egbad.data.images._TASK", 2**14)


@pytest.mark.parametrize("patch", [None, 16])
def test_worker_processes_read_what_threads_read(photos, request, patch):
    bad_here, bad_there = [], []
    here = read(photos, bad=bad_here, patch=patch)
    request.getfixturevalue("in_processes")
    there = read(photos, bad=bad_there, patch=patch)
    assert len(here.x) == 39 and here.files == there.files
    assert all(np.array_equal(one, other) for one, other in zip(here.x, there.x, strict=True))
    assert bad_here == bad_there == [str(photos / "08.png")]


@pytest.mark.usefixtures("in_processes")
def test_a_worker_names_the_file_that_it_cannot_read(photos):
    batches = open_stream(photos).batches
    with pytest.raises(UnreadableFileError, match=r"08.png' can't be read as an image"):
        list(batches)


def test_work_is_done_by_other_processes_where_there_is_much_of_it(monkeypatch, tmp_path):
    monkeypatch.setattr(worker_pool, "cpu_count", lambda: 2)

    def met(_):
        """The process's number, once another has come, or it has been waited for long."""
        (tmp_path / str(os.getpid())).touch()
        until = time.time() + 30
        while len(list(tmp_path.iterdir())) < 2 and time.time() < until:
            time.sleep(0.01)
        return os.getpid()

    others = set(map_processes(met, range(8), 2, processes=True))
    assert len(others) == 2 and os.getpid() not in others
    assert set(map_processes(met, range(4), 2, processes=False)) == {os.getpid()}
    monkeypatch.setattr(worker_pool, "cpu_count", lambda: 1)
    assert set(map_processes(met, range(4), 2, processes=True)) == {os.getpid()}


def test_a_process_that_may_start_no_others_does_it_itself(monkeypatch):
    monkeypatch.setattr(worker_pool, "cpu_count", lambda: 2)
    monkeypatch.setitem(current_process()._config, "daemon", True)
    assert set(map_processes(lambda _: os.getpid(), range(8), 2, processes=True)) == {os.getpid()}


def test_what_is_not_asked_for_is_not_done_for_long(monkeypatch):
    monkeypatch.setattr(worker_pool, "cpu_count", lambda: 2)
    begun, lock = [], threading.Lock()

    def work(item):
        with lock:
            begun.append(item)
        return item

    found = map_processes(work, range(100), 5, processes=False)
    assert not begun
    assert next(found) == 0
    time.sleep(0.2)
    assert sorted(begun) == list(range(5 * (2 * worker_pool._AHEAD + 1)))
    assert list(found) == list(range(1, 100))


def test_a_worker_that_is_killed_is_told_of_and_the_next_call_has_others(monkeypatch):
    monkeypatch.setattr(worker_pool, "cpu_count", lambda: 2)

    def killed(item):
        if item == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return item

    with pytest.raises(EgbadError, match="A process that read files was killed"):
        list(map_processes(killed, range(8), 1, processes=True))
    assert list(map_processes(killed, range(4, 8), 1, processes=True)) == [4, 5, 6, 7]


SLOW = """
import os, time
from egbad.data import workers
worker_pool.cpu_count = lambda: 2
whose = lambda _: (time.sleep(0.1), os.getpid())[1]
print(*set(worker_pool.map_processes(whose, range(40), 2, processes=True)), flush=True)
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
    until = time.time() + 90  # idle for ten seconds, they wait for an answer that doesn't come
    while time.time() < until and any(Path("/proc", pid).exists() for pid in pids):
        time.sleep(0.1)
    assert not any(Path("/proc", pid).exists() for pid in pids)


def test_a_large_photograph_is_not_decoded_whole_and_looks_the_same(tmp_path):
    rng = np.random.default_rng(0)
    colours = Image.fromarray(rng.integers(0, 256, (50, 60, 3), dtype=np.uint8)).resize((1200, 1000))
    colours.save(tmp_path / "a.jpg", quality=90)
    with Image.open(tmp_path / "a.jpg") as image:
        whole = np.moveaxis(np.asarray(image.resize((36, 32), Image.Resampling.LANCZOS)), 2, 0).astype(int)
    found = read(tmp_path, image_size=(32, 36)).x[0]
    assert np.abs(found - whole).max() <= 4 and np.abs(found - whole).mean() < 0.5
