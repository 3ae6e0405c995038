"""Folders of scores: parts that survive being killed, in real processes."""

import math
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from egbad import load
from egbad.cli import main
from egbad.detectors.registry import create
from egbad.errors import InvalidInputError
from egbad.scoring.score_files import ParquetTableWriter

N = 2560
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
    for wanted in (1, 2):
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
    assert "2,560 rows" in done.stderr


@pytest.mark.slow
def test_a_job_that_is_killed_ten_times_at_random_has_the_same_parts_and_leaves_no_drafts(folder, tmp_path):
    command = [
        *EGBAD,
        "score",
        str(folder / "m.egbad"),
        str(folder / "*.parquet"),
        *SMALL_PARTS,
        "--explain",
        "1",
        "--out",
    ]
    subprocess.run([*command, str(tmp_path / "whole")], check=True, capture_output=True)
    rng, killed, parts = random.Random(0), 0, tmp_path / "parts"
    while killed < 10:
        process = subprocess.Popen([*command, str(parts)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and not parts.exists():
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 1))  # while it reads, scores, writes, renames or ends
        process.kill()
        killed += process.wait() == -signal.SIGKILL
        if process.returncode == 0:
            shutil.rmtree(parts)  # all of it again
    done = subprocess.run([*command, str(parts)], check=True, capture_output=True, text=True)
    assert content(parts) == content(tmp_path / "whole") and "2,560 rows" in done.stderr
    assert sorted(os.listdir(parts)) == sorted(os.listdir(tmp_path / "whole")), "no drafts"


def test_parts_have_the_scores_of_all_rows_in_order(folder, tmp_path):
    out = ["--out", str(tmp_path / "parts")]
    assert main(["score", str(folder / "m.egbad"), str(folder / "*.parquet"), *out, *SMALL_PARTS]) == 0
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
    assert "--fdr needs all scores at once" in capsys.readouterr().err


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


def test_a_carried_column_must_keep_its_type(tmp_path):
    with ParquetTableWriter(tmp_path / "s.parquet") as table:
        table.write({"key": pa.chunked_array([["a"]]), "score": np.ones(1)})
        with pytest.raises(InvalidInputError, match="same type in all files.*write the scores as .csv"):
            table.write({"key": pa.chunked_array([[[1]]]), "score": np.ones(1)})
