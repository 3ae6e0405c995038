"""`egbad benchmark` from the command line."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest


def test_results_are_written_and_finished_runs_are_not_repeated(tmp_path, run):
    out = tmp_path / "out"
    command = ("benchmark", "digits", "--out", out, "--tasks", "3 left,4 left", "--detectors", "lof")
    code, printed, err = run(*command)
    assert code == 0, err
    assert "mean AUROC" in printed and "results.html" in err
    assert {path.name for path in out.iterdir()} == {"runs.jsonl", "results.html", "results.md", "results.json"}
    before = (out / "runs.jsonl").read_bytes()
    code, printed, _ = run(*command, "--json")
    assert code == 0
    results = json.loads(printed)
    assert [table["task"] for table in results["summary"]["tables"]] == ["digits, 3 left out", "digits, 4 left out"]
    assert len(results["summary"]["overall"]) == 5
    assert (out / "runs.jsonl").read_bytes() == before


def test_a_folder_of_tables_is_compared_with_the_nearest_neighbour(tmp_path, run):
    tables, out = tmp_path / "tables", tmp_path / "out"
    tables.mkdir()
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        test = np.concatenate([rng.normal(size=(20, 3)), 9 + rng.normal(size=(5, 3))])
        np.savez(tables / f"{name}.npz", train=rng.normal(size=(60, 3)), test=test, test_labels=np.arange(25) >= 20)
    code, printed, err = run("benchmark", tables, "--out", out, "--detectors", "pca")
    assert code == 0, err
    assert "AUROC: difference to knn-" in printed and "w/t/l" in printed
    assert "## Average precision: difference to knn-" in (out / "results.md").read_text(encoding="utf-8")
    line = json.loads((out / "runs.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert (line["task"], line["label"], line["columns"]) == ("a", "knn-standard", 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("kdd9",), "There is no benchmark 'kdd9'. Did you mean 'kdd99'"),
        (("digits", "--protocol", "papers"), "Did you mean 'paper'"),
        (("digits", "--detectors", "egbat"), "Did you mean 'egbad'"),
        (("digits", "--tasks", "x"), "No task of 'digits' has a name that contains 'x'"),
    ],
)
def test_unknown_names_are_refused(arguments, message, tmp_path, refuse):
    assert message in refuse("benchmark", *arguments, "--out", tmp_path / "out")


def test_an_interrupted_benchmark_keeps_its_runs(tmp_path):
    egbad = str(Path(sys.executable).with_name("egbad"))
    command = [egbad, "benchmark", "digits", "--out", str(tmp_path), "--detectors", "lof", "--seeds", "9"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    runs = tmp_path / "runs.jsonl"
    while not (runs.exists() and runs.read_bytes().count(b"\n") >= 2) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Interrupted: " in err and "The same command continues from there" in err
    assert "no output was written" not in err
    assert runs.read_bytes().endswith(b"\n")
