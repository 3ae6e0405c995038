"""RunLog survive: each is a line, a broken one too, and what was done is not done again."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from egbad.benchmark import protocols, runner
from egbad.benchmark.suites import VARIANTS, Task, Variant, user_task
from egbad.data import Data
from egbad.datasets import Dataset
from egbad.errors import EgbadError, UnreadableFileError


def rows(n=400, strange=40):
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=(n, 4)), rng.normal(size=(strange, 4)) * 6])
    return x, np.arange(n + strange) >= n


@pytest.fixture
def task(tmp_path):
    return user_task("rows.csv", Data(rows()[0]), rows()[1], tmp_path / "data.npz")


def test_a_line_has_all_that_a_figure_needs(task, tmp_path):
    runs = runner.RunLog(tmp_path)
    todo = runner.make_jobs([task], [VARIANTS["pca"], VARIANTS["knn"]], 2)
    assert [(job.variant.label, job.seed) for job in todo] == [("pca", 0), ("knn", 0), ("pca", 1), ("knn", 1)]
    lines = runner.run_jobs(todo, runs, workers=2)
    for line in lines:
        assert line["status"] == "ok"
        assert (line["training_rows"], line["test_rows"]) == (200, 240)
        assert line["base_rate"] == pytest.approx(40 / 240)
        assert line["digest"] == task.digest
        assert 0.8 < line["metrics"]["auroc"] <= 1
        assert set(line["metrics"]["thresholds"]) == {"0.01", "0.05"}
        assert line["versions"]["torch"]
        assert line["seconds"]["fit"] > 0
        assert line["peak_memory"] > 50e6
        assert all(i in range(440) for i in line["top"])
    assert [json.loads(text) for text in runs.path.read_text().splitlines()] != []
    assert lines[0]["metrics"]["auroc"] != lines[2]["metrics"]["auroc"], "another seed is another split"


def test_the_line_is_what_the_detector_says(task, tmp_path):
    from egbad.detectors.registry import create
    from egbad.scoring import metrics

    job = runner.Job(task, VARIANTS["pca"], 3)
    line = runner.measure(job, scores_to=tmp_path / "s.npy")
    split, _ = task.load(3)
    detector = create("pca", random_state=3, alpha=0.05).fit(split.x_train)
    scores = detector.anomaly_score(split.x_test)
    assert np.array_equal(np.load(tmp_path / "s.npy"), scores)
    assert line["metrics"]["auroc"] == metrics.auroc(scores, split.anomalous)
    assert line["metrics"]["average_precision"] == metrics.average_precision(scores, split.anomalous)
    assert line["top"][0] == split.places[scores.argmax()]
    assert line["flagged"]["0.05"] == (detector.predict(split.x_test) < 0).mean()


def test_what_was_done_is_not_done_again(task, tmp_path):
    todo = runner.make_jobs([task], [VARIANTS["pca"]], 1)
    first = runner.run_jobs(todo, runner.RunLog(tmp_path))
    new = []
    again = runner.run_jobs(todo, runner.RunLog(tmp_path), on_record=new.append)
    assert again == first and not new


def test_other_data_under_the_same_name_are_another_task(task, tmp_path):
    x, strange = rows()
    other = user_task("rows.csv", Data(x + 1), strange, tmp_path / "other.npz")
    job = runner.Job(task, VARIANTS["pca"], 0)
    assert replace(job, task=other).key != job.key
    assert replace(job, variant=Variant("pca", "pca", {"n_components": 2})).key != job.key


def test_a_detector_that_fails_is_a_line_and_the_others_go_on(task, tmp_path):
    broken = Variant("broken", "pca", {"alpha": 7})
    lines = runner.run_jobs(runner.make_jobs([task], [broken, VARIANTS["pca"]], 1), runner.RunLog(tmp_path))
    assert [line["status"] for line in lines] == ["failed", "ok"]
    assert lines[0]["reason"] == "alpha must be in (0, 1), got 7."
    new = []
    runner.run_jobs(runner.make_jobs([task], [broken], 1), runner.RunLog(tmp_path), retry=True, on_record=new.append)
    assert len(new) == 1, "what failed is done again when asked"


def test_a_run_that_takes_too_long_is_ended(task, tmp_path):
    slow = Variant("slow", "egbad", {"training__steps": 10_000_000, "early_stopping__criterion": "none"})
    lines = runner.run_jobs(
        runner.make_jobs([task], [slow, VARIANTS["pca"]], 1), runner.RunLog(tmp_path), workers=2, timeout=8
    )
    assert lines[0]["reason"] == "It took longer than 8 seconds."
    assert lines[1]["status"] == "ok"


def test_a_process_that_is_killed_is_a_line(task, tmp_path):
    context = runner._context()
    running = runner._start(
        context,
        runner.Job(
            task, Variant("slow", "egbad", {"training__steps": 10_000_000, "early_stopping__criterion": "none"}), 0
        ),
        1,
        None,
        None,
    )
    os.kill(running.process.pid, signal.SIGKILL)
    assert running.end() == runner.failed("The process was ended by signal 9.")


def test_a_line_that_was_cut_off_is_done_again(task, tmp_path):
    todo = runner.make_jobs([task], [VARIANTS["pca"]], 2)
    runner.run_jobs(todo, runner.RunLog(tmp_path))
    path = tmp_path / "runs.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    runs = runner.RunLog(tmp_path)
    assert len(runs.lines) == 1
    assert [job.seed for job in runner.pending_jobs(todo, runs)] == [1]
    runner.run_jobs(todo, runs)
    assert len(path.read_text().splitlines()) == 2


@pytest.mark.parametrize("text", ["no json", '{"format": 1}', '{"format": 99, "key": "a"}', "[]"])
def test_a_file_that_is_no_list_of_runs_is_refused(tmp_path, text):
    (tmp_path / "runs.jsonl").write_text(text + "\n")
    with pytest.raises(UnreadableFileError, match="line 1"):
        runner.RunLog(tmp_path)


def test_a_killed_benchmark_goes_on_where_it_was(tmp_path):
    egbad = str(Path(sys.executable).with_name("egbad"))
    command = [egbad, "benchmark", "digits", "--out", str(tmp_path / "out"), "--tasks", "3 left",
               "--detectors", "lof,one_class_svm", "--seeds", "3"]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    path = tmp_path / "out" / "runs.jsonl"
    deadline = time.monotonic() + 60
    while not (path.exists() and path.read_bytes().count(b"\n") >= 2) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.wait()
    before = path.read_bytes()
    assert 2 <= before.count(b"\n") < 18
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert path.read_bytes().startswith(before[: before.rfind(b"\n") + 1])
    keys = [json.loads(line)["key"] for line in path.read_text().splitlines()]
    assert len(keys) == len(set(keys)) == 18
    assert "runs were done before" in done.stderr


def living():
    """Every process that runs -> the one that began it."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
            if state != "Z":
                parents[int(stat.parent.name)] = int(parent)
    return parents


def offspring(pid):
    """The processes that a process began, and those that they began."""
    parents, found, new = living(), set(), {pid}
    while new:
        new = {child for child, parent in parents.items() if parent in new} - found
        found |= new
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_nothing_runs_on_for_a_benchmark_that_was_killed(tmp_path):
    egbad = str(Path(sys.executable).with_name("egbad"))
    command = [egbad, "benchmark", "digits", "--out", str(tmp_path), "--tasks", "3 left", "--detectors", "egbad"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    path, deadline = tmp_path / "runs.jsonl", time.monotonic() + 120
    while not (path.exists() and path.read_bytes().count(b"\n") == 4) and time.monotonic() < deadline:
        time.sleep(0.05)  # the naive baselines; now the network trains
    time.sleep(1)
    working = offspring(process.pid)
    assert len(working) >= 3, "the server of forks, its tracker and a run"
    process.kill()
    process.wait()
    deadline = time.monotonic() + 10
    while (alive := working & living().keys()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive
    assert path.read_bytes().count(b"\n") == 4


def test_two_benchmarks_cannot_write_into_one_folder(task, tmp_path):
    todo = runner.make_jobs([task], [VARIANTS["pca"]], 2)

    def meanwhile(line):
        with pytest.raises(EgbadError, match="Another benchmark writes into"):
            runner.run_jobs(todo, runner.RunLog(tmp_path))

    assert len(runner.run_jobs(todo, runner.RunLog(tmp_path), on_record=meanwhile)) == 2
    assert len(runner.run_jobs(todo, runner.RunLog(tmp_path))) == 2, "the lock ends with the run"


def test_kinds_of_anomalies_and_their_pixels_are_measured_apart(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(90, 8, 8))
    labels, masks = np.repeat(["fine", "bright", "hidden"], [70, 10, 10]), np.zeros((90, 8, 8), dtype=bool)
    masks[70:80, 2:4, 2:4] = True
    x[masks] += 30
    data = Dataset("made", x, labels, None, "", "", "", masks)

    class Made(Task):
        def load(self, seed, data_dir=None):
            return protocols.share_of_normals(data, "fine", seed=seed), "digest"

    made = Made("made", "made", "clean", protocols.share_of_normals)
    by_pixels = {"training__steps": 30, "distance": "norm", "discriminator_loss": "fm", "residual_weight": 0.9}
    line = runner.measure(runner.Job(made, Variant("egbad", "egbad", by_pixels), 0))
    kinds = line["metrics"]["by_kind"]
    assert kinds["bright"] == {"auroc": 1.0, "n": 10} and kinds["hidden"]["auroc"] < 0.9
    assert line["metrics"]["pixel_auroc"] > 0.95
    assert runner.measure(runner.Job(made, VARIANTS["knn"], 0))["metrics"].get("pixel_auroc") is None
