"""`egbad evaluate` from the command line."""

import json


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


def test_a_report_in_a_missing_folder_is_refused_first(folder, refuse, tmp_path):
    message = refuse("evaluate", "none.egbad", folder / "mixed.csv", "--report", tmp_path / "none" / "page.html")
    assert "There is no folder" in message
