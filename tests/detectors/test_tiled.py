import copy
import json

import numpy as np
import pytest
from PIL import Image

from egbad import load
from egbad.backbones import FeatureConfig
from egbad.cli import main
from egbad.detectors.registry import create
from egbad.detectors.tiled import Tiled
from egbad.errors import InvalidInputError
from egbad.preprocessing import Preprocessing


def images(n, seed, side=(96, 80)):
    """Smooth surfaces with some noise."""
    rng = np.random.default_rng(seed)
    waves = np.sin(np.arange(side[0])[:, None] / 7 + rng.uniform(0, 6, (n, 1, 1))) * np.cos(np.arange(side[1]) / 9)
    return (waves + 0.05 * rng.normal(size=(n, *side))).astype(np.float32)


def scratched(x):
    faulty = x.copy()
    faulty[:, 50:54, 30:44] += 1.5
    return faulty


@pytest.fixture(scope="module")
def fitted():
    return Tiled(detector="pca", tile_size=16, alpha=0.1, random_state=0).fit(images(400, 0))


def test_tiles_of_all_images_are_cut_image_by_image(fitted):
    x = images(3, 1)
    positions = fitted.tiling.positions(x.shape[1:])
    tiles = fitted.tiling.cut(x, positions)
    assert tiles.shape == (3 * len(positions), 16, 16)
    i, j = positions[4]
    assert np.array_equal(tiles[len(positions) + 4], x[1, i : i + 16, j : j + 16])


def test_score_is_that_of_the_most_anomalous_tile(fitted):
    x = scratched(images(4, 1))
    by_tile = fitted.detector_.anomaly_score(fitted.tiling.cut(x, fitted.tiling.positions(x.shape[1:]))).reshape(4, -1)
    assert np.array_equal(fitted.anomaly_score(x), by_tile.max(axis=1))
    assert np.array_equal(fitted.anomaly_score(x[2:3]), by_tile[2:3].max(axis=1))


def test_a_small_defect_in_a_large_image_is_flagged_and_located(fitted):
    fine, faulty = images(200, 1), scratched(images(20, 2))
    assert (fitted.predict(faulty) == -1).all()
    assert (fitted.predict(fine) == -1).mean() < 0.25
    explanation = fitted.explain(faulty)
    assert explanation.shares.shape == explanation.expected.shape == faulty.shape
    np.testing.assert_allclose(
        explanation.base + explanation.shares.sum((1, 2)), fitted.anomaly_score(faulty), rtol=1e-5
    )
    inside = explanation.shares[:, 50:54, 30:44].mean((1, 2))
    assert (inside > 20 * np.median(explanation.shares, axis=(1, 2))).all()


def test_colour_images_larger_than_other_detectors_take_are_learned(tmp_path):
    x = np.stack([images(20, c, (140, 130)) for c in range(3)], axis=1)
    with pytest.raises(InvalidInputError, match="or use patches"):
        create("pca").fit(x)
    detector = Tiled(detector="pca", tile_size=24, overlap=0.0, max_tiles=300, alpha=0.4, random_state=0).fit(x)
    detector.save(tmp_path / "m.egbad")
    again = load(tmp_path / "m.egbad")
    assert np.array_equal(again.anomaly_score(x), detector.anomaly_score(x))
    assert again.explain(x[:2]).expected.shape == (2, 3, 140, 130)


def test_a_blend_of_tiles_is_calibrated_on_other_images():
    detector = Tiled(tile_size=16, detector_params={"training__steps": 30}, alpha=0.2, random_state=0).fit(
        images(60, 0)
    )
    assert detector.detector_.name == "blend"
    assert (detector.predict(images(100, 5)) == -1).mean() < 0.5
    assert set(detector.score_terms(images(2, 1))) == set(detector.detector_.parts_)


# -- images of different sizes -----------------------------------------------------------------------------------------


SIDES = ((96, 80), (70, 120), (64, 64))


def of_different_sizes(n, seed):
    return [images(1, seed + i, SIDES[i % len(SIDES)])[0] for i in range(n)]


@pytest.fixture(scope="module")
def of_any_size():
    return Tiled(detector="pca", tile_size=16, alpha=0.1, random_state=0).fit(of_different_sizes(300, 0))


def test_images_of_different_sizes_are_scored_one_by_one(of_any_size, tmp_path):
    x = of_different_sizes(7, 1000)
    scores = of_any_size.anomaly_score(x)
    assert [of_any_size.anomaly_score(one[None])[0] for one in x] == scores.tolist(), "alone or among others"
    assert np.array_equal(of_any_size.anomaly_score(x[::-1]), scores[::-1])
    of_any_size.save(tmp_path / "m.egbad")
    again = load(tmp_path / "m.egbad")
    assert np.array_equal(again.anomaly_score(x), scores) and again.describe()["input"]["any_size_from"] == [64, 64]
    larger = images(3, 5, (300, 200))
    assert np.isfinite(again.anomaly_score(larger)).all(), "larger than any that it learned"
    assert 0.02 < (again.predict(of_different_sizes(300, 2000)) == -1).mean() < 0.25


def test_shares_have_the_size_of_each_image(of_any_size):
    x = of_different_sizes(6, 1000)
    x[1][50:54, 30:44] += 1.5
    explanation = of_any_size.explain(x)
    assert (
        [one.shape for one in explanation.shares]
        == [one.shape for one in explanation.expected]
        == [one.shape for one in x]
    )
    whole = explanation.base + [one.sum() for one in explanation.shares]
    np.testing.assert_allclose(whole, of_any_size.anomaly_score(x), rtol=1e-5)
    np.testing.assert_allclose(explanation.score, whole)
    assert explanation.shares[1][50:54, 30:44].mean() > 20 * np.median(explanation.shares[1])
    assert explanation.regions(1)[1][0].name == "lower left"


def test_scores_do_not_depend_on_the_number_of_tiles_scored_together(of_any_size):
    x = images(2, 9, (90, 110))
    small = copy.copy(of_any_size)
    small.batch_tiles = 7
    np.testing.assert_allclose(small.anomaly_score(x), of_any_size.anomaly_score(x), rtol=1e-6)
    batched, whole = small.explain(x), of_any_size.explain(x)
    np.testing.assert_allclose(batched.shares, whole.shares, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(batched.expected, whole.expected, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            np.zeros((2, 12, 40)),
            r"Tiled takes images without channels, at least 16 pixels on each side, got \(12, 40\)",
        ),
        (np.zeros((2, 3, 40, 40)), r"Tiled takes images without channels, .* got \(3, 40, 40\)"),
        ([np.zeros((40, 40)), np.zeros((3, 40, 50))], "Images must have the same channels, got shape"),
        ([np.zeros((40, 40)), np.full((50, 40), np.nan)], "X must be finite, got NaN in row 1, pixel"),
    ],
)
def test_images_that_hold_no_tile_are_refused(of_any_size, given, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        of_any_size.anomaly_score(given)


def test_other_detectors_refuse_images_of_different_sizes(fitted):
    with pytest.raises(
        InvalidInputError, match=r"Images must have the same size, got shapes from \(64, 64\) to \(70, 120\)"
    ):
        create("pca").fit(of_different_sizes(6, 0))
    with pytest.raises(InvalidInputError, match=r"Tiled was fitted on images of shape \(96, 80\), got shapes from"):
        fitted.anomaly_score(of_different_sizes(6, 0))
    with pytest.raises(InvalidInputError, match="trim_fraction compares images of one size"):
        Tiled(detector="pca", preprocessing=Preprocessing(trim_fraction=0.1)).fit(of_different_sizes(30, 0))


def test_the_command_line_learns_a_folder_of_images_of_different_sizes(tmp_path, capsys):
    new = of_different_sizes(6, 900)
    for one in new[:3]:
        one[40:48, 40:54] += 1.5
    tiny = images(1, 3, (20, 90))[0]  # lower than a patch: it is stretched
    for name, x in (("good", of_different_sizes(60, 0)), ("new", [*new, tiny])):
        (tmp_path / name).mkdir()
        for i, one in enumerate(x):
            Image.fromarray((60 * one + 128).clip(0, 255).astype(np.uint8)).save(tmp_path / name / f"{i:02}.png")
    model, parts = str(tmp_path / "m.egbad"), tmp_path / "parts"
    given = ["fit", str(tmp_path / "good"), "--tile", "24", "--detector", "pca", "--alpha", "0.2", "--out", model]
    assert main(given) == 0
    assert "any, at least 24 x 24" in capsys.readouterr().out
    assert main(["score", model, str(tmp_path / "new"), "--explain", "1", "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)["scores"]
    assert [one["anomaly"] for one in scores[:3]] == [True] * 3 and scores[0]["reason_1"]
    own = load(model).anomaly_score([np.asarray(Image.open(tmp_path / "new" / f"{i:02}.png")) for i in range(6)])
    np.testing.assert_array_equal([one["score"] for one in scores[:6]], own)
    assert main(["score", model, str(tmp_path / "new"), "--out", str(parts)]) == 0
    assert main(["report", model, str(tmp_path / "new"), "--out", str(tmp_path / "r.html")]) == 0
    assert (tmp_path / "r.html").read_text().count("<figure>") >= 3 * 7
    capsys.readouterr()
    assert main(["score", model, str(tmp_path / "new"), "--image-size", "64x64", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["scores"]) == 7


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"tile_size": 90}, "tile_size must be at most the image's shorter side, 80, got 90"),
        ({"tile_size": 4}, "tile_size: input should be greater than or equal to 8, got 4"),
        ({"detector": "pac"}, "There is no part 'pac'. Did you mean 'pca'?"),
        (
            {"detector": "pca", "detector_params": {"n_component": 3}},
            "There is no parameter 'n_component'. Did you mean 'n_components'?",
        ),
    ],
)
def test_invalid_parameters_are_refused(options, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        Tiled(**options).fit(images(20, 0))


def test_the_command_line_learns_a_folder_at_full_resolution(tmp_path, capsys):
    for name, x in (("good", images(30, 0, (160, 140))), ("new", scratched(images(5, 9, (160, 140))))):
        (tmp_path / name).mkdir()
        for i, one in enumerate(x):
            Image.fromarray((60 * one + 128).clip(0, 255).astype(np.uint8)).save(tmp_path / name / f"{i:02}.png")
    model = str(tmp_path / "m.egbad")
    given = ["fit", str(tmp_path / "good"), "--tile", "32", "--detector", "pca", "--alpha", "0.3", "--out", model]
    assert main([*given, "--set", "n_components=5", "--set", "overlap=0.25", "--json"]) == 0
    about = json.loads(capsys.readouterr().out)
    assert about["input"]["shape"] == [160, 140] and about["part"]["settings"]["n_components"] == 5
    assert about["settings"]["overlap"] == 0.25
    assert main([*given, "--set", "n_component=5"]) == 2
    assert "Did you mean 'n_components'?" in capsys.readouterr().err
    assert main(["score", model, str(tmp_path / "new"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["flagged"] == 5
    assert main(["report", model, str(tmp_path / "new"), "--out", str(tmp_path / "r.html")]) == 0
    assert main(["fit", "digits", "--tile", "9000", "--out", model]) == 2
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3,4\n5,6\n")
    capsys.readouterr()
    assert main(["fit", str(tmp_path / "t.csv"), "--tile", "32", "--out", model]) == 2
    assert capsys.readouterr().err.strip() == "--tile is for images, but DATA holds rows. Omit it."


def test_a_file_may_refer_to_the_backbone_of_the_part(tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (20, 20, 24), dtype=np.uint8)
    config = FeatureConfig(image_size=32, max_patches=100)
    params = {"feature_config": config, "memory_size": 20}
    detector = Tiled(detector="patchcore", detector_params=params, tile_size=16, alpha=0.4, random_state=0).fit(x)
    detector.save(tmp_path / "m.egbad", reference_backbone=True)
    assert (tmp_path / "m.egbad").stat().st_size < 10**6
    assert np.array_equal(load(tmp_path / "m.egbad").anomaly_score(x[:3]), detector.anomaly_score(x[:3]))
