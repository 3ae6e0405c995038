"""`egbad drift` from the command line."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from egbad.cli import main


@pytest.fixture(scope="module")
def scene(tmp_path_factory, write_csv):
    """Write a model of a number and a category, and tables: usual, shifted, with anomalies."""
    folder = tmp_path_factory.mktemp("drift")
    rng = np.random.default_rng(0)

    def table(n):
        return {"size": rng.normal(size=n), "kind": rng.choice(["a", "b"], size=n), "at": [f"r{i}" for i in range(n)]}

    write_csv(folder / "normal.csv", table(800))
    write_csv(folder / "usual.csv", table(300))
    shifted, flood = table(300), table(300)
    shifted["size"] += 1
    flood["size"][::5] = 12
    write_csv(folder / "shifted.csv", shifted)
    pa.parquet.write_table(pa.table(flood), folder / "flood.parquet")
    options = ("--detector", "knn", "--set", "calibration_fraction=0.5", "--id-column", "at", "--quiet")
    assert main(["fit", str(folder / "normal.csv"), "--out", str(folder / "m.egbad"), *options]) == 0
    return folder


@pytest.mark.parametrize(
    ("data", "code", "kind"),
    [("usual.csv", 0, "none"), ("shifted.csv", 3, "shift"), ("flood.parquet", 4, "anomalies")],
)
def test_the_exit_code_tells_the_kind_of_drift(scene, run, data, code, kind):
    found = run("drift", scene / "m.egbad", scene / data, "--json")
    report = json.loads(found.out)
    assert (found.code, report["kind"], report["drift"], found.err) == (code, kind, code != 0, "")
    assert report["rows"] == 300 and report["level"] == 0.01 and report["skipped"] == []
    assert {column["column"] for column in report["columns"]} == {"size", "kind"}


def test_people_read_a_sentence_and_the_columns_that_have_changed(scene, run):
    code, out, _ = run("drift", scene / "m.egbad", scene / "shifted.csv")
    text = " ".join(out.split())
    assert code == 3
    assert "The data has changed, most clearly in size, and not only by more anomalies" in text
    assert "kolmogorov-smirnov" in text and "1 of 2 have changed" in text


def test_batches_do_not_change_the_result(scene, run):
    given = ("drift", scene / "m.egbad", scene / "shifted.csv", "--json")
    assert run(*given, "--batch-size", 7).out == run(*given).out


def test_level_and_alpha_are_used(scene, run):
    given = (scene / "m.egbad", scene / "usual.csv", "--level", "0.2", "--alpha", "0.25")
    report = json.loads(run("drift", *given, "--json").out)
    assert report["level"] == 0.2 and report["martingale"]["threshold"] == 10
    assert report["flagged"]["expected"] == pytest.approx(0.25, abs=0.01)


def test_an_exported_model_tests_scores_alone(scene, run, tmp_path):
    assert run("export", scene / "m.egbad", "--out", tmp_path / "m.onnx").code == 0
    code, out, _ = run("drift", tmp_path / "m.onnx", scene / "flood.parquet", "--json")
    report, original = (
        json.loads(out),
        json.loads(run("drift", scene / "m.egbad", scene / "flood.parquet", "--json").out),
    )
    assert code == 4 and report["columns"] == [] and "exported models have none" in report["untested"]
    assert report["flagged"] == original["flagged"]


def test_images_are_compared_by_their_scores(defect_model, defect_folder, run):
    code, out, err = run("drift", defect_model, defect_folder / "test" / "good", "--json")
    report = json.loads(out)
    assert (code, err) == (0, "")
    assert (report["rows"], report["columns"], report["untested"]) == (8, [], "Images have no columns.")


def test_mistakes_end_with_the_code_of_other_commands(scene, refuse):
    assert "level must be in (0, 1), got 1.5" in refuse(
        "drift", scene / "m.egbad", scene / "usual.csv", "--level", "1.5"
    )
    assert "There is no file" in refuse("drift", scene / "m.egbad", scene / "nothing.csv")
