"""Result files."""

import json

import pytest

from egbad.benchmark.columns import PageHeader
from egbad.benchmark.summary import summarize
from egbad.benchmark.write import write_results


def test_three_files_are_written(records, tmp_path):
    header = PageHeader("Title & more", "clean", "what it means", "egbad benchmark x")
    files = write_results(tmp_path, header, summarize(records))
    assert [file.name for file in files] == ["results.html", "results.md", "results.json"]
    assert "Title &amp; more" in files[0].read_text() and "# Title \\& more" in files[1].read_text()
    parsed = json.loads(files[2].read_text())
    table = parsed["summary"]["tables"][0]
    assert table["rows"][0]["cells"]["auroc"]["mean"] == pytest.approx(0.91)
    assert table["most_anomalous"] == {"good": ["1", "0"], "bad": ["1", "0"]}
    assert parsed["header"]["command"] == "egbad benchmark x"
