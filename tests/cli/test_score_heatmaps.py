"""Heatmaps of `egbad score`."""

import json

import numpy as np
import pytest
from PIL import Image

from egbad import load
from egbad.cli.score_heatmaps import check_heatmap_folder
from egbad.data import MIN_IMAGE_SIDE
from egbad.errors import InvalidInputError
from egbad.output_files import locked_folder

CYAN = [0, 229, 255]


def save(folder, name, pixels):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(folder / name)


def noise(n, seed, shape=(64, 72)):
    return np.random.default_rng(seed).integers(90, 130, (n, *shape)).astype(np.uint8)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """Normal images, new ones with a defect in the first two, and models of pixels."""
    from egbad.cli import main

    folder = tmp_path_factory.mktemp("heatmaps")
    for i, one in enumerate(noise(60, 0)):
        save(folder / "good", f"{i:02}.png", one)
    new = noise(4, 1)
    new[:2, 20:32, 40:56] = 250
    for name, one in zip(("crack/1.png", "crack/2.jpg", "good/1.png", "good/2.png"), new, strict=True):
        save(folder / "new", name, one)
    fit = ("fit", str(folder / "good"), "--alpha", "0.2", "--quiet")
    assert main([*fit, "--out", str(folder / "knn.egbad"), "--detector", "knn"]) == 0
    return folder


def written(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.png"))


def contours(folder):
    """Return for each overlay whether it has a contour."""
    return [(np.asarray(Image.open(p)) == CYAN).all(-1).any() for p in sorted((folder / "overlays").rglob("*.png"))]


def test_heatmaps_are_named_like_the_images(scene, tmp_path, run):
    out, heat = tmp_path / "s.csv", tmp_path / "heat"
    done = run("score", scene / "knn.egbad", scene / "new", "--out", out, "--heatmaps", heat)
    assert done.code == 0 and f"heatmaps in {heat}" in done.err and out.exists()
    names = ["crack/1.png", "crack/2.jpg.png", "good/1.png", "good/2.png"]
    assert written(heat) == [*(f"maps/{name}" for name in names), *(f"overlays/{name}" for name in names)]
    assert contours(heat)[:2] == [True, True]
    about = json.loads((heat / "scale.json").read_text())
    raw = about["value_of_0"] + about["step"] * np.asarray(Image.open(heat / "maps" / "crack" / "1.png")).astype(float)
    i, j = np.unravel_index(raw.argmax(), raw.shape)
    assert 18 <= i < 34 and 38 <= j < 58 and raw.max() > about["pixel_threshold"]


def test_an_interrupted_job_goes_on_and_other_jobs_need_another_folder(scene, tmp_path, run, refuse):
    heat = tmp_path / "heat"
    given = ("score", scene / "knn.egbad", scene / "new", "--heatmaps", heat)
    assert json.loads(run(*given, "--json").out)["heatmaps"] == str(heat)
    first, second = heat / "maps" / "good" / "1.png", heat / "maps" / "good" / "2.png"
    content = first.read_bytes()
    first.unlink()
    second.write_bytes(b"kept")
    assert run(*given).code == 0
    assert first.read_bytes() == content and second.read_bytes() == b"kept"
    assert "contains heatmaps of another model, of other data or with other options" in refuse(*given, "--alpha", "0.4")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("x")
    assert "must be empty or contain files of the same heatmaps" in refuse(*given[:-1], tmp_path / "full")
    with locked_folder(heat, "busy"):
        assert "Another job is writing heatmaps to" in refuse(*given)


def test_scores_in_parts_have_heatmaps_too(scene, tmp_path, run):
    heat = tmp_path / "heat"
    given = ("score", scene / "knn.egbad", scene / "new", "--out", tmp_path / "parts", "--heatmaps", heat)
    assert run(*given).code == 0
    assert len(written(heat)) == 8
    assert run(*given).code == 0
    assert run(*given[:-2], "--out", tmp_path / "parts").code == 2


def test_images_of_any_size_are_drawn_by_patchcore(scene, tmp_path, run):
    model, heat = tmp_path / "m.egbad", tmp_path / "heat"
    small = ("--set", "feature_config.image_size=64", "--set", "memory_size=300", "--alpha", "0.2")
    for k, image in enumerate(noise(12, 4, (80, 96))):
        save(tmp_path / "good", f"{k}.png", image)
    done = run("fit", tmp_path / "good", "--out", model, "--detector", "patchcore", *small)
    assert done.code == 0 and f"any, at least {MIN_IMAGE_SIDE} x {MIN_IMAGE_SIDE}" in done.out
    save(tmp_path / "new", "a.png", noise(1, 5)[0])
    defect = noise(1, 6, (80, 96))[0]
    defect[30:46, 50:70] = 255
    save(tmp_path / "new", "b.png", defect)
    assert run("score", model, tmp_path / "new", "--heatmaps", heat, "--out", tmp_path / "s.csv").code == 0
    with Image.open(heat / "maps" / "b.png") as image:
        raw = np.asarray(image)
    about = json.loads((heat / "scale.json").read_text())
    lowest, highest = (about["value_of_0"] + about["step"] * level for level in (0, 2**16 - 1))
    expected = load(model).anomaly_map(defect[None])[0].clip(lowest, highest)
    assert about["value_of_0"] + about["step"] * raw.astype(float) == pytest.approx(expected, abs=about["step"])


def test_arrays_are_named_by_their_position(scene, tmp_path, run):
    np.save(tmp_path / "x.npy", noise(3, 7))
    assert run("score", scene / "knn.egbad", tmp_path / "x.npy", "--heatmaps", tmp_path / "heat").code == 0
    assert written(tmp_path / "heat")[:3] == [f"maps/00000{i}.png" for i in range(3)]


def test_heatmaps_among_the_images_are_refused(scene, tmp_path, refuse):
    for data, folder in (
        (scene / "new", scene / "new" / "heat"),
        (scene / "new", scene / "new"),
        (scene / "new" / "**" / "*.png", scene / "new" / "heat"),
    ):
        sentence = refuse("score", scene / "knn.egbad", data, "--heatmaps", folder)
        assert "--heatmaps must be outside of the data" in sentence
        assert not (scene / "new" / "heat").exists()
    (tmp_path / "file").write_text("x")
    assert "must be a folder, got the file" in refuse(
        "score", scene / "knn.egbad", scene / "new", "--heatmaps", tmp_path / "file"
    )


def test_a_folder_beside_the_images_is_allowed(scene, tmp_path):
    check_heatmap_folder(tmp_path / "heat", {"DATA": str(scene / "new" / "*" / "*.png")}, None)
    with pytest.raises(InvalidInputError, match="must be outside of the data"):
        check_heatmap_folder(scene / "new" / "heat", {"DATA": str(scene / "new")}, None)


def test_options_that_heatmaps_do_not_go_with_are_refused(scene, tmp_path, refuse, folder):
    given = ("score", scene / "knn.egbad", scene / "new", "--heatmaps", tmp_path / "heat")
    assert "Omit --engine ray and --out-of-fold" in refuse(*given, "--out-of-fold")
    assert "Omit --engine ray and --out-of-fold" in refuse(*given, "--engine", "ray", "--out", tmp_path / "parts")
    assert "--heatmaps" in refuse("score", scene / "knn.egbad", "--follow", "--heatmaps", tmp_path / "heat")
    sentence = refuse("score", folder / "m.egbad", folder / "mixed.csv", "--heatmaps", tmp_path / "heat")
    assert "needs a model of images, got one of rows" in sentence
    assert not (tmp_path / "heat").exists()


def test_models_without_maps_of_normal_images_say_what_to_do(scene, tmp_path, run, refuse):
    model, heat = tmp_path / "m.egbad", tmp_path / "heat"
    plain = ("--detector", "isolation_forest", "--set", "n_exemplars=0", "--alpha", "0.2", "--quiet")
    assert run("fit", scene / "good", "--out", model, *plain).code == 0
    assert "Add them with 'egbad recalibrate'" in refuse("score", model, scene / "new", "--heatmaps", heat)
    assert run("export", scene / "knn.egbad", "--out", tmp_path / "m.onnx").code == 0
    assert "An exported model has no anomaly maps" in refuse(
        "score", tmp_path / "m.onnx", scene / "new", "--heatmaps", heat
    )
