"""Scores by Ray's workers: the same bytes as without, also when one of them is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import egbad.distributed
from egbad.cli import main
from egbad.detectors.registry import create

EGBAD = [str(Path(sys.executable).with_name("egbad"))]
SMALL_PARTS = ["--batch-size", "16"]  # a part has 64 batches


def table(n, seed):
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"a": rng.normal(size=n), "city": rng.choice(["Oslo", "Rome"], n)})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("distributed")
    create("knn", random_state=0, alpha=0.05).fit(table(3000, 0)).save(folder / "m.egbad")
    (folder / "data").mkdir()
    for i, n in enumerate((5200, 100, 9700)):
        table(n, i).to_parquet(folder / "data" / f"{i}.parquet", row_group_size=1700)
    return folder


def content(path):
    return {part.name: part.read_bytes() for part in sorted(path.glob("part-*"))}


def actors(ancestor):
    """Processes of Ray's actors that score for the process `ancestor`."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            name = (path / "cmdline").read_bytes().replace(b"\0", b" ")
            if (
                name.startswith(b"ray::MapWorker")
                and f"egbad-test-{ancestor}".encode() in (path / "environ").read_bytes()
            ):
                found.append(int(path.name))
        except OSError:  # it has ended
            continue
    return found


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds workers in /proc")
def test_a_killed_worker_is_replaced_and_nothing_is_lost_or_doubled(folder, tmp_path):
    given = ["score", str(folder / "m.egbad"), str(folder / "data"), "--explain", "1", *SMALL_PARTS]
    subprocess.run([*EGBAD, *given, "--out", str(tmp_path / "local")], check=True, capture_output=True)
    local = content(tmp_path / "local")
    assert len(local) == 15  # of 325, 7 and 607 batches
    environment = os.environ | {"RAY_worker_niceness": "0", "EGBAD_MARK": f"egbad-test-{os.getpid()}"}
    command = [*EGBAD, *given, "--out", str(tmp_path / "ray"), "--engine", "ray", "--workers", "1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        killed = False
        while process.poll() is None:
            if not killed and content(tmp_path / "ray") and (found := actors(os.getpid())):
                os.kill(found[0], signal.SIGKILL)
                killed = True
            time.sleep(0.002)
        assert process.stderr is not None
        said = process.stderr.read()
    assert process.returncode == 0, said
    assert killed
    assert content(tmp_path / "ray") == local
    assert "15,000 rows" in said


def test_images_that_workers_leave_out_are_named(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "data").mkdir()
    for i in range(40):
        Image.fromarray(rng.integers(0, 255, (16, 16), dtype=np.uint8)).save(tmp_path / "data" / f"{i:02}.png")
    create("pca", random_state=0, alpha=0.3).fit(rng.integers(0, 255, (40, 16, 16))).save(tmp_path / "m.egbad")
    damaged = tmp_path / "data" / "07.png"
    damaged.write_bytes(damaged.read_bytes()[:-60])  # its head is whole
    given = ["score", str(tmp_path / "m.egbad"), str(tmp_path / "data"), "--skip-bad", "--json"]
    environment = os.environ | {"RAY_worker_niceness": "0"}
    command = [*EGBAD, *given, "--out", str(tmp_path / "ray"), "--engine", "ray", "--workers", "1"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["rows"] == 39 and said["skipped"] == [str(damaged)]


def test_what_workers_cannot_do_is_refused(folder, tmp_path, capsys, monkeypatch):
    model, data = str(folder / "m.egbad"), str(folder / "data")
    table(10, 0).to_csv(tmp_path / "t.csv", index=False)
    for arguments, words in (
        ((str(tmp_path / "t.csv"), "--out", str(tmp_path / "o"), "--engine", "ray"), "must be Parquet files or images"),
        ((data, "--out", str(tmp_path / "o.csv"), "--engine", "ray"), "give --out a folder"),
        ((data, "--out", str(tmp_path / "p"), "--engine", "rey"), "Did you mean 'ray'?"),
    ):
        assert main(["score", model, *arguments]) == 2
        assert words in capsys.readouterr().err

    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(egbad.distributed, "import_module", missing)
    assert main(["score", model, data, "--out", str(tmp_path / "q"), "--engine", "ray"]) == 2
    assert "pip install 'egbad[ray]'" in capsys.readouterr().err
