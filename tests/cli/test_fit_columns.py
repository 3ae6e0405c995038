"""Column types that a file gives to `egbad fit --columns`."""

import json

import numpy as np
import pandas as pd
import pytest

from egbad.cli import main


@pytest.fixture
def table(tmp_path):
    """Write a table whose column of ports holds numbers."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"bytes": rng.lognormal(5, 1, 400), "port": rng.choice([22, 80, 443], 400)})
    frame.to_csv(tmp_path / "t.csv", index=False)
    return tmp_path / "t.csv"


def fit_with(columns, table, model):
    path = table.with_name("columns.json")
    path.write_text(json.dumps(columns))
    return main(["fit", str(table), "--out", str(model), "--columns", str(path)])


def test_column_types_come_from_a_file(table, tmp_path, capsys):
    model, out = tmp_path / "m.egbad", tmp_path / "s.csv"
    assert fit_with({"port": "category"}, table, model) == 0
    assert "category, 3 levels" in capsys.readouterr().out
    assert main(["score", str(model), str(table), "--out", str(out)]) == 0
    assert len(pd.read_csv(out)) == 400
    assert main(["info", str(model)]) == 0
    assert "port" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"port": "colour"}, "no column type 'colour'"),
        ({"prot": "category"}, "no column 'prot'"),
        (["port"], "must hold one object"),
    ],
)
def test_an_invalid_file_of_column_types_is_refused(columns, message, table, tmp_path, capsys):
    assert fit_with(columns, table, tmp_path / "m.egbad") == 2
    assert message in capsys.readouterr().err
