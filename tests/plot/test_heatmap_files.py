"""Tests of `egbad.plot.heatmap_files`."""

import json

import numpy as np
import pytest
from PIL import Image

from egbad.data import Data
from egbad.detectors import KNN
from egbad.plot.heatmap_files import HeatmapFolder, file_names, heatmap_name


def images(n, seed=0):
    return np.random.default_rng(seed).integers(90, 130, (n, 16, 20)).astype(np.uint8)


@pytest.fixture(scope="module")
def detector():
    return KNN(alpha=0.1, random_state=0).fit(images(120))


def test_maps_are_stored_with_one_scale(detector, tmp_path):
    folder, x = HeatmapFolder(tmp_path, detector), images(3, 1)
    x[0, 4:8, 4:8] = 255
    terms = folder.score_terms(Data(x, files=("a.png", "b/c.png", "b/d.bmp")))
    assert np.array_equal(terms["distance"], detector.score_terms(x)["distance"])
    about = json.loads((tmp_path / "scale.json").read_text())
    assert about["pixel_threshold"] == detector.pixel_threshold() and about["alpha"] == 0.1
    assert tuple(about["colours"]) == detector.map_scale()
    for name, expected in zip(("a.png", "b/c.png", "b/d.bmp.png"), detector.anomaly_map(x), strict=True):
        with Image.open(tmp_path / "maps" / name) as stored:
            assert stored.mode == "I;16"
            values = about["value_of_0"] + about["step"] * np.asarray(stored).astype(float)
        largest = about["value_of_0"] + about["step"] * 65535
        assert np.abs(values - expected.clip(about["value_of_0"], largest)).max() <= about["step"] / 2 * 1.001
        with Image.open(tmp_path / "overlays" / name) as overlay:
            assert overlay.mode == "RGB" and overlay.size == (260, 208)
    assert [(np.asarray(Image.open(tmp_path / "overlays" / n)) == [0, 229, 255]).all(-1).any() for n in ("a.png",)] == [
        True
    ]


def test_files_that_exist_are_kept_and_missing_ones_are_written(detector, tmp_path):
    folder, batch = HeatmapFolder(tmp_path, detector), Data(images(2, 1), files=("a.png", "b.png"))
    folder.score_terms(batch)
    kept, content = tmp_path / "overlays" / "a.png", (tmp_path / "maps" / "b.png").read_bytes()
    kept.write_bytes(b"kept")
    (tmp_path / "maps" / "b.png").unlink()
    assert np.array_equal(folder.score_terms(batch)["distance"], detector.score_terms(batch)["distance"])
    assert kept.read_bytes() == b"kept"
    assert (tmp_path / "maps" / "b.png").read_bytes() == content


def test_another_alpha_has_another_threshold(detector, tmp_path):
    assert HeatmapFolder(tmp_path, detector, 0.3).threshold == detector.pixel_threshold(0.3)


def test_files_stay_inside_of_the_folder_and_never_share_a_name():
    assert heatmap_name("../../etc/x.png") == "etc/x.png"
    assert heatmap_name("/etc/x.png") == "etc/x.png"
    names = ["a", "a.png", "a.jpg", "a.jpg.png", "a.jpg.png.png", "a.PNG", "a.png.png", "b/a.png", "a.x.png"]
    assert len({heatmap_name(name) for name in names[1:]}) == len(names) - 1
    assert all(heatmap_name(name).endswith(".png") for name in names)


def test_images_without_files_are_named_by_their_position():
    assert file_names(Data(images(2), first_row=99)) == ["000099.png", "000100.png"]
