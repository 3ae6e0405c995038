"""`egbad evaluate` from the command line."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from egbad import load
from egbad.cli import main


def test_metrics_are_a_table_or_json(folder, run):
    given = ("evaluate", folder / "m.egbad", folder / "mixed.csv", "--label-column", "y")
    code, out, _ = run(*given)
    assert code == 0
    assert "average precision" in out
    assert json.loads(run(*given, "--json").out)["rows"] == 60


def test_a_folder_of_images_is_evaluated_by_the_names_of_its_folders(image_folder, tmp_path, run):
    model, page = tmp_path / "m.egbad", tmp_path / "page.html"
    options = ("--set", "training.steps=10", "--alpha", "0.3", "--quiet")
    assert run("fit", image_folder / "even", "--out", model, *options).code == 0
    labels = ("--label-column", "folder", "--normal", "even")
    code, out, err = run("evaluate", model, image_folder, *labels, "--report", page, "--json")
    assert code == 0, err
    assert json.loads(out)["anomalies"] == 6
    assert json.loads(out)["report"] == str(page)
    assert "<html" in page.read_text(encoding="utf-8")


def test_labels_that_do_not_fit_are_refused(folder, refuse):
    model = folder / "m.egbad"
    assert "--label-column" in refuse("evaluate", model, folder / "normal.csv")
    mixed = (folder / "mixed.parquet", "--label-column")
    assert "Did you mean 'y'?" in refuse("evaluate", model, *mixed, "yy")
    assert "need --normal, the label of normal rows. Labels found: bad, good" in refuse("evaluate", model, *mixed, "y")
    assert "Did you mean 'good'?" in refuse("evaluate", model, *mixed, "y", "--normal", "goood")


@pytest.fixture(scope="module")
def labelled_fit(folder, tmp_path_factory):
    """A model of the rows labelled "good"."""
    path = tmp_path_factory.mktemp("labelled") / "m.egbad"
    options = ("--label-column", "y", "--normal", "good", "--detector", "knn", "--alpha", "0.1", "--quiet")
    assert main(["fit", str(folder / "mixed.parquet"), "--out", str(path), *options]) == 0
    return path


def test_the_normal_label_of_the_fit_is_remembered(labelled_fit, folder, run):
    given = (folder / "mixed.parquet", "--label-column", "y", "--json")
    code, out, err = run("evaluate", labelled_fit, *given)
    assert (code, err) == (0, "")
    assert json.loads(out)["normal_label"] == "good" and json.loads(out)["auroc"] > 0.9
    assert json.loads(run("info", labelled_fit, "--json").out)["normal_label"] == "good"


def test_another_normal_label_than_that_of_the_fit_is_noted(labelled_fit, folder, run):
    code, _, err = run("evaluate", labelled_fit, folder / "mixed.parquet", "--label-column", "y", "--normal", "bad")
    assert code == 0
    assert "fitted with --normal good. This evaluation takes 'bad' for normal instead." in err
    assert "is below 0.5: anomalies have lower scores" in err


def test_a_threshold_is_chosen_on_one_half_and_measured_on_the_other(folder, run, tmp_path):
    given = ("evaluate", folder / "m.egbad", folder / "mixed.csv", "--label-column", "y", "--json")
    model = load(folder / "m.egbad")
    for criterion in ("f1", "recall=1", "cost=20", "flags=1/4"):
        values = json.loads(run(*given, "--choose", criterion).out)
        assert values["chosen_by"] == criterion and values["rows"] + values["rows_to_choose"] == 60
        assert values["threshold"] != model.threshold_ and values["anomalies"] in (7, 8)
    page, path = tmp_path / "page.html", tmp_path / "new.egbad"
    code, out, err = run(*given, "--choose", "recall=1", "--save-threshold", path, "--report", page)
    assert code == 0 and "A model with the threshold" in err
    saved = load(path)
    assert saved.threshold_ == json.loads(out)["threshold"] and load(folder / "m.egbad").threshold_ == model.threshold_
    frame = pd.read_csv(folder / "mixed.csv")[["a", "b", "c"]]
    assert np.array_equal(saved.predict(frame) == -1, model.anomaly_score(frame) > saved.threshold_)
    assert f"of {json.loads(out)['anomalies']}" in page.read_text(encoding="utf-8")


def test_criteria_that_do_not_fit_are_refused(folder, refuse, tmp_path):
    given = ("evaluate", folder / "m.egbad", folder / "mixed.csv", "--label-column", "y")
    assert "Did you mean 'recall'?" in refuse(*given, "--choose", "recal=0.9")
    assert "must be a number such as 0.95 or 10/20000, got 'high'" in refuse(*given, "--choose", "recall=high")
    assert "in (0, 1], got 2.0" in refuse(*given, "--choose", "flags=2")
    assert "what --choose chooses" in refuse(*given, "--save-threshold", tmp_path / "n.egbad")
    (tmp_path / "old.egbad").write_bytes(b"")
    assert "to a new model file" in refuse(*given, "--choose", "f1", "--save-threshold", tmp_path / "old.egbad")
    assert "must not be a file that the command reads" in refuse(
        *given, "--choose", "f1", "--save-threshold", folder / "m.egbad"
    )


def test_a_report_in_a_missing_folder_is_refused_first(folder, refuse, tmp_path):
    message = refuse("evaluate", "none.egbad", folder / "mixed.csv", "--report", tmp_path / "none" / "page.html")
    assert "There is no folder" in message


def test_a_folder_laid_out_as_mvtec_ad_is_learned_and_evaluated_with_its_masks(
    defect_folder, defect_model, tmp_path, run
):
    assert load(defect_model).n_train_ == 27, "only train/good is learned"
    page = tmp_path / "page.html"
    code, out, err = run("evaluate", defect_model, defect_folder, "--report", page, "--json")
    assert code == 0 and f"Reading '{defect_folder / 'test'}'" in err
    assert "4 of 10 images with a defect have no mask and are left out of pixel metrics." in err
    found = json.loads(out)
    every, glare, spot = found["defects"]
    assert (found["rows"], found["anomalies"], found["normal_label"]) == (18, 10, "good")
    assert [every["defect"], glare["defect"], spot["defect"]] == [None, "glare", "spot"]
    assert found["auroc"] == every["auroc"] == glare["auroc"] == spot["auroc"] == 1
    assert spot["pixel_auroc"] == every["pixel_auroc"] > 0.95 and spot["pro"] > 0.9 and spot["peaks_in_masks"] == 1
    assert glare["pixel_auroc"] is None and glare["images"] == 4
    assert "Peaks in masks" in page.read_text(encoding="utf-8")
    out = run("evaluate", defect_model, defect_folder).out
    assert "Defects" in out and "glare" in out


def test_only_the_test_images_of_such_a_folder_are_scored(defect_folder, defect_model, run):
    code, out, _ = run("score", defect_model, defect_folder, "--json")
    assert code == 0 and json.loads(out)["rows"] == 18


def test_a_mask_of_another_size_is_refused(defect_folder, defect_model, tmp_path, run):
    shutil.copytree(defect_folder, tmp_path / "copy")
    Image.fromarray(np.ones((8, 8), np.uint8)).save(tmp_path / "copy/ground_truth/spot/00_mask.png")
    code, out, err = run("evaluate", defect_model, tmp_path / "copy")
    assert (code, out) == (2, "")
    assert "A mask must have the size of its image, 16 x 16 pixels, got 8 x 8" in err.splitlines()[-1]


def test_pixel_metrics_are_left_out_without_pixel_scores(defect_folder, defect_model, tmp_path, run):
    assert run("export", defect_model, "--out", tmp_path / "m.onnx").code == 0
    code, out, err = run("evaluate", tmp_path / "m.onnx", defect_folder, "--json")
    assert code == 0 and "Pixel metrics are left out" in err
    assert all(found["pixel_auroc"] is None for found in json.loads(out)["defects"])
