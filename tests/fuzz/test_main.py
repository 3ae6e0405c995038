"""The command line of the fuzz tests."""

import pytest

from tests.fuzz.__main__ import main


@pytest.mark.slow
def test_random_mutations_are_counted(capsys):
    assert main(["model_files", "--inputs", "5", "--seed", "3"]) == 0
    printed = capsys.readouterr().out
    assert "seed 3: 5 inputs, " in printed and "failed" not in printed


@pytest.mark.slow
def test_files_are_replayed(tmp_path, capsys):
    (tmp_path / "model.egbad").write_bytes(b"no model")
    assert main(["model_files", "--replay", str(tmp_path / "model.egbad")]) == 0
    assert "model.egbad: refused" in capsys.readouterr().out
