"""`egbad export` from the command line."""

import json

import pytest

pytest.importorskip("onnx")


def test_a_model_is_exported_and_scores_the_same(folder, tmp_path, run):
    out = tmp_path / "m.onnx"
    code, printed, err = run("export", folder / "m.egbad", "--out", out, "--json")
    assert code == 0, err
    assert json.loads(printed) == {"detector": "blend", "bytes": out.stat().st_size, "out": str(out)}
    given = (folder / "mixed.csv", "--label-column", "y", "--json")
    exported, original = (json.loads(run("score", model, *given).out) for model in (out, folder / "m.egbad"))
    assert exported["scores"][0]["score"] == pytest.approx(original["scores"][0]["score"], rel=1e-4)


def test_other_suffixes_and_missing_folders_are_refused(folder, tmp_path, refuse):
    assert "must end in .onnx, got 'm.pt'" in refuse("export", folder / "m.egbad", "--out", tmp_path / "m.pt")
    assert "There is no folder" in refuse("export", folder / "m.egbad", "--out", tmp_path / "none" / "m.onnx")
