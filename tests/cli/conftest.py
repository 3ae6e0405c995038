"""Fixtures of the command line's tests: a folder with data and a model, and functions that run commands."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from PIL import Image

from egbad.cli import main


class Completed(NamedTuple):
    """Exit code and output of a command."""

    code: int
    out: str
    err: str


@pytest.fixture
def run(capsys):
    """Run a command in this process."""

    def run(*arguments):
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        return Completed(code, *capsys.readouterr())

    return run


@pytest.fixture
def refuse(run):
    """Run a command that must fail with one sentence, and return the sentence."""

    def refuse(*arguments):
        code, out, err = run(*arguments)
        assert code == 2, err
        assert out == ""
        assert err.count("\n") == 1, err
        assert "Traceback" not in err
        return err.strip()

    return refuse


@pytest.fixture(scope="session")
def quick():
    """Options of a fit that takes less than a second."""
    return "--set", "training.steps=50", "--alpha", "0.1"


@pytest.fixture(scope="session")
def write_csv():
    """Write columns to a CSV file and return its path."""

    def write(path, columns):
        pa.csv.write_csv(pa.table(dict(columns)), path)
        return path

    return write


def _table(rng, n, n_anomalies=0):
    """Three columns and y (1 for an anomaly); a and b are equal up to noise, except in anomalies."""
    a = rng.normal(size=n)
    b = a + 0.1 * rng.normal(size=n)
    b[n - n_anomalies :] = -b[n - n_anomalies :] + 5
    y = np.arange(n) >= n - n_anomalies
    return {"a": a, "b": b, "c": rng.normal(size=n), "y": y.astype(np.int64)}


@pytest.fixture(scope="session")
def folder(tmp_path_factory, quick, write_csv):
    """Normal rows (normal.*) and a labelled test set (mixed.*) in three formats, and a fitted model (m.egbad)."""
    folder = tmp_path_factory.mktemp("cli")
    rng = np.random.default_rng(0)
    normal, mixed = _table(rng, 300), _table(rng, 60, n_anomalies=15)
    del normal["y"]
    write_csv(folder / "normal.csv", normal)
    pa.parquet.write_table(pa.table(normal), folder / "normal.parquet")
    np.savez(folder / "normal.npz", X=np.column_stack(list(normal.values())))
    write_csv(folder / "mixed.csv", mixed)
    words = ["bad" if y else "good" for y in mixed["y"]]
    pa.parquet.write_table(pa.table(mixed | {"y": words}), folder / "mixed.parquet")
    np.savez(folder / "mixed.npz", X=np.column_stack([mixed[name] for name in "abc"]), y=mixed["y"])
    assert main(["fit", str(folder / "normal.csv"), "--out", str(folder / "m.egbad"), *quick, "--quiet"]) == 0
    return folder


@pytest.fixture(scope="session")
def image_folder(tmp_path_factory):
    """Plain images in the folder "even" and striped ones in the folder "odd"."""
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for kind, n in (("even", 30), ("odd", 6)):
        (folder / kind).mkdir()
        for i in range(n):
            pixels = rng.integers(100, 120, (8, 8))
            pixels[:, ::2] += 100 * (kind == "odd")
            Image.fromarray(pixels.astype(np.uint8)).save(folder / kind / f"{i:02}.png")
    return folder


@pytest.fixture(scope="session")
def defect_folder(tmp_path_factory):
    """Noise laid out as MVTec AD: bright squares are the defect "spot", bright images without masks the defect "glare"."""
    folder = tmp_path_factory.mktemp("defects")
    rng = np.random.default_rng(0)
    for kind, n in (("train/good", 30), ("test/good", 8), ("test/spot", 6), ("test/glare", 4)):
        (folder / kind).mkdir(parents=True)
        for i in range(n):
            pixels, mask = rng.integers(100, 120, (16, 16)), np.zeros((16, 16), np.uint8)
            mask[4:9, 5:10] = 255 * (kind == "test/spot")
            pixels += (80 * (mask > 0)) + 80 * (kind == "test/glare")
            Image.fromarray(pixels.astype(np.uint8)).save(folder / kind / f"{i:02}.png")
            if mask.any():
                (folder / "ground_truth/spot").mkdir(parents=True, exist_ok=True)
                Image.fromarray(mask).save(folder / "ground_truth/spot" / f"{i:02}_mask.png")
    return folder


@pytest.fixture(scope="session")
def defect_model(defect_folder, tmp_path_factory):
    """A model of the normal images of `defect_folder`."""
    path = tmp_path_factory.mktemp("defect-model") / "m.egbad"
    options = ("--detector", "knn", "--alpha", "0.3", "--quiet")
    assert main(["fit", str(defect_folder), "--out", str(path), *options]) == 0
    return path
