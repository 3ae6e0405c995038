"""Fitting and scoring on Ray's workers, and process groups that torchrun starts."""

import json
import logging
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import egbad.distributed
from egbad import load
from egbad.cli import main
from egbad.detectors.registry import create
from egbad.training.process_group import SINGLE_PROCESS

# Ray and its dependencies warn about themselves.
pytestmark = pytest.mark.filterwarnings("ignore")

SMALL_PARTS = ["--batch-size", "16"]  # a part has 64 batches
MARK = f"egbad-test-{os.getpid()}"


def table(n, seed):
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"a": rng.normal(size=n), "city": rng.choice(["Oslo", "Rome"], n)})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("distributed")
    create("knn", random_state=0, alpha=0.05).fit(table(3000, 0)).save(folder / "m.egbad")
    (folder / "data").mkdir()
    for i, n in enumerate((2100, 100, 2800)):
        table(n, i).to_parquet(folder / "data" / f"{i}.parquet", row_group_size=900)
    return folder


@pytest.fixture(scope="module")
def cluster():
    """A Ray cluster that the tests share: starting one takes most of the time."""
    ray = pytest.importorskip("ray")
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        logging_level=logging.ERROR,
        log_to_driver=False,
        runtime_env={"env_vars": {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore", "EGBAD_MARK": MARK}},
    )
    yield ray
    ray.shutdown()


def content(path):
    return {part.name: part.read_bytes() for part in sorted(path.glob("part-*"))}


def scoring_actors():
    """Return the process ids of this test's Ray actors that score."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            name = (path / "cmdline").read_bytes().replace(b"\0", b" ")
            if name.startswith(b"ray::MapWorker") and MARK.encode() in (path / "environ").read_bytes():
                found.append(int(path.name))
        except OSError:  # it has ended
            continue
    return found


# -- scoring on Ray ----------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds workers in /proc")
def test_a_killed_actor_is_replaced_and_every_row_is_scored_once(folder, tmp_path, cluster, capsys):
    command = ["score", str(folder / "m.egbad"), str(folder / "data"), "--explain", "1", *SMALL_PARTS]
    assert main([*command, "--out", str(tmp_path / "local")]) == 0
    local = content(tmp_path / "local")
    assert len(local) == 5  # of 132, 7 and 175 batches
    capsys.readouterr()
    killed, finished = [], threading.Event()

    def kill_one():
        while not killed and not finished.is_set():
            if content(tmp_path / "ray") and (found := scoring_actors()):
                os.kill(found[0], signal.SIGKILL)
                killed.append(found[0])
            time.sleep(0.002)

    killer = threading.Thread(target=kill_one)
    killer.start()
    code = main([*command, "--out", str(tmp_path / "ray"), "--engine", "ray", "--workers", "1"])
    finished.set()
    killer.join()
    stderr = capsys.readouterr().err
    assert code == 0, stderr
    assert killed
    assert content(tmp_path / "ray") == local
    assert "5,000 rows" in stderr


def test_warnings_of_scoring_workers_are_given_once(folder, tmp_path, cluster, capsys):
    learned = table(3000, 0).assign(more=1)
    (tmp_path / "data").mkdir()
    for i in range(3):
        learned[1000 * i : 1000 * i + 1000].to_parquet(tmp_path / "data" / f"{i}.parquet", row_group_size=500)
    command = ["score", str(folder / "m.egbad"), str(tmp_path / "data"), *SMALL_PARTS]
    notes = []
    for options in (["--engine", "ray", "--workers", "2"], []):
        assert main([*command, "--out", str(tmp_path / f"out{len(options)}"), *options]) == 0
        notes.append([line for line in capsys.readouterr().err.splitlines() if line.startswith("Warning: ")])
    assert notes[0] == notes[1] and len(notes[0]) == len({*notes[0]})
    assert any("trained on some of these rows" in line for line in notes[0])


def test_unreadable_images_that_workers_skip_are_named(tmp_path, cluster, capsys):
    rng = np.random.default_rng(0)
    (tmp_path / "data").mkdir()
    for i in range(40):
        Image.fromarray(rng.integers(0, 255, (16, 16), dtype=np.uint8)).save(tmp_path / "data" / f"{i:02}.png")
    create("pca", random_state=0, alpha=0.3).fit(rng.integers(0, 255, (40, 16, 16))).save(tmp_path / "m.egbad")
    damaged = tmp_path / "data" / "07.png"
    damaged.write_bytes(damaged.read_bytes()[:-60])  # the header is whole
    command = ["score", str(tmp_path / "m.egbad"), str(tmp_path / "data"), "--skip-unreadable", "--json"]
    assert main([*command, "--out", str(tmp_path / "ray"), "--engine", "ray", "--workers", "1"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["rows"] == 39 and summary["skipped"] == [str(damaged)]


def test_progress_bars_and_log_levels_of_ray_are_restored(cluster):
    ray_data = pytest.importorskip("ray.data")
    context, logger = ray_data.DataContext.get_current(), logging.getLogger("ray.data")
    before = context.enable_progress_bars, logger.level
    with egbad.distributed._quiet(cluster):
        assert (context.enable_progress_bars, logger.level) == (False, logging.ERROR)
    assert (context.enable_progress_bars, logger.level) == before


def test_data_and_outputs_that_workers_cannot_handle_are_refused(folder, tmp_path, capsys, monkeypatch):
    model, data = str(folder / "m.egbad"), str(folder / "data")
    table(10, 0).to_csv(tmp_path / "t.csv", index=False)
    for arguments, message in (
        ((str(tmp_path / "t.csv"), "--out", str(tmp_path / "o"), "--engine", "ray"), "reads Parquet files and images"),
        ((data, "--out", str(tmp_path / "o.csv"), "--engine", "ray"), "Name a folder as --out"),
        ((data, "--out", str(tmp_path / "p"), "--engine", "rey"), "Did you mean 'ray'?"),
    ):
        assert main(["score", model, *arguments]) == 2
        assert message in capsys.readouterr().err

    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(egbad.distributed, "import_module", missing)
    assert main(["score", model, data, "--out", str(tmp_path / "q"), "--engine", "ray"]) == 2
    assert "pip install 'egbad[ray]'" in capsys.readouterr().err


# -- fitting on Ray ----------------------------------------------------------------------------------------------------


def test_ray_train_runs_the_same_command_on_its_workers(tmp_path, cluster, capsys):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 3)) @ rng.normal(size=(3, 10)) + 0.1 * rng.normal(size=(400, 10))
    pd.DataFrame(x, columns=[*"abcdefghij"]).to_parquet(tmp_path / "d.parquet")
    command = ["fit", str(tmp_path / "d.parquet"), "--detector", "egbad", "--set", "training.steps=60", "--quiet"]
    command += ["--alpha", "0.01"]  # needs more calibration rows than there are
    assert main([*command, "--out", str(tmp_path / "ray.egbad"), "--engine", "ray", "--workers", "2"]) == 0
    assert capsys.readouterr().err.count("Warning: alpha=0.01 needs at least 99 calibration rows, got 40") == 1
    assert main([*command, "--out", str(tmp_path / "one.egbad")]) == 0
    one, two = load(tmp_path / "one.egbad"), load(tmp_path / "ray.egbad")
    for name, value in one.model_.state_dict().items():
        torch.testing.assert_close(two.model_.state_dict()[name], value, rtol=1e-4, atol=1e-5)
    for name, curve in one.history_.items():
        np.testing.assert_allclose(two.history_[name], curve, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_an_error_on_a_worker_is_one_sentence(tmp_path, cluster, capsys):
    (tmp_path / "d.csv").write_text("a,b\n1,2\n")
    command = ["fit", str(tmp_path / "d.csv"), "--out", str(tmp_path / "m.egbad"), "--engine", "ray", "--workers", "2"]
    assert main(command) == 2
    assert capsys.readouterr().err.startswith("The fit failed on a worker: fit needs at least two rows")


def test_an_unknown_engine_is_refused(tmp_path, capsys):
    assert main(["fit", "digits", "--out", str(tmp_path / "m.egbad"), "--engine", "rya"]) == 2
    assert "There is no engine 'rya'. Did you mean 'ray'?" in capsys.readouterr().err


# -- process groups ----------------------------------------------------------------------------------------------------


def test_a_process_that_torchrun_did_not_start_is_alone(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "4")  # set by a batch system
    with egbad.distributed.process_group() as group:
        assert group is SINGLE_PROCESS


@pytest.mark.parametrize(("gpus", "processes", "backend"), [(0, 1, "gloo"), (1, 2, "gloo"), (2, 2, "nccl")])
def test_only_processes_with_a_gpu_each_communicate_through_nccl(gpus, processes, backend, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(processes))
    assert egbad.distributed._backend() == backend
