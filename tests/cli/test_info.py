"""`egbad info` from the command line."""

import json

from egbad import load


def test_a_model_is_described(folder, run):
    code, out, _ = run("info", folder / "m.egbad")
    assert code == 0
    assert "a, b, c" in out
    description = json.loads(run("info", folder / "m.egbad", "--json").out)
    assert description == json.loads(json.dumps(load(folder / "m.egbad").describe()))


def test_files_that_are_no_models_are_refused(folder, tmp_path, refuse):
    assert "cannot be read" in refuse("info", tmp_path / "none.egbad")
    assert "egbad model" in refuse("info", folder / "normal.csv")
