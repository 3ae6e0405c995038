"""Processes that learn one model: the same as one process, members bit for bit, with another number of them after a stop."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import egbad.distributed
from egbad import load
from egbad.cli import main
from egbad.training.process_group import SINGLE_PROCESS, ProcessGroup

BIN = Path(sys.executable).parent
QUIET = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore", "RAY_worker_niceness": "0"}

SCRIPT = """
import sys
from pathlib import Path
import numpy as np
import torch
from egbad.training.checkpoints import Checkpoints
from egbad.distributed import process_group
from egbad.detectors.registry import create

torch.set_num_threads(1)
todo, folder = sys.argv[1:]
x = np.load(f"{folder}/x.npy")
image = np.load(f"{folder}/image.npy")

class Stopped(Exception): pass

def stop(step):
    raise Stopped

with process_group() as group:
    def made(name, x, out, members=1, **given):
        detector = create(name, training__steps=120, random_state=None if out == "chance" else 0, alpha=0.1, members=members)
        try:
            detector.fit(x, **given, process_group=group)
        except Stopped:
            return
        if group.is_first:
            detector.save(f"{folder}/{todo}-{out}.egbad")
        else:
            np.save(f"{folder}/{todo}-{out}-{group.rank}.npy", detector.anomaly_score(x))

    if todo == "stop":
        made("egbad", x, "none", checkpoints=Checkpoints(f"{folder}/left", every=0), callback=stop, callback_interval=80)
    elif todo.startswith("resume"):
        made("egbad", x, "resumed", checkpoints=Checkpoints(f"{folder}/left", every=1e6, resume=True))
    else:
        made("egbad", x, "rows")
        made("egbad", x, "chance")
        made("egbad", x, "members", members=3)
        made("contrastive", image, "images")

left = {Path(task, "comm").read_text().strip() for task in Path("/proc/self/task").iterdir()}
assert not any("gloo" in name for name in left), left
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What one process and what two made of the same data."""
    folder = tmp_path_factory.mktemp("together")
    rng = np.random.default_rng(0)
    way = rng.normal(size=(3, 10))
    np.save(folder / "x.npy", rng.normal(size=(400, 3)) @ way + 0.1 * rng.normal(size=(400, 10)))
    np.save(folder / "image.npy", rng.normal(size=(60, 16, 16)))
    (folder / "script.py").write_text(SCRIPT)
    run(folder, "one", 1)
    run(folder, "two", 2)
    return folder


def run(folder, todo, processes):
    start = (
        [sys.executable] if processes == 1 else [BIN / "torchrun", "--standalone", "--nproc-per-node", str(processes)]
    )
    done = subprocess.run([*start, folder / "script.py", todo, folder], env=QUIET, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def both(folder, what):
    return [load(folder / f"{todo}-{what}.egbad") for todo in ("one", "two")]


def assert_alike(one, two):
    for name, value in one.model_.state_dict().items():
        torch.testing.assert_close(two.model_.state_dict()[name], value, rtol=1e-4, atol=1e-5)
    for name, curve in one.history_.items():
        np.testing.assert_allclose(two.history_[name], curve, rtol=1e-4, atol=1e-5)


def test_losses_and_weights_are_those_of_one_process_on_the_same_batches(folder):
    assert_alike(*both(folder, "rows"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="on a GPU the members of a process draw from one generator")
def test_members_are_spread_and_have_the_bits_that_one_process_gives(folder):
    one, two = both(folder, "members")
    assert one.seeds_ == two.seeds_
    for name, value in one.model_.state_dict().items():
        assert torch.equal(two.model_.state_dict()[name], value)
    for name, curve in one.history_.items():
        assert np.array_equal(two.history_[name], curve, equal_nan=True)


@pytest.mark.parametrize("what", ["rows", "chance", "members", "images"])
def test_in_the_end_every_process_has_the_whole_detector(folder, what):
    x = np.load(folder / ("image.npy" if what == "images" else "x.npy"))
    there = np.load(folder / f"two-{what}-1.npy")
    assert np.array_equal(load(folder / f"two-{what}.egbad").anomaly_score(x), there)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_fit_that_was_stopped_goes_on_with_another_number_of_processes(folder, processes):
    run(folder, "stop", 3 - processes)
    assert sorted((folder / "left").iterdir())
    run(folder, f"resume-{processes}", processes)
    assert_alike(load(folder / "one-rows.egbad"), load(folder / f"resume-{processes}-resumed.egbad"))


def test_the_command_line_learns_together_and_speaks_once(folder, tmp_path):
    pd.DataFrame(np.load(folder / "x.npy"), columns=[*"abcdefghij"]).to_csv(tmp_path / "d.csv", index=False)
    command = ["egbad", "fit", str(tmp_path / "d.csv"), "--detector", "egbad", "--set", "training.steps=60", "--json"]
    start = [BIN / "torchrun", "--standalone", "--nproc-per-node", "2", "--no-python"]
    done = subprocess.run([*start, BIN / command[0], *command[1:], "--out", tmp_path / "two.egbad"], env=QUIET,
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"] == 400
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d.csv", "two.egbad"]


def test_ray_train_runs_the_same_command_on_its_workers(folder, tmp_path):
    pd.DataFrame(np.load(folder / "x.npy"), columns=[*"abcdefghij"]).to_parquet(tmp_path / "d.parquet")
    given = [
        "fit",
        str(tmp_path / "d.parquet"),
        "--detector",
        "egbad",
        "--set",
        "training.steps=60",
        "--quiet",
        "--alpha",
        "0.1",
    ]
    workers = ["--engine", "ray", "--workers", "2"]
    done = subprocess.run([BIN / "egbad", *given, "--out", tmp_path / "ray.egbad", *workers], env=QUIET,
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert main([*given, "--out", str(tmp_path / "one.egbad")]) == 0
    assert_alike(load(tmp_path / "one.egbad"), load(tmp_path / "ray.egbad"))


@pytest.mark.slow
def test_what_goes_wrong_on_a_worker_is_one_sentence(folder, tmp_path):
    (tmp_path / "d.csv").write_text("a,b\n1,2\n")
    command = [
        BIN / "egbad",
        "fit",
        tmp_path / "d.csv",
        "--out",
        tmp_path / "m.egbad",
        "--engine",
        "ray",
        "--workers",
        "2",
    ]
    done = subprocess.run(command, env=QUIET, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("The fit failed on a worker: fit needs at least two rows")


def test_workers_are_given_what_was_typed(tmp_path, monkeypatch):
    given = []
    monkeypatch.setattr(egbad.distributed, "run_on_ray", lambda run, command, workers: given.append((command, workers)))
    typed = [
        "fit",
        "digits",
        "--detector",
        "egbad",
        "--set",
        "training.steps=5",
        "--set",
        "width=8",
        "--quiet",
        "--members",
        "3",
    ]
    out = ["--out", str(tmp_path / "m.egbad")]
    assert main([*typed, *out, "--engine", "ray", "--workers", "4"]) == 2  # nobody wrote the model
    ((command, workers),) = given
    assert workers == 4 and "--engine" not in command and "--workers" not in command
    monkeypatch.undo()
    assert main([*command, "--alpha", "0.1"]) == 0
    about = load(tmp_path / "m.egbad").describe()
    assert about["parameters"]["members"] == 3
    assert (about["settings"]["training"]["steps"], about["settings"]["width"]) == (5, 8)


def test_an_unknown_engine_is_refused(tmp_path, capsys):
    assert main(["fit", "digits", "--out", str(tmp_path / "m.egbad"), "--engine", "rya"]) == 2
    assert "There is no engine 'rya'. Did you mean 'ray'?" in capsys.readouterr().err


# -- what is said ------------------------------------------------------------------------------------------------------


def test_alone_there_is_nothing_to_say():
    values = [torch.arange(3.0), torch.ones(2, 2)]
    assert all(a is b for a, b in zip(SINGLE_PROCESS.average(values), values, strict=True))
    assert (
        SINGLE_PROCESS.broadcast(values[0]) is values[0]
        and SINGLE_PROCESS.all_gather("a") == ["a"]
        and SINGLE_PROCESS.is_first
    )


def test_processes_divide_the_rows_of_a_batch():
    assert not ProcessGroup(1, 3).is_first
    assert [ProcessGroup(rank, 3).local_rows(12) for rank in range(3)] == [slice(0, 4), slice(4, 8), slice(8, 12)]


def test_a_process_that_nobody_launched_learns_alone(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "4")  # of a batch system, say
    with egbad.distributed.process_group() as process_group:
        assert process_group is SINGLE_PROCESS


@pytest.mark.parametrize(("gpus", "processes", "backend"), [(0, 1, "gloo"), (1, 2, "gloo"), (2, 2, "nccl")])
def test_processes_that_share_a_gpu_meet_as_those_without_do(gpus, processes, backend, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(processes))
    assert egbad.distributed._backend() == backend
