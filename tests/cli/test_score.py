"""`egbad score` from the command line."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from egbad import load


def test_scores_equal_those_of_python_bit_for_bit(folder, tmp_path, run):
    detector = load(folder / "m.egbad")
    x = np.load(folder / "mixed.npz")["X"]
    code, out, _ = run("score", folder / "m.egbad", folder / "mixed.csv", "--label-column", "y", "--terms")
    assert code == 0
    lines = list(csv.DictReader(out.splitlines()))
    frame = pa.table(dict(zip("abc", x.T, strict=True)))
    assert [float(line["score"]) for line in lines] == detector.anomaly_score(frame).tolist()
    assert [float(line["p_value"]) for line in lines] == detector.p_value(frame).tolist()
    assert [line["anomaly"] == "true" for line in lines] == (detector.predict(frame) == -1).tolist()
    for name, term in detector.score_terms(frame).items():
        assert [float(line[name]) for line in lines] == term.tolist()

    path = tmp_path / "s.parquet"
    assert run("score", folder / "m.egbad", folder / "mixed.parquet", "--label-column", "y", "--out", path).code == 0
    written = pa.parquet.read_table(path)
    assert written.column_names == ["row", "score", "p_value", "anomaly"]
    assert written["score"].to_pylist() == detector.anomaly_score(frame).tolist()


def test_alpha_and_fdr_are_options_of_a_score(folder, run):
    given = ("score", folder / "m.egbad", folder / "mixed.csv", "--label-column", "y", "--json")
    default = json.loads(run(*given).out)
    loose = json.loads(run(*given, "--alpha", "0.5", "--fdr", "0.2").out)
    assert loose["flagged"] > default["flagged"]
    assert loose["discoveries"] == sum(row["discovery"] for row in loose["scores"])
    assert "discoveries" not in default


def test_images_are_named_by_their_files(image_folder, tmp_path, run, refuse):
    model = tmp_path / "m.egbad"
    options = ("--set", "training.steps=10", "--alpha", "0.3", "--quiet")
    assert run("fit", image_folder / "even", "--out", model, *options).code == 0
    code, out, _ = run("score", model, image_folder)
    assert code == 0
    lines = list(csv.DictReader(out.splitlines()))
    assert [line["file"] for line in lines[:2]] == [str(Path("even/00.png")), str(Path("even/01.png"))]
    message = refuse("score", model, image_folder, "--image-size", "16x12")
    assert "(8, 8)" in message
    assert "(16, 12)" in message
    assert "for example 28x28" in refuse("score", model, image_folder, "--image-size", "big")


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_the_batch_size_does_not_change_the_file(suffix, folder, tmp_path, run):
    tables = []
    for size in (7, 1000):
        out = tmp_path / f"{size}{suffix}"
        given = ("score", folder / "m.egbad", folder / "mixed.parquet", "--label-column", "y", "--terms", "--out", out)
        assert run(*given, "--batch-size", size).code == 0
        tables.append(pa.parquet.read_table(out) if suffix == ".parquet" else out.read_text())
    assert tables[0] == tables[1]


def test_a_failure_in_a_later_batch_leaves_the_old_file(folder, tmp_path, refuse):
    x = np.zeros((500, 3))
    x[450, 0] = np.inf
    pa.parquet.write_table(pa.table(dict(zip("abc", x.T, strict=True))), tmp_path / "t.parquet")
    for suffix in (".csv", ".parquet"):
        out = tmp_path / f"s{suffix}"
        out.write_text("old")
        given = ("score", folder / "m.egbad", tmp_path / "t.parquet", "--out", out, "--batch-size", 100)
        assert "infinity in row 450" in refuse(*given)
        assert out.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 3


def test_rows_are_counted_from_the_start_of_the_file(folder, tmp_path, refuse, write_csv):
    x = np.zeros((9000, 3))
    x[8500, 1] = np.inf
    path = write_csv(tmp_path / "t.csv", dict(zip("abc", x.T, strict=True)))
    assert "infinity in row 8500, column 'b'" in refuse("score", folder / "m.egbad", path)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (("a", "b"), ("seen at fit time, yet now missing", "c")),
        (("a", "b", "x"), ("unseen at fit time", "x")),
    ],
)
def test_other_columns_than_those_of_the_fit_are_refused(columns, words, folder, tmp_path, refuse, write_csv):
    path = write_csv(tmp_path / "t.csv", {name: np.arange(3.0) for name in columns})
    message = refuse("score", folder / "m.egbad", path)
    assert all(word in message for word in words), message


@pytest.mark.filterwarnings("ignore")
def test_columns_that_were_not_learned_are_ignored(folder, tmp_path, run, write_csv):
    more = write_csv(tmp_path / "more.csv", {name: np.arange(3.0) for name in "abcd"})
    path = write_csv(tmp_path / "t.csv", {name: np.arange(3.0) for name in "abc"})
    for data, out in ((more, "more"), (path, "same")):
        assert run("score", folder / "m.egbad", data, "--out", tmp_path / f"{out}.parquet").code == 0
    found, expected = (pa.parquet.read_table(tmp_path / f"{name}.parquet") for name in ("more", "same"))
    assert found["score"].equals(expected["score"])


@pytest.mark.filterwarnings("ignore")
def test_another_number_of_columns_is_refused(folder, tmp_path, refuse):
    np.save(tmp_path / "t.npy", np.zeros((4, 2)))
    message = refuse("score", folder / "m.egbad", tmp_path / "t.npy")
    assert "2 features" in message
    assert "3 features" in message


def test_a_damaged_model_is_refused(folder, tmp_path, refuse):
    short = tmp_path / "short.egbad"
    short.write_bytes((folder / "m.egbad").read_bytes()[:-10])
    assert "truncated" in refuse("score", short, folder / "normal.csv")


PEAK = """
import resource, sys
from egbad.cli import main
code = main(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
sys.exit(code)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows(folder, tmp_path):
    peaks, rng = [], np.random.default_rng(0)
    for n in (200_000, 2_000_000):
        path = tmp_path / f"{n}.parquet"
        pa.parquet.write_table(pa.table({name: rng.normal(size=n) for name in "abc"}), path, row_group_size=100_000)
        command = ["score", str(folder / "m.egbad"), str(path), "--out", str(tmp_path / "s.parquet")]
        done = subprocess.run([sys.executable, "-c", PEAK, *command], check=True, capture_output=True, text=True)
        peaks.append(int(done.stdout) / 1024)
    assert peaks[1] < peaks[0] + 60, peaks  # MiB; the larger table has 46 MiB more of rows


FULL_DISK = """
import resource, sys
from egbad.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of file sizes do not exist there")
@pytest.mark.parametrize("out", ["s.csv", "s.parquet", "parts", "m.egbad"])
def test_a_disk_that_fills_is_one_sentence_and_leaves_nothing_half_written(folder, tmp_path, out):
    rng = np.random.default_rng(0)
    data = tmp_path / "data.parquet"
    pa.parquet.write_table(pa.table({name: rng.normal(size=2000) for name in "abc"}), data)
    fit = ["fit", str(data), "--detector", "knn"]
    command = fit if out == "m.egbad" else ["score", str(folder / "m.egbad"), str(data)]
    (tmp_path / "out").mkdir()
    command = [sys.executable, "-c", FULL_DISK, *command, "--out", str(tmp_path / "out" / out)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert "writ" in done.stderr and "Traceback" not in done.stderr
    left = [path.name for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert left in ([], ["_about.json"])
