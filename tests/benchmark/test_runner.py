"""A benchmark runs each job once, survives failures, and continues after it was stopped."""

import json
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from egbad.benchmark.jobs import make_jobs
from egbad.benchmark.run_log import RunLog
from egbad.benchmark.runner import pending_jobs, run_jobs
from egbad.benchmark.suites import VARIANTS, Variant
from egbad.errors import EgbadError


def test_a_record_has_all_that_a_table_needs(task, tmp_path):
    log = RunLog(tmp_path)
    records = run_jobs(make_jobs([task], [VARIANTS["pca"], VARIANTS["knn"]], 2), log, n_workers=2)
    for record in records:
        assert record["status"] == "ok"
        assert (record["training_rows"], record["test_rows"]) == (200, 240)
        assert record["base_rate"] == pytest.approx(40 / 240)
        assert record["digest"] == task.digest
        assert 0.8 < record["metrics"]["auroc"] <= 1
        assert set(record["metrics"]["thresholds"]) == {"0.01", "0.05"}
        assert record["versions"]["torch"]
        assert record["seconds"]["fit"] > 0
        assert record["peak_memory"] > 50e6
        assert all(i in range(440) for i in record["top"])
    assert len(log.path.read_text().splitlines()) == 4
    assert records[0]["metrics"]["auroc"] != records[2]["metrics"]["auroc"], "another seed is another split"


def test_a_finished_job_is_not_repeated(task, tmp_path):
    jobs = make_jobs([task], [VARIANTS["pca"]], 1)
    first = run_jobs(jobs, RunLog(tmp_path))
    new = []
    again = run_jobs(jobs, RunLog(tmp_path), on_record=new.append)
    assert again == first and not new


def test_a_failed_job_becomes_a_record_and_the_others_go_on(task, tmp_path):
    broken = Variant("broken", "pca", {"alpha": 7})
    records = run_jobs(make_jobs([task], [broken, VARIANTS["pca"]], 1), RunLog(tmp_path))
    assert [record["status"] for record in records] == ["failed", "ok"]
    assert records[0]["reason"].startswith("alpha must be in (0, 1), got 7")
    new = []
    run_jobs(make_jobs([task], [broken], 1), RunLog(tmp_path), retry=True, on_record=new.append)
    assert len(new) == 1, "a failed job is repeated on request"


def test_a_job_that_takes_too_long_becomes_a_record_and_the_others_go_on(task, tmp_path):
    slow = Variant("slow", "egbad", {"training__steps": 10_000_000, "early_stopping__criterion": "none"})
    records = run_jobs(make_jobs([task], [slow, VARIANTS["pca"]], 1), RunLog(tmp_path), n_workers=2, timeout=8)
    assert records[0]["reason"] == "The run took longer than 8 seconds."
    assert records[1]["status"] == "ok"


def test_a_job_whose_line_was_cut_off_is_repeated(task, tmp_path):
    jobs = make_jobs([task], [VARIANTS["pca"]], 2)
    run_jobs(jobs, RunLog(tmp_path))
    path = tmp_path / "runs.jsonl"
    path.write_bytes(path.read_bytes()[:-100])
    log = RunLog(tmp_path)
    assert [job.seed for job in pending_jobs(jobs, log)] == [1]
    run_jobs(jobs, log)
    assert len(path.read_text().splitlines()) == 2


def test_two_benchmarks_cannot_write_to_one_folder(task, tmp_path):
    jobs = make_jobs([task], [VARIANTS["pca"]], 2)

    def run_second_benchmark(record):
        with pytest.raises(EgbadError, match="Another benchmark is writing to"):
            run_jobs(jobs, RunLog(tmp_path))

    assert len(run_jobs(jobs, RunLog(tmp_path), on_record=run_second_benchmark)) == 2
    assert len(run_jobs(jobs, RunLog(tmp_path))) == 2, "the lock ends with the benchmark"


def start_benchmark(*arguments):
    """Start `egbad benchmark digits` in a process."""
    command = [str(Path(sys.executable).with_name("egbad")), "benchmark", "digits", *map(str, arguments)]
    return command, subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def wait_for_lines(path, n, seconds):
    """Wait until a file has at least n lines."""
    deadline = time.monotonic() + seconds
    while not (path.exists() and path.read_bytes().count(b"\n") >= n) and time.monotonic() < deadline:
        time.sleep(0.05)


def test_a_killed_benchmark_continues(tmp_path):
    options = ("--tasks", "3 left", "--detectors", "lof", "--seeds", "1")
    command, process = start_benchmark("--out", tmp_path / "out", *options)
    path = tmp_path / "out" / "runs.jsonl"
    wait_for_lines(path, 1, seconds=60)
    process.kill()
    process.wait()
    before = path.read_bytes()
    assert 1 <= before.count(b"\n") < 5
    completed = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "of 5 runs" in completed.stderr, "it says how many runs are finished"
    assert path.read_bytes().startswith(before[: before.rfind(b"\n") + 1])
    keys = [json.loads(line)["key"] for line in path.read_text().splitlines()]
    assert len(keys) == len(set(keys)) == 5


def running_processes():
    """Return all running processes with their parents."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
            if state != "Z":
                parents[int(stat.parent.name)] = int(parent)
    return parents


def descendants(pid):
    """Return the processes that a process started, directly or not."""
    parents, found, new = running_processes(), set(), {pid}
    while new:
        new = {child for child, parent in parents.items() if parent in new} - found
        found |= new
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_no_process_outlives_a_killed_benchmark(tmp_path):
    _, process = start_benchmark("--out", tmp_path, "--tasks", "3 left", "--detectors", "egbad")
    path = tmp_path / "runs.jsonl"
    wait_for_lines(path, 4, seconds=120)  # the baselines: now the network trains
    time.sleep(1)
    children = descendants(process.pid)
    assert len(children) >= 3, "the fork server, its resource tracker and a job"
    process.kill()
    process.wait()
    deadline = time.monotonic() + 10
    while (alive := children & running_processes().keys()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive
    assert path.read_bytes().count(b"\n") == 4
