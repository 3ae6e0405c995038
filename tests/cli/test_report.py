"""`egbad report` from the command line."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from egbad.cli import main


def traffic(n, seed, n_anomalies=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"bytes": rng.lognormal(5, 1, n), "protocol": rng.choice(["tcp", "udp"], n)})
    frame.loc[n - n_anomalies :, "protocol"] = "sctp"
    return frame


@pytest.fixture(scope="module")
def report_folder(tmp_path_factory):
    """A model, new rows in two files with seven anomalies, and a model of images."""
    folder = tmp_path_factory.mktemp("reporting")
    traffic(1500, 0).to_parquet(folder / "normal.parquet")
    (folder / "new").mkdir()
    for part in (1, 2):
        traffic(20_000, part, n_anomalies=4 if part == 1 else 3).to_parquet(folder / "new" / f"{part}.parquet")
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


def test_rows_of_several_files_are_reported(report_folder, tmp_path, run):
    out = tmp_path / "r.json"
    given = ("report", report_folder / "m.egbad", report_folder / "new", "--out", out, "--json", "--top", 7)
    code, printed, err = run(*given)
    assert code == 0, err
    summary, report = json.loads(printed), json.loads(out.read_text(encoding="utf-8"))
    assert summary["rows"] == report["n_samples"] == 40_000 and summary["flagged"] == report["n_flagged"]
    assert summary["interval"][0] <= summary["flagged_share"] <= summary["interval"][1]
    found = {(Path(top["location"]["file"]).name, top["location"]["row"]) for top in report["findings"]}
    anomalies = {(f"{part}.parquet", 20_000 - i) for part, n in ((1, 4), (2, 3)) for i in range(1, n + 1)}
    assert found == anomalies and all(top["reasons"][0]["observed"] == "sctp" for top in report["findings"])
    assert report["n_explained"] == min(1000, report["n_flagged"])


def test_images_are_reported_as_a_page(report_folder, tmp_path, run):
    out = tmp_path / "r.html"
    assert run("report", report_folder / "p.egbad", report_folder / "others", "--out", out, "--top", 3).code == 0
    page = out.read_text(encoding="utf-8")
    assert page.count("<img") == 3 * 6 and page.count("Above the pixel threshold: lower right") >= 3


def test_a_report_may_be_markdown_in_japanese(report_folder, tmp_path, run):
    out = tmp_path / "r.md"
    new = report_folder / "new" / "1.parquet"
    assert run("report", report_folder / "m.egbad", new, "--out", out, "--language", "ja").code == 0
    assert "protocol は 'sctp' です" in out.read_text(encoding="utf-8")


def test_scores_of_images_are_explained_by_regions(report_folder, tmp_path, run):
    out = tmp_path / "s.csv"
    command = ("score", report_folder / "p.egbad", report_folder / "others", "--explain", 2, "--out", out)
    assert run(*command).code == 0
    found = pd.read_csv(out)
    assert (found["reason_1"][:3] == "lower right").all() and (found["reason_1_share"][:3] > 0.5).all()
    boxes = found["reason_1_box"][:3].str.split(",", expand=True).astype(int)
    assert (boxes[0] < boxes[2]).all() and (boxes[1] < boxes[3]).all()
    assert (found["reason_1_size"][:3] > 0).all() and (found["reason_1_peak"][:3] > 0).all()
    assert "reason_1_observed" not in found


def test_an_exported_model_that_reconstructs_images_reports_them(report_folder, tmp_path, run):
    quick = ("--detector", "vae", "--set", "training.steps=20", "--alpha", "0.2", "--quiet")
    assert run("fit", report_folder / "pictures", "--out", tmp_path / "v.egbad", *quick).code == 0
    assert run("export", tmp_path / "v.egbad", "--out", tmp_path / "v.onnx").code == 0
    for out in (tmp_path / "r.html", tmp_path / "r.json"):
        assert run("report", tmp_path / "v.onnx", report_folder / "others", "--out", out).code == 0
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["attribution_method"] == "differences"
    assert [finding["regions"][0]["name"] for finding in report["findings"][:3]] == ["lower right"] * 3
    assert "data:image/png" in (tmp_path / "r.html").read_text()


def test_what_cannot_be_reported_is_refused(report_folder, tmp_path, run, refuse):
    report = ("report", report_folder / "m.egbad", report_folder / "new", "--out")
    assert ".html, .md, .json" in refuse(*report, tmp_path / "r.pdf")
    assert "There is no language 'fr'" in refuse(*report, tmp_path / "r.md", "--language", "fr")
    assert run("export", report_folder / "m.egbad", "--out", tmp_path / "m.onnx").code == 0
    onnx = ("report", tmp_path / "m.onnx", report_folder / "new", "--out", tmp_path / "r.md")
    assert "An exported model cannot explain its scores" in refuse(*onnx)
    assert "There is no folder" in refuse(*report, tmp_path / "none" / "r.md")
    assert not list(tmp_path.glob("r.*"))


def test_skipped_images_are_part_of_the_report(report_folder, tmp_path, run):
    shutil.copytree(report_folder / "others", tmp_path / "others")
    (tmp_path / "others" / "bad.png").write_bytes(b"no image")
    out = tmp_path / "r.json"
    command = ("report", report_folder / "p.egbad", tmp_path / "others", "--out", out, "--skip-unreadable")
    code, _, err = run(*command)
    assert code == 0 and "bad.png" in err
    assert "bad.png" in out.read_text(encoding="utf-8")
