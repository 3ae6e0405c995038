"""Images that are few, small, uniform, or of other sizes and types: detectors with a backbone score them, or say why not."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from egbad.backbones import FeatureConfig
from egbad.cli import main
from egbad.detectors import Gaussian, PatchCore
from egbad.errors import InvalidInputError

pytestmark = pytest.mark.filterwarnings("ignore::egbad.errors.CalibrationWarning")


@pytest.fixture(scope="module")
def backbone():
    """A small network with fixed random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 8, 8, stride=8), nn.ReLU(), nn.Conv2d(8, 8, 3, stride=2, padding=1))


@pytest.fixture(params=[PatchCore, Gaussian])
def fit(request, backbone):
    """Return a function that fits `PatchCore`, or `Gaussian` on patches."""

    def fit_detector(x, **parameters):
        kind = request.param
        own = {"memory_size": 20} if kind is PatchCore else {"features": "patches"}
        config = FeatureConfig(image_size=64, max_patches=200)
        detector = kind(backbone=backbone, feature_config=config, alpha=0.4, random_state=0)
        return detector.set_params(**own, **parameters).fit(x)

    return fit_detector


def photos(n, seed=0, shape=(40, 56)):
    return np.random.default_rng(seed).integers(20, 200, (n, *shape)).astype(np.uint8)


def assert_scores(detector, x):
    scores = detector.anomaly_score(x)
    assert scores.shape == (len(x),) and np.isfinite(scores).all()
    return scores


def test_one_image_is_too_few(fit):
    with pytest.raises(
        InvalidInputError, match="fit needs at least two rows or images, one to learn from and one to calibrate"
    ):
        fit(photos(1))
    assert_scores(fit(photos(2)), photos(1, 1))


def test_sizes_may_differ_by_orders_of_magnitude(fit):
    shapes = [(8, 8), (8, 900), (700, 9), (40, 56), (300, 400)]
    x = [photos(1, i, shape)[0] for i, shape in enumerate(shapes * 4)]
    assert_scores(fit(x), x[:5])


def test_grey_images_suit_a_backbone_of_colours(fit):
    grey = photos(20)
    colour = np.repeat(grey[:, None], 3, axis=1)
    expected = assert_scores(fit(grey), photos(3, 1))
    found = assert_scores(fit(colour), np.repeat(photos(3, 1)[:, None], 3, axis=1))
    assert found == pytest.approx(expected, rel=1e-3), "a grey image has three equal channels"


def test_colour_images_for_a_model_of_grey_ones_are_refused(fit):
    with pytest.raises(InvalidInputError, match=r"images without channels|fitted on images of shape \(40, 56\)"):
        fit(photos(20)).anomaly_score(photos(2, 1, (3, 40, 56)))
    with pytest.raises(InvalidInputError, match=r"images with 3 channels|fitted on images of shape \(3, 40, 56\)"):
        fit(photos(20, 0, (3, 40, 56))).anomaly_score(photos(2, 1))
    with pytest.raises(
        InvalidInputError, match="must be grey or have the channels red, green and blue, got 4 channels"
    ):
        fit(photos(20, 0, (4, 40, 56)))


def test_images_of_a_few_pixels_are_refused(fit):
    with pytest.raises(InvalidInputError, match="Images must be 8 to 32768 pixels high and wide, got 5 x 40"):
        fit(photos(20, 0, (5, 40)))


def test_uniform_images_have_scores(fit):
    detector = fit(photos(20))
    black, white = np.zeros((1, 40, 56), np.uint8), np.full((1, 40, 56), 255, np.uint8)
    assert_scores(detector, np.concatenate([black, white]))
    uniform = fit(np.full((20, 40, 56), 90, np.uint8))
    scores = assert_scores(uniform, np.concatenate([np.full((1, 40, 56), 90, np.uint8), photos(1)]))
    assert scores[1] > scores[0], "anything else is an anomaly"


@pytest.mark.parametrize("of", [np.uint8, np.uint16, np.float32])
def test_8_bits_16_bits_and_fractions_have_the_same_scores(of, fit):
    def converted(x):
        return {np.uint8: x, np.uint16: x.astype(np.uint16) * np.uint16(257), np.float32: (x / 255).astype(np.float32)}[
            of
        ]

    expected = assert_scores(fit(photos(20)), photos(3, 1))
    detector = fit(converted(photos(20)))
    assert assert_scores(detector, converted(photos(3, 1))) == pytest.approx(expected, rel=1e-3)
    assert assert_scores(detector, photos(3, 1)) == pytest.approx(expected, rel=1e-3)


def test_a_layer_that_does_not_exist_is_named(fit):
    with pytest.raises(InvalidInputError, match="There is no layer of the backbone module '7'"):
        fit(photos(20), feature_config__layers=("0", "7"))


def test_a_folder_of_grey_and_colour_images_of_all_sizes(tmp_path, capsys):
    for i, shape in enumerate([(12, 30), (300, 200, 3), (9, 9), (64, 48, 3)] * 3):
        Image.fromarray(photos(1, i, shape)[0]).save(tmp_path / f"{i:02}.png")
    options = ["--set", "feature_config.image_size=32", "--set", "memory_size=20", "--alpha", "0.4"]
    model = tmp_path / "m.egbad"
    assert main(["fit", str(tmp_path), "--detector", "patchcore", "--out", str(model), *options]) == 0
    assert main(["score", str(model), str(tmp_path), "--out", str(tmp_path / "scores.csv")]) == 0
    (tmp_path / "one").mkdir()
    Image.fromarray(photos(1)[0]).save(tmp_path / "one" / "a.png")
    capsys.readouterr()
    assert main(["fit", str(tmp_path / "one"), "--detector", "patchcore", "--out", str(model), *options]) == 2
    assert (
        capsys.readouterr().err.splitlines()[-1].startswith("fit needs at least two rows or images, one to learn from")
    )
