"""Rows from stdin, answered line by line."""

import io
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from egbad import load
from egbad.cli.follow import answer_rows
from egbad.detectors.registry import create
from egbad.errors import InvalidInputError


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("follow") / "m.egbad"
    create("egbad", training__steps=50, members=2, random_state=0, alpha=0.05).fit(table(500, 0)).save(path)
    return path


def table(n, seed):
    rng = np.random.default_rng(seed)
    when = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 86_400 * 30, n), "s")
    return pd.DataFrame({"a": rng.normal(size=n), "city": rng.choice(["Oslo", "Rome"], n), "when": when})


def to_lines(frame):
    rows = frame.itertuples(index=False)
    return [json.dumps({"a": row.a, "city": row.city, "when": row.when.isoformat()}) for row in rows]


def answers(monkeypatch, capsys, scorer, lines, *, terms=False):
    """Answers to these lines of stdin, and the note on stderr."""
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(lines) + "\n"))
    answer_rows(scorer, scorer.threshold_, terms=terms)
    out, err = capsys.readouterr()
    return [json.loads(line) for line in out.splitlines()], err


def test_answers_are_the_scores_of_the_rows(model, monkeypatch, capsys):
    scorer, frame = load(model), table(50, 9)
    found, err = answers(monkeypatch, capsys, scorer, ["", *to_lines(frame)], terms=True)
    assert [answer["score"] for answer in found] == scorer.anomaly_score(frame).tolist()
    assert [answer["p_value"] for answer in found] == scorer.p_value(frame).tolist()
    assert [answer["anomaly"] for answer in found] == (scorer.predict(frame) == -1).tolist()
    assert [answer["residual"] for answer in found] == scorer.score_terms(frame)["residual"].tolist()
    assert err.startswith("50 rows, ") and err.endswith("0 lines that could not be scored.\n")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "Expecting property name"),
        ("[1, 2]", "an object or a list of 3 values, got 2 values"),
        ('{"a": 1, "city": "Oslo"}', "now missing: - when"),
        ('{"a": "x", "city": "Oslo", "when": null}', "Column 'a' must hold a number, got \"x\""),
        ('{"a": 1, "city": "Oslo", "when": "noon"}', "Column 'when' must hold a time"),
    ],
)
def test_a_line_that_cannot_be_scored_is_answered_by_its_error(line, words, model, monkeypatch, capsys):
    found, err = answers(monkeypatch, capsys, load(model), [line])
    assert words in found[0]["error"]
    assert err == "0 rows, 0 flagged, 1 line that could not be scored.\n"


def test_lists_missing_values_and_unseen_levels_are_scored(model, monkeypatch, capsys):
    scorer = load(model)
    found, _ = answers(monkeypatch, capsys, scorer, ['[null, "Bergen", "1890-01-01"]'])
    assert found[0]["score"] > np.median(scorer.anomaly_score(table(100, 9)))


def test_each_row_is_answered_before_the_next_arrives(model):
    frame = table(20, 9)
    expected = load(model).anomaly_score(frame)
    code = "import sys; from egbad.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "score", str(model), "--follow"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        for line, score in zip(to_lines(frame), expected, strict=True):
            process.stdin.write(line + "\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["score"] == score  # before the next line is sent
        process.stdin.close()
        assert "20 rows" in process.stderr.read()
    assert process.returncode == 0


def test_a_model_of_images_is_refused():
    x = np.random.default_rng(0).uniform(size=(30, 8, 8))
    detector = create("knn", alpha=0.3).fit(x)
    with pytest.raises(InvalidInputError, match="this model scores images"):
        answer_rows(detector, 0.0, terms=False)
