"""`egbad tune` from the command line."""

import json
import sys

import numpy as np
import pytest
from PIL import Image

from egbad import load
from egbad.data import ColumnRoles


@pytest.fixture
def table(tmp_path):
    """Normal rows, and 20 labelled anomalies in which the second column has the wrong sign."""
    rng = np.random.default_rng(0)
    a = rng.normal(size=150)
    x = np.column_stack([a, a + 0.1 * rng.normal(size=150), rng.normal(size=150)])
    x[-20:, 1] *= -1
    lines = [f"{a},{b},{c},{'odd' if i >= 130 else 'fine'}" for i, (a, b, c) in enumerate(x.tolist())]
    file = tmp_path / "rows.csv"
    file.write_text("\n".join(["a,b,c,y", *lines]))
    return file


def test_the_result_is_a_table_or_json(table, tmp_path, run):
    model = tmp_path / "m.egbad"
    given = ("tune", table, "--out", model, "--detector", "knn", "--trials", 4, "--set", "alpha=0.1")
    labels = ("--label-column", "y", "--normal", "fine", "--drop", "c")
    code, out, err = run(*given, *labels, "--json")
    assert code == 0, err
    result = json.loads(out)
    assert result["judged_by"] == "20 labelled anomalies"
    assert 0.5 < result["cross_validated"] <= 1
    assert result["auroc"] >= result["auroc_of_defaults"]
    assert len(result["trials"]) == 4
    assert load(model).alpha == 0.1 and load(model).columns_ == ("a", "b")
    assert load(model).column_roles_ == ColumnRoles(ignored=("c",), label="y")
    code, out, err = run(*given, *labels)
    assert code == 0
    assert "the defaults" in out and "chosen" in out
    assert "not used for the choice" in " ".join(err.split())


def test_a_wrong_setting_is_refused_before_the_search(table, tmp_path, refuse):
    given = ("tune", table, "--out", tmp_path / "m.egbad", "--detector", "knn", "--set", "n_neighbours=3")
    assert "Did you mean 'n_neighbors'?" in refuse(*given)


def test_a_missing_optuna_is_one_sentence_that_names_the_extra(table, tmp_path, refuse, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert "pip install 'egbad[tune]'" in refuse("tune", table, "--out", tmp_path / "m.egbad")


def test_a_folder_laid_out_as_mvtec_ad_gives_normal_images_and_with_labels_anomalies(defect_folder, tmp_path, run):
    given = ("tune", defect_folder, "--out", tmp_path / "m.egbad", "--detector", "knn", "--trials", 1, "--json")
    for options, n_normal, judged_by in (
        ((), 30, "synthetic anomalies"),
        (("--label-column", "folder", "--normal", "good"), 38, "10 labelled anomalies"),
    ):
        code, out, err = run(*given, "--set", "alpha=0.4", *options)
        assert code == 0, err
        result = json.loads(out)
        found = result["detector"]
        assert found["training_rows"] + found["calibration_rows"] == n_normal and result["judged_by"] == judged_by


def test_photographs_are_tuned_at_their_own_size(tmp_path, run):
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for i in range(8):
        pixels = rng.integers(0, 256, (150 + i, 140), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{i}.png")
    settings = ("--set", "alpha=0.5", "--set", "feature_config.image_size=64", "--set", "memory_size=20")
    options = ("--detector", "patchcore", "--folds", 2, *settings)
    code, _, err = run("tune", tmp_path / "photos", "--out", tmp_path / "m.egbad", *options)
    assert code == 0, err
    assert load(tmp_path / "m.egbad").shape_ == (150, 140)
