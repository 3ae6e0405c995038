"""`egbad fit` from the command line."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from PIL import Image

from egbad import load
from egbad.cli import fit, run_fit

N = 40
COLUMNS = {"a": np.arange(N) % 7 * 1.0, "b": np.arange(N) % 5 * 1.0}


def with_value(value):
    """The columns with a value in row 3 of b."""
    b = COLUMNS["b"].copy()
    b[3] = value
    return COLUMNS | {"b": b}


@pytest.mark.parametrize("kind", ["csv", "parquet", "npz"])
def test_files_of_every_kind_give_a_model_that_scores_and_evaluates(kind, folder, tmp_path, run, quick):
    model, scores = tmp_path / "m.egbad", tmp_path / f"scores.{ {'npz': 'jsonl'}.get(kind, kind) }"
    code, out, _ = run("fit", folder / f"normal.{kind}", "--out", model, *quick, "--seed", 3, "--json")
    fitted = json.loads(out)
    assert (code, fitted["rows"], fitted["calibration_rows"]) == (0, 300, 30)

    labels = ("--label-column", "y")
    code, out, err = run("score", model, folder / f"mixed.{kind}", "--out", scores, "--terms", *labels)
    assert (code, out) == (0, "")
    assert "60 rows, " in err
    assert "flagged" in err
    assert scores.stat().st_size > 60

    normal = ("--normal", "good") if kind == "parquet" else ()
    code, out, _ = run("evaluate", model, folder / f"mixed.{kind}", *labels, *normal, "--json")
    measured = json.loads(out)
    assert code == 0
    assert measured["auroc"] > 0.9
    assert (measured["anomalies"], measured["base_rate"]) == (15, 0.25)
    assert 0 <= measured["flagged_normals"] < measured["flagged_anomalies"] <= 1

    code, out, _ = run("info", model, "--json")
    assert code == 0
    assert json.loads(out)["threshold"] == fitted["threshold"]


def test_a_summary_is_printed_as_a_table(folder, tmp_path, run, quick):
    code, out, err = run("fit", folder / "normal.csv", "--out", tmp_path / "m.egbad", *quick)
    assert code == 0
    assert "calibration rows" in out
    assert "health" in out
    assert "Traceback" not in err


def test_normal_selects_the_rows_to_learn_from(folder, tmp_path, run, quick):
    given = ("fit", folder / "mixed.parquet", "--label-column", "y", "--out", tmp_path / "m.egbad", *quick, "--json")
    code, out, err = run(*given)
    assert (code, json.loads(out)["rows"]) == (0, 60)
    assert "whatever their label" in err
    code, out, err = run(*given, "--normal", "good")
    assert (code, json.loads(out)["rows"]) == (0, 45)
    assert json.loads(out)["input"]["columns"] == ["a", "b", "c"]
    assert "whatever" not in err


def test_a_folder_of_images_is_learned_at_its_size(image_folder, tmp_path, run):
    model, options = tmp_path / "m.egbad", ("--set", "training.steps=10", "--alpha", "0.3")
    code, out, err = run("fit", image_folder / "even", "--out", model, *options, "--json")
    assert code == 0, err
    assert json.loads(out)["input"] == {"kind": "images", "shape": [8, 8], "columns": None}


def test_a_public_data_set_is_learned_by_name(tmp_path, run):
    model, options = tmp_path / "m.egbad", ("--set", "training.steps=2", "--alpha", "0.1")
    code, out, err = run("fit", "digits", "--normal", "5", "--out", model, *options, "--json")
    assert code == 0, err
    assert json.loads(out)["rows"] == 182
    code, out, err = run("evaluate", model, "digits", "--normal", "5", "--json")
    assert code == 0, err
    assert json.loads(out)["rows"] == 1797


def test_images_of_any_size_are_learned_and_scored(tmp_path, run, refuse):
    rng = np.random.default_rng(0)
    for i in range(40):
        h, w = (24, 30) if i % 2 else (12, 15)
        Image.fromarray(rng.integers(0, 256, (h, w)).astype(np.uint8)).save(tmp_path / f"{i}.png")
    (tmp_path / "bad.png").write_bytes(b"no image")
    model = tmp_path / "m.egbad"
    given = ("fit", tmp_path, "--out", model, "--detector", "knn", "--alpha", "0.3")
    assert "bad.png" in refuse(*given)
    code, out, err = run(*given, "--skip-unreadable")
    assert code == 0, err
    assert "18 x 22" in out and "Skipped, cannot be read" in err and "bad.png" in err
    code, out, _ = run("score", model, tmp_path, "--skip-unreadable", "--json")
    summary = json.loads(out)
    assert code == 0
    assert summary["rows"] == 40 and summary["skipped"] == [str(tmp_path / "bad.png")]


def test_large_images_are_learned_by_tiles(tmp_path, run, refuse, folder):
    (tmp_path / "images").mkdir()
    rng = np.random.default_rng(0)
    for i in range(30):
        pixels = rng.integers(0, 256, (20, 30)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{i}.png")
    options = ("--out", tmp_path / "m.egbad", "--detector", "knn", "--alpha", "0.3", "--tile", 10)
    code, out, err = run("fit", tmp_path / "images", *options, "--json")
    assert code == 0, err
    assert json.loads(out)["parameters"]["tile_size"] == 10
    assert "--tile is for images" in refuse("fit", folder / "normal.csv", *options, "--quiet")


def test_a_constant_column_is_learned(tmp_path, run, write_csv):
    path, model = write_csv(tmp_path / "t.csv", COLUMNS | {"c": np.ones(N)}), tmp_path / "m.egbad"
    assert run("fit", path, "--out", model, "--set", "training.steps=20", "--alpha", "0.3", "--quiet").code == 0
    code, out, _ = run("score", model, path, "--json")
    assert code == 0
    assert all(np.isfinite(row["score"]) for row in json.loads(out)["scores"])


def test_column_types_come_from_a_file(tmp_path, run, refuse, write_csv):
    path, types, model = write_csv(tmp_path / "t.csv", COLUMNS), tmp_path / "types.json", tmp_path / "m.egbad"
    given = ("fit", path, "--out", model, "--detector", "knn", "--alpha", "0.3", "--columns", types)
    types.write_text('{"a": "category"}')
    code, out, err = run(*given)
    assert code == 0, err
    assert "category, 7 levels" in out
    assert run("score", model, path, "--out", tmp_path / "s.csv").code == 0
    for content, message in (
        ('{"aa": "category"}', "There is no column 'aa'. Did you mean 'a'?"),
        ('{"a": "colour"}', "no column type 'colour'"),
        ('["a"]', "must hold one JSON object"),
    ):
        types.write_text(content)
        assert message in refuse(*given, "--quiet")


BAD_TABLES = {
    "empty": ({"a": np.array([]), "b": np.array([])}, ("at least one row", "empty")),
    "one row": ({"a": np.array([1.0])}, ("at least two rows", "got n_samples = 1")),
    "lists": (COLUMNS | {"pair": [[1.0, 2.0]] * N}, ("must hold numbers, text", "'pair'", "drop it")),
    "infinity": (with_value(-np.inf), ("finite", "infinity in row 3, column 'b'", "Fill or drop")),
}


@pytest.mark.parametrize("kind", BAD_TABLES)
def test_tables_that_cannot_be_learned_are_refused(kind, tmp_path, refuse, quick):
    columns, words = BAD_TABLES[kind]
    path, model = tmp_path / "t.parquet", tmp_path / "m.egbad"
    pa.parquet.write_table(pa.table(columns), path)
    message = refuse("fit", path, "--out", model, *quick, "--quiet")
    assert all(word in message for word in words), message
    assert not model.exists()


def test_files_that_cannot_be_read_are_refused(folder, tmp_path, refuse):
    out = tmp_path / "out.egbad"
    assert "no file, folder or data set" in refuse("fit", tmp_path / "none.csv", "--out", out)
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 and then nothing")
    assert "cannot be read as .parquet" in refuse("fit", broken, "--out", out)
    assert ".npz" in refuse("fit", folder / "m.egbad", "--out", out)
    assert not out.exists()


def test_a_fit_starts_from_an_earlier_model(folder, tmp_path, run, refuse):
    fit = ("fit", folder / "normal.npz", "--detector", "vae", "--alpha", "0.2", "--set")
    assert run(*fit, "training.steps=30", "--out", tmp_path / "a.egbad", "--quiet").code == 0
    start = ("--init-from", tmp_path / "a.egbad")
    code, out, err = run(*fit, "training.steps=0", "--out", tmp_path / "b.egbad", *start, "--json")
    assert code == 0, err
    assert json.loads(out)["model"] == str(tmp_path / "b.egbad")
    x = np.load(folder / "mixed.npz")["X"]
    a, b = (load(tmp_path / f"{name}.egbad").anomaly_score(x) for name in "ab")
    assert b == pytest.approx(a, rel=1e-5)
    refuse(*fit, "training.steps=0", "--out", tmp_path / "c.egbad", "--init-from", tmp_path / "none.egbad")


def test_workers_of_ray_get_the_whole_job(tmp_path, monkeypatch, run):
    jobs = []
    monkeypatch.setattr(run_fit, "run_on_ray", lambda work, workers: jobs.append((work, workers)))
    out = tmp_path / "m.egbad"
    options = ("--detector", "egbad", "--set", "training.steps=5", "--set", "width=8", "--members", "3", "--quiet")
    code, _, err = run("fit", "digits", *options, "--alpha", "0.1", "--out", out, "--engine", "ray", "--workers", "4")
    assert code == 2 and "m.egbad" in err  # no worker wrote the model
    ((work, workers),) = jobs
    assert workers == 4
    work()
    description = load(out).describe()
    assert description["parameters"]["members"] == 3
    assert (description["settings"]["training"]["steps"], description["settings"]["width"]) == (5, 8)


@pytest.mark.skipif(os.name == "nt", reason="signals differ there")
def test_ctrl_c_leaves_no_file(folder, tmp_path):
    code = "import sys; from egbad.cli import main; sys.exit(main())"
    settings = ("--set", "training.steps=10000000", "--set", "early_stopping.criterion=none")
    command = ["fit", str(folder / "normal.csv"), "--out", str(tmp_path / "m.egbad"), "--detector", "egbad", *settings]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *command], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    first = process.stderr.readline()  # the first line of progress: training has begun
    assert first.startswith("Training")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert err.splitlines()[-1] == "Interrupted: no output was written."
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_the_command_is_one_of_the_root():
    assert [command.callback for command in fit.app.registered_commands] == [fit.fit]


def test_the_weights_of_the_backbone_may_be_left_out(folder, tmp_path, run, quick):
    rng, photos = np.random.default_rng(0), tmp_path / "photos"
    photos.mkdir()
    for i in range(12):
        Image.fromarray(rng.integers(0, 256, (16, 16)).astype(np.uint8)).save(photos / f"{i}.png")
    options = (
        "--detector",
        "patchcore",
        "--set",
        "feature_config.image_size=32",
        "--set",
        "memory_size=20",
        "--alpha",
        0.5,
    )
    assert run("fit", photos, "--out", tmp_path / "m.egbad", *options, "--reference-backbone").code == 0
    assert (tmp_path / "m.egbad").stat().st_size < 10**6
    assert run("score", tmp_path / "m.egbad", photos, "--out", tmp_path / "scores.csv").code == 0
    code, _, err = run("fit", folder / "normal.csv", "--out", tmp_path / "t.egbad", *quick, "--reference-backbone")
    assert code == 0 and "The model has no backbone: --reference-backbone changes nothing." in err
