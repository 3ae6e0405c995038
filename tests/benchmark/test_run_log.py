"""The log of runs survives killed processes and refuses other files."""

import json

import pytest

from egbad.benchmark.jobs import Job
from egbad.benchmark.run_log import RunLog
from egbad.benchmark.suites import VARIANTS
from egbad.errors import EgbadError, UnreadableFileError


def test_records_are_read_back(task, tmp_path):
    job = Job(task, VARIANTS["pca"], 0)
    written = RunLog(tmp_path).add(job, {"status": "ok", "value": float("nan")})
    assert written["label"] == "pca" and written["value"] is None
    assert RunLog(tmp_path).records == {job.key: written}


def test_a_line_that_was_cut_off_is_removed(task, tmp_path):
    log = RunLog(tmp_path)
    for seed in range(2):
        log.add(Job(task, VARIANTS["pca"], seed), {"status": "ok"})
    complete = log.path.read_bytes()
    log.path.write_bytes(complete[:-10])
    assert [record["seed"] for record in RunLog(tmp_path).records.values()] == [0]
    assert log.path.read_bytes() == complete[: complete.find(b"\n") + 1]


@pytest.mark.parametrize("text", ["no json", '{"format": 1}', '{"format": 99, "key": "a"}', "[]"])
def test_a_file_that_is_not_a_list_of_runs_is_refused(tmp_path, text):
    (tmp_path / "runs.jsonl").write_text(text + "\n")
    with pytest.raises(UnreadableFileError, match="not a list of runs, line 1"):
        RunLog(tmp_path)


def test_every_line_is_json(task, tmp_path):
    log = RunLog(tmp_path)
    for seed in range(3):
        log.add(Job(task, VARIANTS["pca"], seed), {"status": "ok"})
    assert [json.loads(line)["seed"] for line in log.path.read_text().splitlines()] == [0, 1, 2]


def test_the_lock_excludes_others_until_it_is_released(tmp_path):
    with (
        RunLog(tmp_path).lock(),
        pytest.raises(EgbadError, match="Another benchmark is writing to"),
        RunLog(tmp_path).lock(),
    ):
        pass
    with RunLog(tmp_path).lock():
        pass
