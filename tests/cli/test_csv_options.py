"""Dialects of CSV files on the command line, and data from standard input."""

import gzip
import io
import json

import numpy as np
import pytest


@pytest.fixture
def rows():
    """Return two columns of numbers and one of text, as text."""
    rng = np.random.default_rng(0)
    return [(f"{a:.4f}", f"{b:.3f}", "xy"[i % 2]) for i, (a, b) in enumerate(rng.normal(size=(120, 2)) * 1000)]


@pytest.fixture
def model(run, rows, tmp_path):
    """Return the path of a model that was fitted on a German file."""
    lines = ["a;b;c", *(";".join(row).replace(".", ",") for row in rows)]
    (tmp_path / "german.csv").write_text("\n".join(lines) + "\n")
    done = run("fit", tmp_path / "german.csv", "--out", tmp_path / "m.egbad", "--detector", "knn", "--alpha", "0.1")
    assert done.code == 0, done.err
    assert f"Reading '{tmp_path / 'german.csv'}' with delimiter semicolon, decimal comma.\n" in done.err
    return tmp_path / "m.egbad"


def scores(done):
    assert done.code == 0, done.err
    return [row["score"] for row in json.loads(done.out)["scores"]]


def test_files_of_other_dialects_have_the_same_scores(run, rows, model, tmp_path):
    expected = scores(run("score", model, tmp_path / "german.csv", "--json"))
    lines = ["a,b,c", *(",".join(row) for row in rows)]
    for name, content in {
        "plain.csv": "\n".join(lines).encode(),
        "tabs.tsv": "\n".join(lines).replace(",", "\t").encode("utf-16"),
        "packed.csv.gz": gzip.compress("\n".join(lines).encode()),
    }.items():
        (tmp_path / name).write_bytes(content)
        assert scores(run("score", model, tmp_path / name, "--json")) == expected


def test_a_model_tells_the_decimal_mark_of_ambiguous_numbers(run, model, tmp_path):
    (tmp_path / "few.csv").write_text("a;b;c\n1,234;2,345;x\n")
    (tmp_path / "plain.csv").write_text("a,b,c\n1.234,2.345,x\n")
    found, expected = (scores(run("score", model, tmp_path / name, "--json")) for name in ("few.csv", "plain.csv"))
    assert found == expected
    described = json.loads(run("info", model, "--json").out)
    assert described["input"]["csv"]["decimal"] == ","


def test_standard_input_is_read_and_deleted(run, rows, model, tmp_path, monkeypatch):
    content = (tmp_path / "german.csv").read_bytes()
    expected = scores(run("score", model, tmp_path / "german.csv", "--json"))
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    assert scores(run("score", model, "-", "--json")) == expected
    assert [*temporary.iterdir()] == []


def test_options_set_the_dialect(run, refuse, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("".join(f"{i}%{i % 7},{i % 5}%gone\n" for i in range(60)) + "x%gone%gone\n", encoding="latin-1")
    fit = ("fit", path, "--out", tmp_path / "m.egbad", "--detector", "knn", "--alpha", "0.1")
    options = ("--delimiter", "%", "--decimal", ",", "--no-header", "--missing", "gone", "--missing", "x")
    assert run(*fit, *options, "--encoding", "latin-1", "--quiet").code == 0
    described = json.loads(run("info", tmp_path / "m.egbad", "--json").out)["input"]
    assert described["columns"] == ["column_1", "column_2", "column_3"] and described["csv"]["missing"] == ["gone", "x"]
    assert "must be one sign" in refuse(*fit, "--delimiter", "ab")
    assert "must be '.' or ','" in refuse(*fit, "--decimal", "x")
    assert "There is no encoding 'latin1x'" in refuse(*fit, "--encoding", "latin1x")


def test_an_odd_cell_is_named(run, model, tmp_path):
    (tmp_path / "odd.csv").write_text("a;b;c\n1,5;2,5;x\n1O5;2,5;x\n")
    code, out, err = run("score", model, tmp_path / "odd.csv")
    assert code == 2 and out == "" and "Column 'a'" in err and "must hold numbers, got '1O5' in row 1." in err


def test_control_characters_of_data_do_not_reach_the_terminal(run, model, tmp_path):
    (tmp_path / "bad.csv").write_text("a;b;c\n\x1b[31m;2,5;x\n")
    assert "got '\\u001b[31m' in row 0" in run("score", model, tmp_path / "bad.csv").err
