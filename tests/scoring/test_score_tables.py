"""Long jobs in parts that survive being killed, and rows that are answered as they come, by real processes."""

import json
import math
import signal
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from egbad import load
from egbad.cli import main
from egbad.detectors.registry import create

N = 8000
EGBAD = [str(Path(sys.executable).with_name("egbad"))]
SMALL_PARTS = ["--batch-size", "8"]  # a part has 64 batches


def table(n=N, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "a": rng.normal(size=n),
            "city": rng.choice(["Oslo", "Rome"], n),
            "when": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 86_400 * 30, n), "s"),
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("jobs")
    create("egbad", training__steps=50, members=20, random_state=0, alpha=0.05).fit(table(500)).save(folder / "m.egbad")
    for i in range(4):
        table(N // 4, i).to_parquet(folder / f"{i}.parquet")
    return folder


def content(path):
    return {part.name: part.read_bytes() for part in sorted(path.glob("part-*"))}


# -- parts -------------------------------------------------------------------------------------------------------------


def test_a_killed_job_goes_on_at_the_first_missing_part(folder, tmp_path):
    given = ["score", str(folder / "m.egbad"), str(folder / "*.parquet"), *SMALL_PARTS]
    subprocess.run([*EGBAD, *given, "--out", str(tmp_path / "whole")], check=True, capture_output=True)
    whole = content(tmp_path / "whole")
    assert len(whole) == math.ceil(N / (8 * 64))
    killed = 0
    command = [*EGBAD, *given, "--out", str(tmp_path / "parts")]
    for wanted in (1, 4, 9):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and len(content(tmp_path / "parts")) < wanted:
            time.sleep(0.002)
        process.kill()
        killed += process.wait() == -signal.SIGKILL
    assert killed, "at least one was killed on its way"
    before = {name: (tmp_path / "parts" / name).stat().st_mtime_ns for name in content(tmp_path / "parts")}
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert content(tmp_path / "parts") == whole, "the same bytes"
    assert all((tmp_path / "parts" / name).stat().st_mtime_ns == then for name, then in before.items())
    assert "8,000 rows" in done.stderr


def test_parts_have_the_scores_of_all_rows_in_order(folder, tmp_path):
    given = [
        "score",
        str(folder / "m.egbad"),
        str(folder / "*.parquet"),
        "--out",
        str(tmp_path / "parts"),
        *SMALL_PARTS,
    ]
    subprocess.run([*EGBAD, *given], check=True, capture_output=True)
    found = pd.concat([pq.read_table(path).to_pandas() for path in sorted((tmp_path / "parts").glob("part-*"))])
    scorer = load(folder / "m.egbad")
    expected = np.concatenate([scorer.anomaly_score(table(N // 4, i)) for i in range(4)])
    assert np.array_equal(found["score"], expected)
    assert found["file"].tolist() == [str(folder / f"{i}.parquet") for i in range(4) for _ in range(N // 4)]
    assert found["row"].tolist() == [*range(N // 4)] * 4


def test_a_folder_of_other_scores_is_refused(folder, tmp_path, capsys):
    model, data, out = str(folder / "m.egbad"), str(folder / "0.parquet"), tmp_path / "parts"
    assert main(["score", model, data, "--out", str(out)]) == 0
    for other in ([str(folder / "1.parquet")], [data, "--terms"], [data, "--alpha", "0.2"]):
        assert main(["score", model, *other, "--out", str(out)]) == 2
        assert "contains scores of another model, of other data or with other options" in capsys.readouterr().err
    (out / "part-00000.parquet").write_bytes(b"PAR1 and no more")
    assert main(["score", model, data, "--out", str(out)]) == 2
    assert "part-00000.parquet' cannot be read" in capsys.readouterr().err
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("x")
    assert main(["score", model, data, "--out", str(tmp_path / "full")]) == 2
    assert "must be empty or contain files of the same scores" in capsys.readouterr().err
    assert main(["score", model, data, "--out", str(out), "--fdr", "0.1"]) == 2
    assert "not a folder of parts" in capsys.readouterr().err


def test_parts_of_data_that_changed_are_refused(folder, tmp_path, capsys):
    data, out = tmp_path / "data", str(tmp_path / "parts")
    data.mkdir()
    table(300, 1).to_parquet(data / "b.parquet")
    given = ["score", str(folder / "m.egbad"), str(data), "--out", out]
    assert main(given) == 0 and main(given) == 0
    table(300, 2).to_parquet(data / "a.parquet")  # its rows would come first
    capsys.readouterr()
    assert main(given) == 2
    assert "of other data" in capsys.readouterr().err


def test_scores_do_not_go_into_what_is_scored(folder, tmp_path, capsys):
    data = tmp_path / "data"
    data.mkdir()
    table(300, 1).to_parquet(data / "b.parquet")
    for out in (data / "scores", data):
        assert main(["score", str(folder / "m.egbad"), str(data), "--out", str(out)]) == 2
        assert "must be outside of the data" in capsys.readouterr().err
    assert [path.name for path in data.iterdir()] == ["b.parquet"]


# -- line by line ------------------------------------------------------------------------------------------------------


def test_rows_are_answered_as_they_come(folder):
    frame = table(300, 9)
    expected = load(folder / "m.egbad").anomaly_score(frame)
    lines = [
        json.dumps({"a": row.a, "city": row.city, "when": row.when.isoformat()})
        for row in frame.itertuples(index=False)
    ]
    command = [*EGBAD, "score", str(folder / "m.egbad"), "--follow"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as it:
        assert it.stdin and it.stdout and it.stderr
        took = []
        for line, score in zip(lines, expected, strict=True):
            started = time.perf_counter()
            it.stdin.write(line + "\n")
            it.stdin.flush()
            answer = json.loads(it.stdout.readline())  # before the next line is sent
            took.append(time.perf_counter() - started)
            assert answer["score"] == score and 0 < answer["p_value"] <= 1
        for line, words in (
            ("{", "Expecting property name"),
            ("[1, 2]", "an object or a list of 3 values, got 2 values"),
            ('{"a": 1, "city": "Oslo"}', "now missing: - when"),
            ('{"a": "x", "city": "Oslo", "when": null}', "Column 'a' must hold a number, got \\\"x\\\""),
            ('{"a": 1, "city": "Oslo", "when": "noon"}', "Column 'when' must hold a time"),
        ):
            it.stdin.write(line + "\n")
            it.stdin.flush()
            assert words in it.stdout.readline()
        it.stdin.write('[null, "Bergen", "1890-01-01"]\n')
        it.stdin.close()
        assert json.loads(it.stdout.readline())["score"] > np.median(expected)
        assert "301 rows" in it.stderr.read()
    assert it.returncode == 0
    assert median(took) < 0.05, "a tenth of that where nothing else runs"


def test_what_does_not_go_with_following_is_said(folder, tmp_path, capsys):
    model = str(folder / "m.egbad")
    assert main(["score", model, "--follow", str(folder / "0.parquet")]) == 2
    assert "leave out DATA" in capsys.readouterr().err
    assert main(["score", model, "--follow", "--explain", "2"]) == 2
    assert "leave out DATA, --out, --fdr and --explain" in capsys.readouterr().err
    assert main(["score", model]) == 2
    assert "There must be DATA to score, or --follow" in capsys.readouterr().err
    x = np.random.default_rng(0).uniform(size=(30, 8, 8))
    create("knn", alpha=0.3).fit(x).save(tmp_path / "images.egbad")
    assert main(["score", str(tmp_path / "images.egbad"), "--follow"]) == 2
    assert "this model scores images" in capsys.readouterr().err


# -- learning from more rows than memory holds -------------------------------------------------------------------------


def test_a_level_in_one_row_of_all_is_not_told_as_never_seen(tmp_path, capsys):
    words = np.array(["tcp", "udp"] * 2000)
    words[3210] = "arp"
    amounts = pa.array([None if i == 77 else float(i % 50) for i in range(4000)])
    pq.write_table(pa.table({"protocol": words, "amount": amounts}), tmp_path / "t.parquet")
    out = tmp_path / "m.egbad"
    given = ["fit", str(tmp_path / "t.parquet"), "--out", str(out), "--detector", "knn", "--most-rows", "200"]
    assert main([*given, "--set", "n_neighbors=1"]) == 0
    told = capsys.readouterr().err
    assert "and 2 that show a level, a gap or an end of a column which these don't" in told
    column_types = load(out).describe()["input"]["kinds"]
    assert column_types == {"protocol": "category, 3 levels", "amount": "number, some missing"}
    rows = pa.table({"protocol": ["arp", "sctp", "tcp"], "amount": [10.0, 10.0, 10.0]})
    known, never, usual = load(out).anomaly_score(rows)
    assert usual <= known < never


def test_fit_learns_from_as_many_rows_as_it_is_told(folder, tmp_path, capsys):
    out = tmp_path / "m.egbad"
    given = ["fit", str(folder / "*.parquet"), "--out", str(out), "--detector", "knn", "--most-rows", "1000"]
    assert main(given) == 0
    assert "Learning from 1,000 of 8,000 rows, chosen by chance" in capsys.readouterr().err
    first = out.read_bytes()
    about = load(out).describe()
    assert about["calibration_rows"] == 100 and about["training_rows"] >= 900, (
        "what shows what these don't is learned too"
    )
    assert main(given) == 0 and load(out).anomaly_score(table(9, 5)).tolist() == _scores_of(first, tmp_path)
    capsys.readouterr()
    assert main([*given[:-1], "9000"]) == 0
    assert "chosen by chance" not in capsys.readouterr().err
    assert load(out).describe()["training_rows"] == 7200


def _scores_of(content, folder):
    (folder / "again.egbad").write_bytes(content)
    return load(folder / "again.egbad").anomaly_score(table(9, 5)).tolist()


# -- a disk that fills -------------------------------------------------------------------------------------------------

_FULL = """
import resource, sys
from egbad.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("out", ["s.csv", "s.parquet", "parts", "fit"])
def test_a_disk_that_fills_is_one_sentence_and_leaves_nothing(folder, tmp_path, out):
    data = str(folder / "*.parquet")
    given = ["fit", data, "--detector", "knn"] if out == "fit" else ["score", str(folder / "m.egbad"), data]
    command = [sys.executable, "-c", _FULL, *given, "--out", str(tmp_path / out)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert "cannot be written" in done.stderr and "Traceback" not in done.stderr
    left = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert left in ([], ["_about.json"]), "what is half written is gone"
