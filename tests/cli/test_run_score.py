"""The work of `egbad score`."""

import json

import numpy as np
import pyarrow.parquet
import pytest
from PIL import Image

from egbad import load
from egbad.cli.run_score import ScoreRequest, run_score
from egbad.detectors.knn import KNN
from egbad.errors import InvalidInputError
from egbad.export import to_onnx

DEFAULTS = {
    "data": None, "out": None, "terms": False, "n_reasons": None, "alpha": None, "fdr": None, "follow": False,
    "label_column": None, "image_size": None, "skip_unreadable": False, "engine": "local", "workers": None,
    "data_dir": None, "batch_size": None, "as_json": True,
}  # fmt: skip


def request(folder, **options):
    """A request for scores of the test set."""
    defaults = DEFAULTS | {"model": folder / "m.egbad", "data": str(folder / "mixed.csv"), "label_column": "y"}
    return ScoreRequest(**{**defaults, **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data": None}, "Name the DATA to score, or use --follow"),
        ({"follow": True}, "Omit DATA, --out, --fdr and --explain"),
        ({"follow": True, "data": None, "n_reasons": 2}, "Omit DATA, --out, --fdr and --explain"),
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
