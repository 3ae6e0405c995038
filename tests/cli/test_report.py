"""`egbad report`: from a model and new data to a page, whatever they are, or one sentence."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from egbad.cli import main


def traffic(n, seed, strange=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"bytes": rng.lognormal(5, 1, n), "protocol": rng.choice(["tcp", "udp"], n)})
    frame.loc[n - strange :, "protocol"] = "sctp"
    return frame


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model, new rows with 7 that are strange, in two files, and images."""
    folder = tmp_path_factory.mktemp("reporting")
    traffic(1500, 0).to_parquet(folder / "normal.parquet")
    (folder / "new").mkdir()
    for part in (1, 2):
        traffic(20_000, part, strange=4 if part == 1 else 3).to_parquet(folder / "new" / f"{part}.parquet")
    model = ["--detector", "knn", "--alpha", "0.01", "--quiet"]
    assert main(["fit", str(folder / "normal.parquet"), "--out", str(folder / "m.egbad"), *model]) == 0
    for name, n in (("pictures", 60), ("others", 8)):
        (folder / name).mkdir()
        for i in range(n):
            pixels = np.random.default_rng(i).integers(100, 140, (12, 12)).astype(np.uint8)
            pixels[8:, 8:] = 250 if name == "others" and i < 3 else pixels[8:, 8:]
            Image.fromarray(pixels).save(folder / name / f"{i:02}.png")
    options = ["--detector", "knn", "--alpha", "0.2", "--quiet"]
    assert main(["fit", str(folder / "pictures"), "--out", str(folder / "p.egbad"), *options]) == 0
    return folder


def refused(capsys, *arguments):
    """The one sentence that a command is refused with."""
    capsys.readouterr()
    assert main(["report", *map(str, arguments)]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    return said[0]


def test_rows_of_several_files_are_reported(folder, tmp_path, capsys):
    out = tmp_path / "r.json"
    assert (
        main(["report", str(folder / "m.egbad"), str(folder / "new"), "--out", str(out), "--json", "--top", "7"]) == 0
    )
    told, found = json.loads(capsys.readouterr().out), json.loads(out.read_text())
    assert told["rows"] == found["n_samples"] == 40_000 and told["flagged"] == found["n_flagged"]
    assert told["interval"][0] <= told["flagged_share"] <= told["interval"][1]
    places = {(Path(one["location"]["file"]).name, one["location"]["row"]) for one in found["findings"]}
    strange = {(f"{part}.parquet", 20_000 - i) for part, n in ((1, 4), (2, 3)) for i in range(1, n + 1)}
    assert places == strange and all(one["reasons"][0]["observed"] == "sctp" for one in found["findings"])
    assert found["n_explained"] == min(1000, found["n_flagged"])


def test_images_are_reported_as_a_page(folder, tmp_path):
    out = tmp_path / "r.html"
    assert main(["report", str(folder / "p.egbad"), str(folder / "others"), "--out", str(out), "--top", "3"]) == 0
    page = out.read_text(encoding="utf-8")
    assert page.count("<img") == 3 * 6 and page.count("Largest deviation: lower right") == 3


def test_markdown_in_japanese(folder, tmp_path):
    out = tmp_path / "r.md"
    new = str(folder / "new" / "1.parquet")
    assert main(["report", str(folder / "m.egbad"), new, "--out", str(out), "--language", "ja"]) == 0
    assert "protocol は 'sctp' です" in out.read_text(encoding="utf-8")


def test_reasons_of_images_are_regions(folder, tmp_path):
    out = tmp_path / "s.csv"
    command = ["score", str(folder / "p.egbad"), str(folder / "others"), "--explain", "2", "--out", str(out)]
    assert main(command) == 0
    found = pd.read_csv(out)
    assert (found["reason_1"][:3] == "lower right").all() and (found["reason_1_share"][:3] > 0.5).all()
    assert "reason_1_observed" not in found


def test_what_cannot_be_reported_is_refused(folder, tmp_path, capsys):
    model, new = folder / "m.egbad", folder / "new"
    assert ".html, .md, .json" in refused(capsys, model, new, "--out", tmp_path / "r.pdf")
    assert "There is no language 'fr'" in refused(capsys, model, new, "--out", tmp_path / "r.md", "--language", "fr")
    assert main(["export", str(model), "--out", str(tmp_path / "m.onnx")]) == 0
    assert "gives no reasons" in refused(capsys, tmp_path / "m.onnx", new, "--out", tmp_path / "r.md")
    assert "There is no folder" in refused(capsys, model, new, "--out", tmp_path / "none" / "r.md")
    assert not list(tmp_path.glob("r.*")), "nothing is left behind"
