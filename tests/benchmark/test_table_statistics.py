"""The script that prints statistics over tables from recorded lines."""

import json
import sys

import pytest
import table_statistics


@pytest.fixture
def folder(tmp_path, records_of_tables):
    """A folder with runs under two protocols. Under "released", every other table leaks and "good" gains 0.1 there."""
    lines = []
    for protocol in ("clean", "released"):
        for record in records_of_tables(6):
            leaks = protocol == "released" and int(record["task"][1:]) % 2 == 0
            metrics = dict(record["metrics"])
            if leaks and record["label"] == "good":
                metrics["auroc"] += 0.1
            repeats = record["test_rows"] // 2 if leaks else 0
            lines.append(record | {"protocol": protocol, "metrics": metrics, "repeats": repeats})
    (tmp_path / "runs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path


def test_comparison_and_effect_of_the_protocol_are_printed(folder, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["table_statistics.py", str(folder)])
    table_statistics.main()
    printed = capsys.readouterr().out
    assert "## AUROC: difference to knn-minmax" in printed and "| knn-standard | 6 |" in printed
    (row,) = [line for line in printed.splitlines() if line.startswith("| good | leak")]
    assert row.startswith("| good | leak | 3 | 0.7520 -> 0.8520 | +0.1000 [+0.1000, +0.1000] p 0.250, 3/0/0 |")
    (row,) = [line for line in printed.splitlines() if line.startswith("| good | others")]
    assert row.startswith("| good | others | 3 | 0.7530 -> 0.7530 | +0.0000 [+0.0000, +0.0000] p 1.000, 0/3/0 |")


def test_lines_without_a_reference_are_refused(folder, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["table_statistics.py", str(folder), "--references", "pca"])
    with pytest.raises(SystemExit, match="must hold runs of pca on at least two tables"):
        table_statistics.main()
