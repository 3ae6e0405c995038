"""`egbad recalibrate` from the command line."""

import json

import numpy as np
import pytest
from PIL import Image

from egbad import load


@pytest.fixture
def brighter(tmp_path):
    """Write 12 normal images that are brighter than those of `defect_folder`."""
    rng = np.random.default_rng(1)
    for i in range(12):
        Image.fromarray(rng.integers(130, 150, (16, 16)).astype(np.uint8)).save(tmp_path / f"{i}.png")
    return tmp_path


def test_recent_images_set_the_threshold(defect_model, brighter, run):
    out = brighter / "new.egbad"
    code, printed, err = run("recalibrate", defect_model, brighter, "--out", out, "--alpha", "0.2", "--json")
    assert (code, err) == (0, "")
    found = json.loads(printed)
    assert found["rows"] == 12 and found["earlier_flagged"] == 1
    assert found["earlier_threshold"] == load(defect_model).threshold_
    assert found["threshold"] == load(out).threshold_ > load(defect_model).threshold_
    assert json.loads(run("info", out, "--json").out)["recalibration"]["rows"] == 12
    assert json.loads(run("score", out, brighter, "--json").out)["flagged_share"] < 0.3


def test_only_normal_rows_are_used(folder, tmp_path, run):
    given = (folder / "mixed.parquet", "--label-column", "y", "--normal", "good", "--out", tmp_path / "new.egbad")
    code, printed, err = run("recalibrate", folder / "m.egbad", *given, "--json")
    assert code == 0, err
    assert json.loads(printed)["rows"] == 45


def test_an_exported_model_is_refused(defect_model, brighter, tmp_path, run, refuse):
    assert run("export", defect_model, "--out", tmp_path / "m.onnx").code == 0
    message = refuse("recalibrate", tmp_path / "m.onnx", brighter, "--out", tmp_path / "n.egbad")
    assert "An exported model keeps its threshold. Recalibrate the model that it was exported from" in message


@pytest.mark.parametrize("command", ["recalibrate", "export"])
def test_commands_that_need_a_fitted_model_ask_for_one(command, run):
    shown = " ".join(run(command, "--help").out.replace("│", " ").split())
    assert "A file written by 'egbad fit'." in shown and "or 'egbad export'" not in shown
