"""The work of `egbad benchmark` and `egbad compare`."""

import json

import pytest

from egbad.cli.inputs import Source
from egbad.cli.run_benchmark import RunOptions, compare
from egbad.errors import EgbadError


def options(out):
    return RunOptions(out, jobs=1, limit=None, retry=False, data_dir=None, as_json=True)


def test_the_report_says_how_to_repeat_it(folder, tmp_path, capsys):
    source = Source(str(folder / "mixed.csv"), label_column="y")
    compare(source, None, detectors=["pca"], seeds=1, options=options(tmp_path), command="egbad compare mixed.csv")
    assert json.loads(capsys.readouterr().out)["header"]["command"] == "egbad compare mixed.csv"
    assert "egbad compare mixed.csv" in (tmp_path / "results.md").read_text(encoding="utf-8")


def test_a_folder_that_cannot_be_created_is_refused(folder, tmp_path):
    (tmp_path / "file").write_text("")
    source = Source(str(folder / "mixed.csv"), label_column="y")
    with pytest.raises(EgbadError, match="Cannot create the folder"):
        compare(source, None, detectors=["pca"], seeds=1, options=options(tmp_path / "file" / "out"), command="")
