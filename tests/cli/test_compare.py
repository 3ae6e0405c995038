"""`egbad compare` from the command line."""

import json

import numpy as np
import pytest
from PIL import Image


def test_detectors_are_measured_against_labels(folder, tmp_path, run):
    command = ("compare", folder / "mixed.parquet", "--label-column", "y", "--normal", "good", "--out", tmp_path)
    code, out, err = run(*command, "--detectors", "pca", "--json")
    assert code == 0, err
    table = json.loads(out)["summary"]["tables"][0]
    assert {row["label"] for row in table["rows"]} == {"knn", "pca", "isolation_forest", "egbad, untrained"}
    assert table["facts"]["training_rows"] == 22 and table["facts"]["test_rows"] == 38
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".data")], "the copy of the rows is removed"


def test_without_labels_the_rankings_are_compared(folder, tmp_path, run):
    lines = (folder / "normal.csv").read_text().splitlines()
    named = [f"note,key,{lines[0]}", *(f"{i},{i},{line}" for i, line in enumerate(lines[1:]))]
    (tmp_path / "t.csv").write_text("\n".join(named) + "\n")
    options = ("--detectors", "lof", "--id-column", "key", "--drop", "note")
    code, out, err = run("compare", tmp_path / "t.csv", "--out", tmp_path / "out", *options)
    assert code == 0, err
    assert "flagged at alpha = 0.01" in out and "look like ids" not in err
    tmp_path = tmp_path / "out"
    text = (tmp_path / "results.md").read_text(encoding="utf-8")
    assert "Rank correlation of the scores" in text and "AUROC" not in text
    rows = text.split("- knn: ")[1].splitlines()[0].split(", ")
    assert len(set(rows)) == 10 and all(0 <= int(row) < 300 for row in rows)


def test_labels_that_are_not_used_are_announced(folder, tmp_path, run):
    err = run("compare", folder / "mixed.npz", "--out", tmp_path, "--detectors", "pca").err
    assert "The labels of the data are not used" in err


def test_missing_data_is_refused(tmp_path, refuse):
    message = refuse("compare", "nothing.csv", "--out", tmp_path / "out")
    assert "There is no file, folder or data set 'nothing.csv'" in message


@pytest.fixture
def photographs(tmp_path):
    """Noise of two sizes, laid out as MVTec AD. The defect "spot" is a bright square."""
    rng = np.random.default_rng(0)
    for kind, n in (("train/good", 12), ("test/good", 4), ("test/spot", 4)):
        (tmp_path / "photos" / kind).mkdir(parents=True)
        for i in range(n):
            pixels = rng.integers(100, 120, (70 + 2 * (i % 2), 72))
            pixels[30:50, 30:50] += 100 * (kind == "test/spot")
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "photos" / kind / f"{i:02}.png")
    return tmp_path / "photos"


def test_detectors_of_any_size_and_of_one_size_are_compared_on_photographs(photographs, tmp_path, run):
    labels = ("--label-column", "folder", "--normal", "good")
    command = ("compare", photographs, *labels, "--out", tmp_path / "out", "--detectors", "patchcore", "--json")
    code, out, err = run(*command)
    assert code == 0, err
    (table,) = json.loads(out)["summary"]["tables"]
    assert (table["facts"]["training_rows"], table["facts"]["test_rows"]) == (8, 12), "test images are read, too"
    lines = (tmp_path / "out" / "runs.jsonl").read_text().splitlines()
    failures = [json.loads(line).get("reason") for line in lines]
    assert failures == [None] * 5
