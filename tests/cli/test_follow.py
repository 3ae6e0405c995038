"""Rows from stdin, answered line by line."""

import io
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from egbad import load
from egbad.cli.follow import answer_rows
from egbad.data import CsvOptions, read
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


def answers(monkeypatch, capsys, scorer, lines, **options):
    """Answers to these lines of stdin, and the note on stderr."""
    data = b"".join((line if isinstance(line, bytes) else line.encode()) + b"\n" for line in lines)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    answer_rows(scorer, scorer.threshold_, **{"terms": False, **options})
    out, err = capsys.readouterr()
    return [json.loads(line, parse_constant=pytest.fail) for line in out.splitlines()], err


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
        ("{", "A line must be one JSON value: Expecting property name"),
        ("[1, 2]", "an object or a list of 3 values, got 2 values"),
        ('{"a": 1, "city": "Oslo"}', 'got none named "when"'),
        ('{"a": "x", "city": "Oslo", "when": null}', "Column 'a' must hold a number, got \"x\""),
        ('{"a": 1, "city": "Oslo", "when": "noon"}', "Column 'when' must hold a time"),
        (f'[{10**400}, "Oslo", null]', "Column 'a' must hold a number, got 1000000000"),
        (f'[{"9" * 5000}, "Oslo", null]', "got one of thousands"),
        ('[1e999, "Oslo", null]', "Column 'a' must hold a number, got Infinity"),
        ('[-Infinity, "Oslo", null]', "Column 'a' must hold a number, got -Infinity"),
        (b'[1, "\xff", null]', "A line must be UTF-8, got byte 0xff"),
        ("[" * 100_000, "nested too deeply"),
        (f'[{"[" * 500}{"]" * 500}, "Oslo", null]', "Column 'a' must hold a number, got [[["),
        (r'[1, "\ud800", null]', 'must hold a category, got "\\ud800"'),
        ('{"a": 1, "a": 2, "city": "Oslo", "when": null}', 'each key once, got "a" twice'),
        (f'["{"x" * 2_000_000}", "Oslo", null]', "x ... (2,000,002 characters) ... x"),
        ("[" + "1," * 500_000 + "1]", "got 500001 values"),
        ('{"id": [1], "a": 1, "city": "Oslo", "when": null}', "The key 'id' must hold a text or a number, got [1]"),
        ("\x00", "A line must be one JSON value"),
        ("7", "an object or a list of 3 values, got int"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_line_that_cannot_be_scored_is_answered_by_its_error(line, words, model, monkeypatch, capsys):
    good = '[0, "Oslo", "2024-01-03"]'
    found, err = answers(monkeypatch, capsys, load(model), [line, good])
    assert words in found[0]["error"] and len(found[0]["error"]) < 400 and found[0]["line"] == 1
    assert found[1].keys() == {"score", "p_value", "anomaly"}, "the stream goes on"
    assert err == "1 row, 0 flagged, 1 line that could not be scored.\n"


def test_keys_that_are_no_columns_are_ignored_and_listed(model, monkeypatch, capsys):
    rest = '"when": null, "city": "Oslo", "a": 1}'
    found, err = answers(monkeypatch, capsys, load(model), [f"{{{rest}", f'{{"note": [1], "\\ud800": 2, {rest}'])
    assert found[0] == found[1], "and any order"
    assert err.endswith('Keys that the model does not use: "note", "\\ud800".\n')


def test_times_are_read_in_the_zone_of_the_model(monkeypatch, capsys):
    when = pd.date_range("2024-06-01", periods=60, freq="37min", tz="Asia/Tokyo")
    frame = pd.DataFrame({"when": when, "clock": when.time})
    detector = create("knn", alpha=0.3, random_state=0).fit(frame)
    for zone in ("Asia/Tokyo", "UTC", "Europe/Berlin"):
        rows = zip(when.tz_convert(zone), when.time, strict=True)
        lines = [json.dumps([instant.isoformat(), clock.isoformat()]) for instant, clock in rows]
        found, _ = answers(monkeypatch, capsys, detector, lines)
        assert [answer.get("score") for answer in found] == detector.anomaly_score(frame).tolist()
    found, _ = answers(monkeypatch, capsys, detector, ['["2024-06-01", "12:30"]', '[null, "noon"]'])
    assert "Column 'when' must hold a time with an offset from UTC, got \"2024-06-01\"" in found[0]["error"]
    assert "Column 'clock' must hold a time of day, got \"noon\"" in found[1]["error"]


def test_values_that_were_missing_in_the_csv_file_are_missing(tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(0)
    lines = [f"{a:.3f};{'xy'[i % 2]};{i % 7}".replace(".", ",") for i, a in enumerate(rng.normal(size=80))]
    (tmp_path / "t.csv").write_text("a;b;c\n" + "\n".join([*lines[:-2], "-99,5;x;1", "1,5;unknown;1"]) + "\n")
    marks = ("-99,5", "unknown", "3", "x")
    detector = create("knn", alpha=0.2, random_state=0).fit(
        read(tmp_path / "t.csv", csv=CsvOptions(delimiter=";", decimal=",", missing=marks))
    )
    wanted = ["[null, null, null]", '[null, "y", 1]', '[1.5, "x ", 1]']
    same = ['[-99.5, "unknown", 3]', '[" -99,5", "y", true]', "[1.5, NaN, 1]"]
    found, _ = answers(monkeypatch, capsys, detector, [*wanted, *same])
    assert [answer["score"] for answer in found[3:]] == [answer["score"] for answer in found[:3]]
    changed, _ = answers(monkeypatch, capsys, detector, ['["NA", "x", 1]', '[null, "x", 1]', *same], missing=["NA"])
    assert changed[0] == changed[1] and changed[2] != found[0]
    assert "Column 'a' must hold a number, got \" -99,5\"" in changed[3]["error"]


def test_zoned_times_have_the_scores_that_they_have_in_files(tmp_path, monkeypatch, capsys):
    when = pd.date_range("2024-03-29 12:00", periods=80, freq="53min 7s", tz="Europe/Berlin")  # clocks change
    for zone, wall in ((zone, when.tz_convert(zone)) for zone in ("UTC", "Asia/Kolkata", "America/New_York")):
        texts = [instant.isoformat() for instant in wall]
        (tmp_path / f"{zone[:3]}.csv").write_text("\n".join(["when", *texts]) + "\n")
        pd.DataFrame({"when": wall}).to_parquet(tmp_path / f"{zone[:3]}.parquet")
    for fitted in ("UTC.csv", "Asi.parquet"):
        detector = create("knn", alpha=0.2, random_state=0).fit(read(tmp_path / fitted))
        types = detector.required_column_types
        for zone in ("UTC", "Asi", "Ame"):
            lines = [json.dumps({"when": text}) for text in (tmp_path / f"{zone}.csv").read_text().split()[1:]]
            found, _ = answers(monkeypatch, capsys, detector, lines)
            for name in (f"{zone}.csv", f"{zone}.parquet"):
                data = read(tmp_path / name, column_types=types)
                assert [answer["score"] for answer in found] == detector.anomaly_score(data).tolist()


def test_a_line_that_is_too_long_is_skipped(model, monkeypatch, capsys):
    lines = ["[1]" + " " * 70, '[0, "Oslo", null]', "[" * 200, '[0, "Rome", null]']
    found, _ = answers(monkeypatch, capsys, load(model), lines, max_line_bytes=60)
    assert ["too long" in answer.get("error", "") for answer in found] == [True, False, True, False]


def test_an_id_is_repeated_in_the_answer(model, monkeypatch, capsys):
    rest = '"a": 1, "city": "Oslo", "when": null}'
    lines = [f'{{"id": "x\\ud800", {rest}', f'{{"id": 12, {rest}', '{"id": 13, "a": 1}', '["id"]', f"{{{rest}"]
    found, _ = answers(monkeypatch, capsys, load(model), lines)
    assert [answer.get("id") for answer in found] == ["x\ud800", 12, 13, None, None]
    assert ["error" in answer for answer in found] == [False, False, True, True, False]
    assert found[1]["score"] == found[4]["score"]


def test_an_id_that_is_a_column_is_scored_too(monkeypatch, capsys):
    frame = pd.DataFrame({"id": [0.0, 1.0, 2.0, 3.0] * 10, "b": np.arange(40) / 2})
    detector = create("knn", alpha=0.3).fit(frame)
    found, _ = answers(monkeypatch, capsys, detector, ['{"id": 2, "b": 3}', '{"b": 3}'])
    assert found[0]["id"] == 2 and found[0]["score"] == detector.anomaly_score(frame[6:7])[0]
    assert 'got none named "id"' in found[1]["error"]


def test_blank_lines_and_a_byte_order_mark_are_skipped(model, monkeypatch, capsys):
    found, _ = answers(monkeypatch, capsys, load(model), [b'\xef\xbb\xbf[0, "Oslo", null]', "", "  \t", "7"])
    assert [answer.get("line") for answer in found] == [None, 4]


@given(st.binary(max_size=6), st.integers(0, 60), st.integers(0, 60))
@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_line_gets_one_answer(model, monkeypatch, capsys, inserted, start, stop):
    line = b'{"a": 1.5, "city": "Oslo", "when": "2024-01-03T10:00:00"}'
    damaged = (line[:start] + inserted + line[stop:]).replace(b"\n", b"")
    found, _ = answers(monkeypatch, capsys, load(model), [damaged, line])
    assert len(found) == 1 + bool(damaged.strip()) and "score" in found[-1]


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
