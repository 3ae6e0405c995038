"""The command line: what it prints, what it writes, how it ends."""

import csv
import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from numpy.typing import NDArray
from PIL import Image

from egbad import datasets, load
from egbad.cli import main
from egbad.cli.inputs import normal_rows, parse_settings, parse_size
from egbad.detectors.registry import create
from egbad.errors import InvalidInputError

Floats = NDArray[np.float64]
QUICK = ("--set", "training.steps=50", "--alpha", "0.1")
NAMES = ("a", "b", "c")


def table(rng: np.random.Generator, n: int, anomalies: int = 0) -> dict[str, Floats]:
    """Three columns and y (1 for an anomaly); a and b go together, except in anomalies."""
    a = rng.normal(size=n)
    b = a + 0.1 * rng.normal(size=n)
    b[n - anomalies :] = -b[n - anomalies :] + 5
    y = np.arange(n) >= n - anomalies
    return {"a": a, "b": b, "c": rng.normal(size=n), "y": y.astype(np.int64)}


def write_csv(path: Path, columns: dict[str, object]) -> Path:
    pa.csv.write_csv(pa.table(columns), path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Normal rows and a mixed test set in every format, and a model fitted by the command line."""
    folder = tmp_path_factory.mktemp("cli")
    rng = np.random.default_rng(0)
    normal, mixed = table(rng, 300), table(rng, 60, anomalies=15)
    del normal["y"]
    write_csv(folder / "normal.csv", dict(normal))
    pa.parquet.write_table(pa.table(normal), folder / "normal.parquet")
    np.savez(folder / "normal.npz", X=np.column_stack(list(normal.values())))
    write_csv(folder / "mixed.csv", dict(mixed))
    words = ["bad" if y else "good" for y in mixed["y"]]
    pa.parquet.write_table(pa.table(mixed | {"y": words}), folder / "mixed.parquet")
    np.savez(folder / "mixed.npz", X=np.column_stack([mixed[name] for name in NAMES]), y=mixed["y"])
    assert main(["fit", str(folder / "normal.csv"), "--out", str(folder / "m.egbad"), *QUICK, "--quiet"]) == 0
    return folder


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout, stderr."""
    capsys.readouterr()
    code = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one line that a user's error prints."""
    code, out, err = run(capsys, *arguments)
    assert code == 2, err
    assert out == ""
    assert err.count("\n") == 1, err
    assert "Traceback" not in err
    return err.strip()


# -- the main job ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["csv", "parquet", "npz"])
def test_fit_score_evaluate_info(kind: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, scores = tmp_path / "m.egbad", tmp_path / f"scores.{ {'npz': 'jsonl'}.get(kind, kind) }"
    code, out, _ = run(capsys, "fit", folder / f"normal.{kind}", "--out", model, *QUICK, "--seed", 3, "--json")
    fitted = json.loads(out)
    assert (code, fitted["rows"], fitted["calibration_rows"]) == (0, 300, 30)

    labels = ("--label-column", "y")
    code, out, err = run(capsys, "score", model, folder / f"mixed.{kind}", "--out", scores, "--terms", *labels)
    assert (code, out) == (0, "")
    assert "60 rows, " in err
    assert "flagged" in err
    assert scores.stat().st_size > 60

    named = ("--normal", "good") if kind == "parquet" else ()
    code, out, _ = run(capsys, "evaluate", model, folder / f"mixed.{kind}", *labels, *named, "--json")
    measured = json.loads(out)
    assert code == 0
    assert measured["auroc"] > 0.9
    assert (measured["anomalies"], measured["base_rate"]) == (15, 0.25)
    assert 0 <= measured["flagged_normals"] < measured["flagged_anomalies"] <= 1

    code, out, _ = run(capsys, "info", model, "--json")
    assert code == 0
    assert json.loads(out)["threshold"] == fitted["threshold"]


def test_tables_for_people(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "fit", folder / "normal.csv", "--out", tmp_path / "m.egbad", *QUICK)
    assert code == 0
    assert "calibration rows" in out
    assert "health" in out
    assert "Traceback" not in err
    code, out, _ = run(capsys, "evaluate", folder / "m.egbad", folder / "mixed.csv", "--label-column", "y")
    assert code == 0
    assert "average precision" in out
    code, out, _ = run(capsys, "info", folder / "m.egbad")
    assert code == 0
    assert "a, b, c" in out


def test_scores_equal_those_of_python_bit_for_bit(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    detector = load(folder / "m.egbad")
    x = np.load(folder / "mixed.npz")["X"]
    code, out, _ = run(capsys, "score", folder / "m.egbad", folder / "mixed.csv", "--label-column", "y", "--terms")
    assert code == 0
    lines = list(csv.DictReader(out.splitlines()))
    frame = pa.table(dict(zip(NAMES, x.T, strict=True)))
    assert [float(line["score"]) for line in lines] == detector.anomaly_score(frame).tolist()
    assert [float(line["p_value"]) for line in lines] == detector.p_value(frame).tolist()
    assert [line["anomaly"] == "true" for line in lines] == (detector.predict(frame) == -1).tolist()
    for name, term in detector.score_terms(frame).items():
        assert [float(line[name]) for line in lines] == term.tolist()

    parquet = tmp_path / "s.parquet"
    mixed = folder / "mixed.parquet"
    assert main(["score", str(folder / "m.egbad"), str(mixed), "--label-column", "y", "--out", str(parquet)]) == 0
    written = pa.parquet.read_table(parquet)
    assert written.column_names == ["row", "score", "p_value", "anomaly"]
    assert written["score"].to_pylist() == detector.anomaly_score(frame).tolist()


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_the_batch_size_does_not_change_the_table(suffix: str, folder: Path, tmp_path: Path) -> None:
    tables = []
    for rows in (7, 1000):
        out = tmp_path / f"{rows}{suffix}"
        given = ("score", folder / "m.egbad", folder / "mixed.parquet", "--label-column", "y", "--terms", "--out", out)
        given += ("--batch-size", rows)
        assert main([str(argument) for argument in given]) == 0
        tables.append(pa.parquet.read_table(out) if suffix == ".parquet" else out.read_text())
    assert tables[0] == tables[1]


def test_what_fails_half_way_leaves_no_table(folder: Path, tmp_path: Path) -> None:
    x = np.zeros((500, 3))
    x[450, 0] = np.inf
    pa.parquet.write_table(pa.table(dict(zip(NAMES, x.T, strict=True))), tmp_path / "t.parquet")
    for suffix in (".csv", ".parquet"):
        out = tmp_path / f"s{suffix}"
        out.write_text("what was there")
        given = [
            "score",
            str(folder / "m.egbad"),
            str(tmp_path / "t.parquet"),
            "--out",
            str(out),
            "--batch-size",
            "100",
        ]
        assert main(given) == 2
        assert out.read_text() == "what was there"
    assert len(list(tmp_path.iterdir())) == 3


_PEAK = """
import resource, sys
from egbad.cli import main
code = main(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
sys.exit(code)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows(folder: Path, tmp_path: Path) -> None:
    peaks, rng = [], np.random.default_rng(0)
    for n in (200_000, 2_000_000):
        path = tmp_path / f"{n}.parquet"
        pa.parquet.write_table(pa.table({name: rng.normal(size=n) for name in NAMES}), path, row_group_size=100_000)
        given = ["score", str(folder / "m.egbad"), str(path), "--out", str(tmp_path / "s.parquet")]
        done = subprocess.run([sys.executable, "-c", _PEAK, *given], check=True, capture_output=True, text=True)
        peaks.append(int(done.stdout) / 1024)
    assert peaks[1] < peaks[0] + 60, peaks  # MiB; the larger table has 46 MiB more of rows alone


def test_score_takes_another_alpha_and_a_false_discovery_rate(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ("score", folder / "m.egbad", folder / "mixed.csv", "--label-column", "y", "--json")
    usual = json.loads(run(capsys, *given)[1])
    loose = json.loads(run(capsys, *given, "--alpha", "0.5", "--fdr", "0.2")[1])
    assert loose["flagged"] > usual["flagged"]
    assert loose["discoveries"] == sum(row["discovery"] for row in loose["scores"])


def test_few_calibration_rows_are_one_line_of_warning(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ("score", folder / "m.egbad", folder / "mixed.csv", "--label-column", "y")
    code, _, err = run(capsys, *given, "--alpha", "0.001")
    assert code == 0
    assert err.startswith("Warning: alpha=0.001 needs at least 999 calibration rows, there are 30")
    assert "cli" not in err.splitlines()[0]
    assert len(err.splitlines()) == 2


def test_normal_chooses_the_rows_to_learn_from(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("fit", folder / "mixed.parquet", "--label-column", "y", "--out", tmp_path / "m.egbad", *QUICK, "--json")
    code, out, err = run(capsys, *given)
    assert (code, json.loads(out)["rows"]) == (0, 60)
    assert "whatever their label" in err
    code, out, err = run(capsys, *given, "--normal", "good")
    assert (code, json.loads(out)["rows"]) == (0, 45)
    assert json.loads(out)["input"]["columns"] == list(NAMES)
    assert "whatever" not in err


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for kind, n in (("even", 30), ("odd", 6)):
        (folder / kind).mkdir()
        for i in range(n):
            pixels = rng.integers(100, 120, (8, 8))
            pixels[:, ::2] += 100 * (kind == "odd")
            Image.fromarray(pixels.astype(np.uint8)).save(folder / kind / f"{i:02}.png")
    return folder


def test_a_folder_of_images(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, page = tmp_path / "m.egbad", tmp_path / "page.html"
    steps = ("--set", "training.steps=10", "--alpha", "0.3")
    code, out, err = run(capsys, "fit", pictures / "even", "--out", model, *steps, "--json")
    assert code == 0, err
    assert json.loads(out)["input"] == {"kind": "images", "shape": [8, 8], "columns": None}
    code, out, _ = run(capsys, "score", model, pictures)
    assert code == 0
    lines = list(csv.DictReader(out.splitlines()))
    assert [line["file"] for line in lines[:2]] == [str(Path("even/00.png")), str(Path("even/01.png"))]
    code, out, err = run(
        capsys, "evaluate", model, pictures, "--label-column", "folder", "--normal", "even", "--report", page, "--json"
    )
    assert code == 0, err
    assert json.loads(out)["anomalies"] == 6
    assert "<html" in page.read_text(encoding="utf-8")

    said = refused(capsys, "score", model, pictures, "--image-size", "16x12")
    assert "(8, 8)" in said
    assert "(16, 12)" in said
    assert "as in 28x28" in refused(capsys, "score", model, pictures, "--image-size", "big")


def test_a_public_data_set_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "m.egbad"
    steps = ("--set", "training.steps=2", "--alpha", "0.1")
    code, out, err = run(capsys, "fit", "digits", "--normal", "5", "--out", model, *steps, "--json")
    assert code == 0, err
    assert json.loads(out)["rows"] == 182
    code, out, err = run(capsys, "evaluate", model, "digits", "--normal", "5", "--json")
    assert code == 0, err
    assert json.loads(out)["rows"] == 1797


def test_data_list_and_get(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "data", "list", "--json")
    assert code == 0
    assert [entry["name"] for entry in json.loads(out)] == datasets.names()
    code, out, _ = run(capsys, "data", "list")
    assert code == 0
    assert "kdd99" in out
    code, out, _ = run(capsys, "data", "get", "digits", "--json")
    assert (code, json.loads(out)) == (0, {"name": "digits", "files": []})


def test_demo_hands_its_options_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, object] = {}
    monkeypatch.setattr("egbad.cli.demo.run", lambda **options: given.update(options) or {"auroc": 0.99, "report": "r"})
    page = tmp_path / "page.html"
    code, out, _ = run(capsys, "demo", "--out", page, "--normal", "3", "--seed", "4", "--json")
    assert (code, json.loads(out)["auroc"]) == (0, 0.99)
    assert given == {"normal": 3, "anomaly": 7, "seed": 4, "out": page, "verbose": False}
    assert "must differ" in refused(capsys, "demo", "--normal", "7", "--out", page)


# -- what a user gets wrong --------------------------------------------------------------------------------------------

N = 40
GOOD = {"a": np.arange(N) % 7 * 1.0, "b": np.arange(N) % 5 * 1.0}


def spoiled(value: float) -> dict[str, object]:
    b = GOOD["b"].copy()
    b[3] = value
    return GOOD | {"b": b}


BAD_TABLES: dict[str, tuple[dict[str, object], tuple[str, ...]]] = {
    "empty": ({"a": np.array([]), "b": np.array([])}, ("at least one row", "empty")),
    "one row": ({"a": np.array([1.0])}, ("at least two rows", "got n_samples = 1")),
    "lists": (GOOD | {"pair": [[1.0, 2.0]] * N}, ("must hold numbers, text", "'pair'", "Drop it")),
    "infinity": (spoiled(-np.inf), ("finite", "infinity in row 3, column 'b'", "Fill or drop")),
}


@pytest.mark.parametrize("kind", BAD_TABLES)
def test_fit_refuses_bad_tables(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    columns, words = BAD_TABLES[kind]
    path, model = tmp_path / "t.parquet", tmp_path / "m.egbad"
    pa.parquet.write_table(pa.table(columns), path)
    said = refused(capsys, "fit", path, "--out", model, *QUICK, "--quiet")
    assert all(word in said for word in words), said
    assert not model.exists()


def test_score_counts_bad_rows_from_the_first(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x = np.zeros((9000, 3))
    x[8500, 1] = np.inf
    path = write_csv(tmp_path / "t.csv", dict(zip(NAMES, x.T, strict=True)))
    assert "infinity in row 8500, column 'b'" in refused(capsys, "score", folder / "m.egbad", path)


def test_a_constant_column_is_fine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, model = write_csv(tmp_path / "t.csv", GOOD | {"c": np.ones(N)}), tmp_path / "m.egbad"
    assert run(capsys, "fit", path, "--out", model, "--set", "training.steps=20", "--alpha", "0.3", "--quiet")[0] == 0
    code, out, _ = run(capsys, "score", model, path, "--json")
    assert code == 0
    assert all(np.isfinite(row["score"]) for row in json.loads(out)["scores"])


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (("a", "b"), ("seen at fit time, yet now missing", "c")),
        (("a", "b", "c", "d"), ("unseen at fit time", "d")),
        (("a", "b", "x"), ("unseen at fit time", "x")),
        (("b", "a", "c"), ("same order",)),
    ],
)
def test_other_columns_than_at_fit(
    columns: tuple[str, ...], words: tuple[str, ...], folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_csv(tmp_path / "t.csv", {name: np.arange(3.0) for name in columns})
    said = refused(capsys, "score", folder / "m.egbad", path)
    assert all(word in said for word in words), said


@pytest.mark.filterwarnings("ignore")
def test_fewer_columns_without_names(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "t.npy", np.zeros((4, 2)))
    said = refused(capsys, "score", folder / "m.egbad", tmp_path / "t.npy")
    assert "2 features" in said
    assert "3 features" in said


def test_files_that_cannot_be_read(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, out = folder / "m.egbad", tmp_path / "out.egbad"
    assert "no file, folder or data set" in refused(capsys, "fit", tmp_path / "none.csv", "--out", out)
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 and then nothing")
    assert "cannot be read as .parquet" in refused(capsys, "fit", broken, "--out", out)
    assert "cannot be read" in refused(capsys, "info", tmp_path / "none.egbad")
    assert "no egbad model" in refused(capsys, "info", folder / "normal.csv")
    short = tmp_path / "short.egbad"
    short.write_bytes(model.read_bytes()[:-10])
    assert "truncated" in refused(capsys, "score", short, folder / "normal.csv")
    assert "end in .npz" in refused(capsys, "fit", model, "--out", out)
    assert not out.exists()


MISTYPED: dict[str, tuple[tuple[str, ...], str]] = {
    "command": (("scroe",), "Did you mean 'score'?"),
    "data command": (("data", "lst"), "Did you mean 'list'?"),
    "option": (("fit", "x.csv", "--mebmers", "2"), "no option '--mebmers'. Did you mean '--members'?"),
    "missing argument": (("score",), "Missing argument 'MODEL'"),
    "no integer": (("fit", "x", "--out", "o", "--seed", "one"), "Invalid value for '--seed'"),
    "data set": (("data", "get", "mnsit"), "no data set 'mnsit'. Did you mean 'mnist'?"),
    "data set to fit": (("fit", "digts", "--out", "o"), "Did you mean 'digits'?"),
    "detector": (("fit", "digits", "--out", "o", "--detector", "egbda"), "Did you mean 'egbad'?"),
    "setting": (("fit", "digits", "--out", "o", "--set", "training.setps=3"), "Did you mean 'training.steps'?"),
    "setting without value": (("fit", "digits", "--out", "o", "--set", "steps"), "name=value"),
    "setting of text": (("fit", "digits", "--out", "o", "--set", "members=two"), 'a whole number, got "two"'),
    "setting out of range": (
        ("fit", "digits", "--normal", "5", "--out", "o", "--set", "training.batch_size=0"),
        "batch_size",
    ),
    "alpha": (("fit", "digits", "--normal", "5", "--out", "o", "--alpha", "1.5"), "alpha must be in (0, 1), got 1.5"),
    "alpha to score": (("score", "m", "d", "--alpha", "0"), "alpha must be in (0, 1), got 0.0"),
    "label column of a data set": (("fit", "digits", "--out", "o", "--label-column", "y"), "Leave it out"),
    "folder to write to": (("fit", "digits", "--out", "nowhere/o"), "no folder 'nowhere'"),
    "ending": (("score", "m", "d", "--out", "o.xlsx"), ".csv, .parquet, .jsonl"),
}


@pytest.mark.parametrize("kind", MISTYPED)
def test_what_is_mistyped_is_said(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments, words = MISTYPED[kind]
    assert words in refused(capsys, *arguments)
    assert list(tmp_path.iterdir()) == []


def test_labels_that_do_not_fit(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = folder / "m.egbad"
    assert "--label-column" in refused(capsys, "evaluate", model, folder / "normal.csv")
    mixed = (folder / "mixed.parquet", "--label-column")
    assert "Did you mean 'y'?" in refused(capsys, "evaluate", model, *mixed, "yy")
    assert "need --normal, the label of normal rows. Found: bad, good" in refused(
        capsys, "evaluate", model, *mixed, "y"
    )
    assert "Did you mean 'good'?" in refused(capsys, "evaluate", model, *mixed, "y", "--normal", "goood")


@pytest.mark.parametrize(
    ("labels", "normal", "found"),
    [
        (np.array([0, 1, 4]), None, [True, False, False]),
        (np.array([False, True]), None, [True, False]),
        (np.array([5, 7, 5]), "5", [True, False, True]),
        (np.array(["a", "b"]), "b", [False, True]),
        (np.array([b"a", b"b"]), "b", [False, True]),
    ],
)
def test_normal_rows(labels: NDArray[np.generic], normal: str | None, found: list[bool]) -> None:
    assert normal_rows(labels, normal).tolist() == found


def test_missing_labels_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="row 1 has none"):
        normal_rows(np.array([0.0, np.nan]), None)
    with pytest.raises(InvalidInputError, match="row 0 has none"):
        normal_rows(np.array([None, "a"], dtype=object), "a")


def test_settings_and_sizes() -> None:
    assert parse_settings(["a=1", "b=[1,2]", "c=x=y"]) == {"a": 1, "b": [1, 2], "c": "x=y"}
    assert parse_size("8x16") == (8, 16)
    with pytest.raises(InvalidInputError, match="28x28"):
        parse_size("0x4")


# -- what goes wrong on the way ----------------------------------------------------------------------------------------


def test_a_full_disk_leaves_the_old_model(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "m.egbad"
    model.write_bytes(b"the old one")

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    said = refused(capsys, "fit", folder / "normal.csv", "--out", model, *QUICK, "--quiet")
    assert "No space left on device" in said
    assert "unchanged" in said
    assert model.read_bytes() == b"the old one"
    assert list(tmp_path.iterdir()) == [model]


def test_a_bug_of_ours_asks_to_be_reported(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def slip(*_: object) -> None:
        raise KeyError("slip")

    monkeypatch.setattr("egbad.detectors.registry.load", slip)
    monkeypatch.delenv("EGBAD_DEBUG", raising=False)
    code, _, err = run(capsys, "info", folder / "m.egbad")
    assert code == 1
    assert err.startswith("This is a bug in egbad (KeyError: 'slip'")
    assert err.count("\n") == 1
    monkeypatch.setenv("EGBAD_DEBUG", "1")
    assert "Traceback" in run(capsys, "info", folder / "m.egbad")[2]


def start(*arguments: object, **options: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", "import sys; from egbad.cli import main; sys.exit(main())", *map(str, arguments)]
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)  # type: ignore[call-overload,no-any-return]


@pytest.mark.skipif(os.name == "nt", reason="signals are sent otherwise there")
def test_ctrl_c_during_fit_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "m.egbad")
    process = start(
        "fit",
        folder / "normal.csv",
        *out,
        "--detector",
        "egbad",
        "--set",
        "training.steps=10000000",
        "--set",
        "early_stopping.criterion=none",
    )
    assert process.stderr is not None
    first = process.stderr.readline()  # the first line of progress: it trains
    assert first.startswith("Training")
    process.send_signal(signal.SIGINT)
    printed, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert printed == ""
    assert err.splitlines()[-1] == "Interrupted: no output was written."
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="pipes end otherwise there")
def test_a_reader_that_leaves_early_is_no_error(folder: Path, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "t.csv", dict(zip(NAMES, np.zeros((3, 5000)), strict=True)))
    process = start("score", folder / "m.egbad", path)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr as err:
        assert "Traceback" not in err.read()
    assert process.wait(timeout=30) == 0


def test_help_is_quick_and_imports_nothing_heavy() -> None:
    heavy = ("torch", "sklearn", "pyarrow", "pydantic", "numpy")
    code = (
        "import sys; from egbad.cli import main; code = main(['--help']);"
        f"print('LOADED', [name for name in {heavy} if name in sys.modules]); sys.exit(code)"
    )
    fastest = float("inf")
    for _ in range(4):
        started = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=True)
        fastest = min(fastest, time.perf_counter() - started)
        assert "LOADED []" in done.stdout
        assert "evaluate" in done.stdout
    assert fastest < 0.5


def test_a_score_waits_for_no_statistics_and_they_are_there_when_asked_for(folder: Path, tmp_path: Path) -> None:
    x = np.load(folder / "normal.npz")["X"]
    create("egbad", training__steps=2, alpha=0.1, random_state=0).fit(x).save(tmp_path / "m.egbad")
    command = ["score", str(tmp_path / "m.egbad"), str(folder / "mixed.npz")]
    code = (
        f"import sys; from egbad.cli import main; code = main({command!r})\n"
        "assert 'scipy.stats._distn_infrastructure' not in sys.modules\n"
        "import scipy.stats.mstats; from scipy.stats import beta\n"
        "assert beta is scipy.stats.beta and 0.97 < scipy.stats.norm.cdf(1.96) < 0.98; sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_libraries_are_imported_without_looking_for_garbage(folder: Path) -> None:
    code = (
        "import gc, sys; whole = []; from egbad.cli import main;"
        "gc.callbacks.append(lambda phase, info: whole.append(phase) if info['generation'] == 2 else None);"
        "code = main(['info', sys.argv[1]]); found = len(whole);"
        "print('FOUND', found, gc.isenabled(), gc.get_freeze_count() > 100_000); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder / "m.egbad")], text=True, capture_output=True, check=True
    )
    assert "FOUND 0 True True" in done.stdout


def test_version_and_bare_calls(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--version")
    assert code == 0
    assert out.startswith("egbad ")
    for arguments in ((), ("data",)):
        code, out, _ = run(capsys, *arguments)
        assert code == 0
        assert "Commands" in out


# -- benchmark and compare -----------------------------------------------------------------------------------------------


def test_a_benchmark_writes_what_it_shows_and_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    command = ["benchmark", "digits", "--out", str(out), "--tasks", "3 left,4 left", "--detectors", "lof"]
    assert main(command) == 0
    shown = capsys.readouterr()
    assert "mean AUROC" in shown.out and "results.html" in shown.err
    assert {p.name for p in out.iterdir()} == {"runs.jsonl", "results.html", "results.md", "results.json"}
    before = (out / "runs.jsonl").read_bytes()
    assert main([*command, "--json"]) == 0
    whole = json.loads(capsys.readouterr().out)
    assert [table["task"] for table in whole["summary"]["tables"]] == ["digits, 3 left out", "digits, 4 left out"]
    assert len(whole["summary"]["overall"]) == 5
    assert (out / "runs.jsonl").read_bytes() == before


def test_compare_measures_with_labels(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [
        "compare",
        str(folder / "mixed.parquet"),
        "--label-column",
        "y",
        "--normal",
        "good",
        "--out",
        str(tmp_path),
    ]
    assert main([*command, "--detectors", "pca", "--json"]) == 0
    table = json.loads(capsys.readouterr().out)["summary"]["tables"][0]
    assert {row["label"] for row in table["rows"]} == {"knn", "pca", "isolation_forest", "egbad, untrained"}
    assert table["facts"]["training_rows"] == 22 and table["facts"]["test_rows"] == 38
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".data")], "the user's rows are not left behind"


def test_compare_without_labels_shows_agreement(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", str(folder / "normal.csv"), "--out", str(tmp_path), "--detectors", "lof"]) == 0
    assert "flagged at alpha = 0.01" in capsys.readouterr().out
    text = (tmp_path / "results.md").read_text()
    assert "Rank correlation of the scores" in text and "AUROC" not in text
    rows = text.split("- knn: ")[1].splitlines()[0].split(", ")
    assert len(set(rows)) == 10 and all(0 <= int(row) < 300 for row in rows)


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (("benchmark", "kdd9"), "There is no benchmark 'kdd9'. Did you mean 'kdd99'"),
        (("benchmark", "digits", "--protocol", "papers"), "Did you mean 'paper'"),
        (("benchmark", "digits", "--detectors", "egbat"), "Did you mean 'egbad'"),
        (("benchmark", "digits", "--tasks", "x"), "Of the tasks of 'digits' none is called by 'x'"),
        (("compare", "nothing.csv"), "There is no file, folder or data set 'nothing.csv'"),
    ],
)
def test_what_cannot_be_compared_says_so(
    command: tuple[str, ...], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--out", str(tmp_path / "out")]) == 2
    assert sentence in capsys.readouterr().err


def test_an_interrupted_benchmark_keeps_its_runs(tmp_path: Path) -> None:
    egbad = str(Path(sys.executable).with_name("egbad"))
    command = [egbad, "benchmark", "digits", "--out", str(tmp_path), "--detectors", "lof", "--seeds", "9"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    runs = tmp_path / "runs.jsonl"
    while not (runs.exists() and runs.read_bytes().count(b"\n") >= 2) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, words = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Interrupted: " in words and "the same command goes on from there" in words
    assert "no output was written" not in words
    assert runs.read_bytes().endswith(b"\n")


def test_images_of_any_size_are_learned_and_scored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    for i in range(40):
        h, w = (24, 30) if i % 2 else (12, 15)
        Image.fromarray(rng.integers(0, 256, (h, w)).astype(np.uint8)).save(tmp_path / f"{i}.png")
    (tmp_path / "bad.png").write_bytes(b"no image")
    model = tmp_path / "m.egbad"
    given = ["fit", str(tmp_path), "--out", str(model), "--detector", "knn", "--alpha", "0.3"]
    assert "bad.png' cannot be read as an image" in refused(capsys, *given)
    assert main([*given, "--skip-bad"]) == 0
    told = capsys.readouterr()
    assert "18 x 22" in told.out and "Left out, since they can't be read" in told.err and "bad.png" in told.err
    assert main(["score", str(model), str(tmp_path), "--skip-bad", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["rows"] == 40 and summary["skipped"] == [str(tmp_path / "bad.png")]
