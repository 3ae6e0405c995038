"""`egbad info` from the command line."""

import json

import numpy as np
import pandas as pd

from egbad import load
from egbad.detectors.registry import create


def test_a_model_is_described(folder, run):
    code, out, _ = run("info", folder / "m.egbad")
    assert code == 0
    assert "a, b, c" in out
    description = json.loads(run("info", folder / "m.egbad", "--json").out)
    assert description == json.loads(json.dumps(load(folder / "m.egbad").describe()))


def test_a_blend_is_described_in_short_unless_all_is_asked_for(tmp_path, run):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=60), "b": rng.normal(size=60), "city": rng.choice(["Oslo", "Rome"], 60)})
    create("blend", alpha=0.2, random_state=0).fit(frame).save(tmp_path / "m.egbad")
    _, short, err = run("info", tmp_path / "m.egbad")
    assert "(column_gap)" in short and "2 number, 1 category" in short
    assert short.count("\n") < 40 and "--all" in err
    _, everything, err = run("info", tmp_path / "m.egbad", "--all")
    assert "parts column-gap" in everything and everything.count("\n") > 60 and err == ""


def test_files_that_are_no_models_are_refused(folder, tmp_path, refuse):
    assert "cannot be read" in refuse("info", tmp_path / "none.egbad")
    assert "egbad model" in refuse("info", folder / "normal.csv")
