"""The work of `egbad score`."""

import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from PIL import Image

from egbad import load
from egbad.cli.run_score import ScoreRequest, run_score
from egbad.data import CsvOptions
from egbad.detectors.knn import KNN
from egbad.errors import EgbadError, InvalidInputError
from egbad.export import to_onnx
from egbad.output_files import locked_folder

DEFAULTS = {
    "data": None, "out": None, "terms": False, "n_reasons": None, "alpha": None, "fdr": None, "follow": False,
    "label_column": None, "image_size": None, "skip_unreadable": False, "engine": "local", "workers": None,
    "data_dir": None, "batch_size": None, "as_json": True,
}  # fmt: skip
FOLLOW = {"follow": True, "data": None, "label_column": None}


def request(folder, **options):
    """A request for scores of the test set."""
    defaults = DEFAULTS | {"model": folder / "m.egbad", "data": str(folder / "mixed.csv"), "label_column": "y"}
    return ScoreRequest(**{**defaults, **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data": None}, "Name the DATA to score, or use --follow"),
        ({"follow": True}, "Omit DATA, --out, --fdr, --explain and --heatmaps"),
        ({"follow": True, "data": None, "n_reasons": 2}, "Omit DATA, --out, --fdr, --explain and --heatmaps"),
        (FOLLOW | {"label_column": "y"}, "--missing is the only option of files that applies"),
        (FOLLOW | {"csv": CsvOptions(decimal=",")}, "--missing is the only option of files that applies"),
        (FOLLOW | {"engine": "ray"}, "--missing is the only option of files that applies"),
        (FOLLOW | {"batch_size": 5}, "--missing is the only option of files that applies"),
        ({"fdr": 0.1, "out": "parts"}, "--fdr needs all scores at once"),
        ({"engine": "ray"}, "--engine ray writes a folder of parts"),
        ({"engine": "ray", "out": "s.csv"}, "--engine ray writes a folder of parts"),
        ({"engine": "ray", "out": "parts"}, "--engine ray reads Parquet files and images"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, message, folder, tmp_path):
    if "out" in options:
        options = options | {"out": tmp_path / options["out"]}
    with pytest.raises(InvalidInputError, match=message):
        run_score(request(folder, **options))


def test_an_exported_model_scores_but_explains_nothing(folder, tmp_path, capsys):
    path = tmp_path / "m.onnx"
    to_onnx.export(load(folder / "m.egbad"), path)
    run_score(request(folder, model=path))
    exported = json.loads(capsys.readouterr().out)
    run_score(request(folder))
    original = json.loads(capsys.readouterr().out)
    for name in ("rows", "flagged", "threshold"):
        assert exported[name] == original[name]
    with pytest.raises(InvalidInputError, match="An exported model cannot explain its scores"):
        run_score(request(folder, model=path, n_reasons=2))


def test_the_json_summary_has_the_scores_unless_they_go_to_a_file(folder, tmp_path, capsys):
    run_score(request(folder))
    summary = json.loads(capsys.readouterr().out)
    assert [row["row"] for row in summary["scores"]] == list(range(60))
    assert summary["flagged"] == sum(row["anomaly"] for row in summary["scores"])
    assert summary["flagged_share"] == summary["flagged"] / 60
    run_score(request(folder, out=tmp_path / "s.csv"))
    summary = json.loads(capsys.readouterr().out)
    assert summary["out"] == str(tmp_path / "s.csv") and "scores" not in summary


def test_a_folder_gets_parts_with_the_same_scores(folder, tmp_path, capsys):
    scores = []
    for out in (tmp_path / "parts", tmp_path / "s.parquet"):
        run_score(request(folder, data=str(folder / "mixed.parquet"), out=out))
        assert json.loads(capsys.readouterr().out)["rows"] == 60
        scores.append(np.concatenate([_scores(path) for path in sorted(out.glob("part-*")) or [out]]))
    assert np.array_equal(*scores)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "parts").iterdir()}
    run_score(request(folder, data=str(folder / "mixed.parquet"), out=tmp_path / "parts"))
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "parts").iterdir()} == before, "nothing is done twice"


def _scores(path):
    return pyarrow.parquet.read_table(path)["score"].to_numpy()


def test_a_part_none_of_whose_images_can_be_read_is_empty(tmp_path, capsys):
    x = np.random.default_rng(0).integers(0, 256, (40, 8, 8)).astype(np.uint8)
    model, images, out = tmp_path / "m.egbad", tmp_path / "images", tmp_path / "scores"
    KNN(alpha=0.3, random_state=0).fit(x).save(model)
    images.mkdir()
    for i in range(66):
        Image.fromarray(x[i % 40]).save(images / f"{i:02}.png")
        if i < 64:  # the images of the first part
            (images / f"{i:02}.png").write_bytes((images / f"{i:02}.png").read_bytes()[:50])
    options = {"model": model, "data": str(images), "label_column": None, "skip_unreadable": True, "batch_size": 1}
    run_score(request(tmp_path, **options, out=out, terms=True))
    assert json.loads(capsys.readouterr().out)["rows"] == 2
    empty, full = (pyarrow.parquet.read_table(out / f"part-0000{i}.parquet") for i in range(2))
    assert (len(empty), len(full)) == (0, 2) and empty.schema == full.schema
    for name in ("64.png", "65.png"):
        (images / name).unlink()
    with pytest.raises(InvalidInputError, match="must hold rows or images that can be read, got none"):
        run_score(request(tmp_path, **options, out=tmp_path / "others"))


def test_a_job_that_was_killed_at_its_first_moment_is_repeated(folder, tmp_path, capsys):
    out = tmp_path / "parts"
    out.mkdir()
    (out / "._about.json.0123456789abcdef").write_text("half")
    run_score(request(folder, out=out))
    assert json.loads(capsys.readouterr().out)["rows"] == 60
    assert sorted(path.name for path in out.iterdir()) == ["_about.json", "part-00000.parquet"]


def test_a_second_job_with_the_same_folder_is_refused(folder, tmp_path):
    message = r"Another job is writing scores to '.*parts'\. Wait until it ends, or choose another folder"
    with locked_folder(tmp_path / "parts", ""), pytest.raises(EgbadError, match=message):
        run_score(request(folder, out=tmp_path / "parts"))


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such device")
def test_scores_are_written_to_devices_as_csv(folder, capfd):
    run_score(request(folder, out=Path("/dev/stdout"), as_json=False))
    out, err = capfd.readouterr()
    assert out.startswith("row,score,p_value,anomaly\n") and len(out.splitlines()) == 61
    assert err.endswith("written to /dev/stdout.\n")


@pytest.mark.parametrize("out", ["s.csv", "s.jsonl", "s.parquet", "parts", None])
def test_names_of_files_may_hold_bytes_that_are_no_utf_8(tmp_path, run, out):
    name = b"\xe9.png"
    try:
        (tmp_path / os.fsdecode(b"p\xe9")).mkdir()
    except OSError:
        pytest.skip("this file system allows UTF-8 only")
    pixels = np.random.default_rng(0).integers(0, 256, (20, 8, 8)).astype(np.uint8)
    for i in range(20):
        Image.fromarray(pixels[i]).save(tmp_path / os.fsdecode(b"p\xe9") / os.fsdecode(b"%02d" % i + name))
    data, model = tmp_path / os.fsdecode(b"p\xe9"), tmp_path / os.fsdecode(b"m\xe9.egbad")
    assert run("fit", data, "--out", model, "--detector", "knn", "--alpha", "0.5").code == 0
    target = () if out is None else ("--out", tmp_path / os.fsdecode(b"\xe9" + out.encode()))
    code, printed, err = run("score", model, data, *target)
    assert code == 0, err
    if out is None:
        files = [line.split(",")[0] for line in printed.splitlines()[1:]]
    elif out in ("s.parquet", "parts"):
        path = target[1] / "part-00000.parquet" if out == "parts" else target[1]
        files = pyarrow.parquet.read_table(pa.BufferReader(path.read_bytes()))["file"].to_pylist()
    else:
        files = [line.split(",")[0] for line in target[1].read_text().splitlines() if "xe9" in line]
    assert len(files) == 20 and all("\\xe9.png" in file for file in files)
    for report in ("r.html", "r.md", "r.json"):
        assert run("report", model, data, "--out", tmp_path / report, "--json").code == 0
        assert "\\xe9.png" in (tmp_path / report).read_text()
