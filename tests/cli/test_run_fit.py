"""The work of `egbad fit`."""

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from egbad import load
from egbad.cli.inputs import Source
from egbad.cli.run_fit import FitJob, fit_here, fit_on_ray, sample_normal_rows
from egbad.data import Data, as_stream
from egbad.detectors.registry import create
from egbad.errors import EgbadError, InvalidInputError, StoppedError
from egbad.training.checkpoints import Checkpoints


def job(source, out, **options):
    """A fit of a small detector."""
    detector = options.pop("detector", create("knn", alpha=0.1, random_state=0))
    defaults = {"normal": None, "max_rows": None, "seed": 0, "init_from": None, "resume": False}
    return FitJob(detector, source, out, **{**defaults, "checkpoint_seconds": 0, **options})


def test_a_fit_saves_the_detector_and_returns_it(folder, tmp_path):
    result = fit_here(job(Source(str(folder / "normal.npz")), tmp_path / "m.egbad"))
    assert result.n_rows == 300
    x = np.load(folder / "mixed.npz")["X"]
    assert np.array_equal(result.detector.anomaly_score(x), load(tmp_path / "m.egbad").anomaly_score(x))
    assert [path.name for path in tmp_path.iterdir()] == ["m.egbad"]


def test_an_interrupted_fit_is_resumed_with_the_same_bits(folder, tmp_path, monkeypatch, capsys):
    def vae():
        return create("vae", training__steps=40, alpha=0.1, random_state=0)

    source, x = Source(str(folder / "normal.npz")), np.load(folder / "mixed.npz")["X"]
    whole = fit_here(job(source, tmp_path / "whole.egbad", detector=vae())).detector.anomaly_score(x)

    interrupted = vae()
    fit = interrupted.fit

    def stop(step):
        raise KeyboardInterrupt

    monkeypatch.setattr(interrupted, "fit", lambda *args, **kw: fit(*args, **kw, callback=stop, callback_interval=20))
    out = tmp_path / "m.egbad"
    with pytest.raises(StoppedError, match="Run the same command with --resume"):
        fit_here(job(source, out, detector=interrupted))
    assert not out.exists() and Path(f"{out}.checkpoints").is_dir()
    resumed = fit_here(job(source, out, detector=vae(), resume=True)).detector.anomaly_score(x)
    assert np.array_equal(resumed, whole)
    assert not Path(f"{out}.checkpoints").exists()


def test_the_rows_of_one_label_are_sampled():
    x, labels = np.arange(20.0).reshape(10, 2), np.array(["a", "b"] * 5)
    rows = sample_normal_rows(as_stream(Data(x, labels=labels)), "a", None, 0, show_progress=False)
    assert rows.x.tolist() == x[::2].tolist()
    with pytest.raises(InvalidInputError, match="There is no label 'c'. Known: a, b"):
        sample_normal_rows(as_stream(Data(x, labels=labels)), "c", None, 0, show_progress=False)


def test_a_sample_is_announced(capsys):
    stream = as_stream(Data(np.random.default_rng(0).normal(size=(500, 2))))
    assert len(sample_normal_rows(stream, None, 100, 0, show_progress=False).x) == 100
    assert capsys.readouterr().err.startswith("Learning from a random sample of 100 of 500 rows, and ")


def test_a_level_in_one_row_of_thousands_is_known(tmp_path, run):
    words = np.array(["tcp", "udp"] * 2000)
    words[3210] = "arp"
    amounts = pa.array([None if i == 77 else float(i % 50) for i in range(4000)])
    pq.write_table(pa.table({"protocol": words, "amount": amounts}), tmp_path / "t.parquet")
    out = tmp_path / "m.egbad"
    given = ("fit", tmp_path / "t.parquet", "--out", out, "--detector", "knn", "--max-rows", 200)
    code, _, err = run(*given, "--set", "n_neighbors=1")
    assert code == 0
    assert "and 2 rows with levels, missing values or extremes that the sample lacks" in err
    column_types = load(out).describe()["input"]["column_types"]
    assert column_types == {"protocol": "category, 3 levels", "amount": "number, some missing"}
    rows = pa.table({"protocol": ["arp", "sctp", "tcp"], "amount": [10.0, 10.0, 10.0]})
    known, unknown, usual = load(out).anomaly_score(rows)
    assert usual <= known < unknown


def test_max_rows_limits_the_sample_and_the_same_seed_draws_the_same(tmp_path, run):
    rng = np.random.default_rng(0)
    for i in range(4):
        columns = {"a": rng.normal(size=2000), "city": rng.choice(["Oslo", "Rome"], 2000)}
        pq.write_table(pa.table(columns), tmp_path / f"{i}.parquet")
    rows = pa.table({"a": rng.normal(size=9), "city": rng.choice(["Oslo", "Rome"], 9)})
    out = tmp_path / "m.egbad"
    given = ("fit", tmp_path / "*.parquet", "--out", out, "--detector", "knn", "--max-rows")
    code, _, err = run(*given, 1000)
    assert code == 0
    assert "Learning from a random sample of 1,000 of 8,000 rows" in err
    first = load(out)
    assert first.n_calibration_ == 100
    assert first.n_train_ >= 900, "the rows that show what the sample lacks are learned, too"
    run(*given, 1000)
    assert load(out).anomaly_score(rows).tolist() == first.anomaly_score(rows).tolist()
    assert "random sample" not in run(*given, 9000).err
    assert load(out).n_train_ == 7200


def test_large_photographs_are_announced_before_a_long_training(tmp_path, capsys):
    (tmp_path / "my photos").mkdir()
    for i in range(4):
        Image.fromarray(np.full((240, 320), i, np.uint8)).save(tmp_path / "my photos" / f"{i}.png")
    photos, out, detector = str(tmp_path / "my photos"), tmp_path / "m.egbad", create("knn", alpha=0.5, random_state=0)
    fit_here(job(Source(photos), out, detector=detector))
    hint = "have 240 x 320 pixels and are shrunk to 96 x 128, which hides small defects"
    err = capsys.readouterr().err
    assert hint in err and f"does not shrink photographs: egbad fit '{photos}' --out {out}\n" in err
    fit_here(job(Source(photos, image_size="64x64"), out, detector=detector))
    assert hint not in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore::egbad.errors.HealthWarning")  # one step teaches nothing
def test_the_extra_that_photographs_need_is_named_once(tmp_path, capsys, monkeypatch):
    for module in ("blend_parts", "blend_images"):
        monkeypatch.setattr(f"egbad.detectors.{module}.is_installed", lambda name: False)
    for i in range(4):
        Image.fromarray(np.full((80, 90), i, np.uint8)).save(tmp_path / f"{i}.png")
    detector = create("auto", training__steps=1, alpha=0.5, random_state=0)
    fit_here(job(Source(str(tmp_path), learners=[detector]), tmp_path / "m.egbad", detector=detector))
    assert (
        capsys.readouterr().err.count("After pip install 'egbad[backbones]' the default detector learns photographs")
        == 1
    )


def test_photographs_are_learned_at_their_own_size(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(8):
        Image.fromarray(rng.integers(0, 256, (150 + i, 140), dtype=np.uint8)).save(tmp_path / f"{i}.png")
    parts = {"patchcore": {"memory_size": 20, "feature_config__image_size": 64}}
    detector = create("auto", parts=parts, alpha=0.5, random_state=0)
    fit_here(job(Source(str(tmp_path), learners=[detector]), tmp_path / "m.egbad", detector=detector))
    assert load(tmp_path / "m.egbad").shape_ == (150, 140)


def test_a_second_fit_of_the_same_file_is_refused_before_it_reads(tmp_path):
    out = tmp_path / "m.egbad"
    with Checkpoints(f"{out}.checkpoints").lock(), pytest.raises(EgbadError, match=r"Another fit is using '.*m\.egbad"):
        fit_here(job(Source("nowhere.csv"), out))


def test_a_model_is_written_to_a_device_without_checkpoints(folder):
    detector = create("vae", training__steps=2, alpha=0.1, random_state=0)
    assert fit_here(job(Source(str(folder / "normal.npz")), Path(os.devnull), detector=detector)).n_rows == 300
    assert not Path(f"{os.devnull}.checkpoints").exists()
    with pytest.raises(InvalidInputError, match="is a device. Name a file as --out"):
        fit_on_ray(job(Source("normal.csv"), Path(os.devnull)), 1)


def test_a_model_that_cannot_be_saved_can_be_resumed(folder, tmp_path, monkeypatch):
    def full(*_, **__):
        raise EgbadError("m.egbad cannot be written: No space left on device.")

    detector = create("vae", training__steps=2, alpha=0.1, random_state=0)
    monkeypatch.setattr(detector, "save", full, raising=False)
    with pytest.raises(
        EgbadError, match=r"No space left on device\. Run the same command with --resume to continue from"
    ):
        fit_here(job(Source(str(folder / "normal.npz")), tmp_path / "m.egbad", detector=detector))
    assert Checkpoints(tmp_path / "m.egbad.checkpoints").exist()


@pytest.mark.parametrize("command", ["fit", "detect"])
def test_columns_that_cannot_be_learned_are_named(command, run, write_csv, tmp_path):
    a = np.random.default_rng(0).normal(size=60)
    columns = {"key": np.arange(60), "a": a, "unit": ["cm"] * 60, "none": [None] * 60}
    path = write_csv(tmp_path / "t.csv", columns)
    out = ("--out", tmp_path / "m.egbad", "--alpha", "0.1") if command == "fit" else ("--folds", "2")
    command = (command, path, *out[: 2 if command == "detect" else 4], "--detector", "pca", "--set", "alpha=0.3")
    done = run(*command)
    assert done.code == 0, done.err
    assert done.err.count("Columns with one value in all rows: 'unit'.") == 1
    assert done.err.count("Columns without any value: 'none'.") == 1
    assert done.err.count("Columns that look like ids, with a different value in each row: 'key'.") == 1
    done = run(*command, "--id-column", "key", "--drop", "unit", "--drop", "none")
    assert done.code == 0 and "Columns" not in done.err.replace("Columns │", "")


def test_a_table_of_constants_gets_one_sentence(run, write_csv, tmp_path):
    path = write_csv(tmp_path / "t.csv", {"a": [1.0] * 60, "b": ["x"] * 60})
    done = run("fit", path, "--out", tmp_path / "m.egbad", "--detector", "knn", "--alpha", "0.3")
    assert done.code == 0 and "category, 1 level " in done.out
    assert done.err.count("constant") == 1 and "one value" not in done.err
