"""`egbad detect` from the command line."""

import csv
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from egbad import detect, load
from egbad.detectors.registry import create
from egbad.export import export


def test_scores_of_all_rows_are_those_of_python(folder, run):
    code, out, err = run(
        "detect", folder / "mixed.csv", "--label-column", "y", "--detector", "knn", "--contamination", "0.25"
    )
    assert code == 0
    assert "The labels of the data are not used." in err and "60 rows, 15 flagged (25.00%)." in err
    lines = list(csv.DictReader(out.splitlines()))
    x = np.load(folder / "mixed.npz")["X"]
    found = detect(x, create("knn", random_state=0), contamination=0.25)
    assert [int(line["row"]) for line in lines] == [*range(60)]
    assert [float(line["score"]) for line in lines] == found.decision_scores_.tolist()
    assert [float(line["p_value"]) for line in lines] == found.p_values_.tolist()
    assert [line["anomaly"] == "true" for line in lines] == (found.labels_ == 1).tolist()
    assert found.labels_[45:].mean() > 2 * found.labels_[:45].mean()


def test_terms_and_reasons_are_options(folder, tmp_path, run):
    path = tmp_path / "found.parquet"
    given = (
        "detect",
        folder / "mixed.parquet",
        "--label-column",
        "y",
        "--out",
        path,
        "--terms",
        "--explain",
        "1",
        "--folds",
        "3",
    )
    code, out, err = run(*given, "--set", 'parts=["knn"]')
    assert (code, out) == (0, "") and f"written to {path}" in err
    table = pa.parquet.read_table(path).to_pydict()
    assert table["knn"] == table["score"]
    assert sum(table["anomaly"]) == 6
    reasons = [reason for reason, anomaly in zip(table["reason_1"], table["anomaly"], strict=True) if anomaly]
    assert set(reasons) <= {*"abc"}


def test_images_of_a_folder_are_scored_in_the_order_of_their_files(image_folder, run):
    quick = ("--detector", "pca", "--contamination", "0.17", "--json")
    values = json.loads(run("detect", image_folder, *quick).out)
    files = [row["file"] for row in values["scores"]]
    assert files == sorted(files) and values["rows"] == len(files) == 36
    assert values["flagged"] == sum(row["anomaly"] for row in values["scores"]) == 6
    assert values["out"] is None


def test_wrong_options_are_refused_before_anything_is_read(refuse, tmp_path):
    assert refuse("detect", "missing.csv", "--contamination", "2") == "contamination must be in (0, 1), got 2.0."
    assert "There is no file, folder or data set 'missing.csv'." in refuse("detect", "missing.csv")
    assert "--out must be a .csv, .parquet or .jsonl file" in refuse(
        "detect", "missing.csv", "--out", tmp_path / "parts"
    )


def test_copies_of_a_model_score_its_training_rows_out_of_fold(folder, run):
    code, out, err = run("score", folder / "m.egbad", folder / "normal.csv", "--out-of-fold", "--alpha", "0.1")
    assert code == 0
    assert "Warning" not in err and "300 rows, 30 flagged (10.00%)." in err
    found = detect(np.load(folder / "normal.npz")["X"], load(folder / "m.egbad"), contamination=0.1)
    lines = list(csv.DictReader(out.splitlines()))
    assert [float(line["score"]) for line in lines] == found.decision_scores_.tolist()
    assert [float(line["p_value"]) for line in lines] == found.p_values_.tolist()


@pytest.mark.parametrize("option", [("--fdr", "0.1"), ("--batch-size", "10"), ("--engine", "ray", "--out", "parts/")])
def test_options_of_scoring_in_batches_do_not_go_with_out_of_fold_scores(option, folder, refuse):
    message = refuse("score", folder / "m.egbad", folder / "normal.csv", "--out-of-fold", *option)
    assert "--out-of-fold fits models to all rows at once" in message


def test_an_exported_graph_has_no_copies_to_fit(folder, refuse, tmp_path):
    path = tmp_path / "m.onnx"
    export(load(folder / "m.egbad"), path)
    message = refuse("score", path, folder / "normal.csv", "--out-of-fold")
    assert "--out-of-fold fits copies of a detector, got the exported graph" in message


def test_scoring_the_training_rows_names_this_command(folder, run):
    code, _, err = run("score", folder / "m.egbad", folder / "normal.csv")
    assert code == 0
    assert err.count("Warning: The detector was trained on some of these rows") == 1 and "'egbad detect'" in err
    assert "Warning" not in run("score", folder / "m.egbad", folder / "mixed.csv", "--label-column", "y").err
