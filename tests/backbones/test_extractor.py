"""Tests of `egbad.backbones.extractor`."""

import copy
import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from egbad.backbones import FeatureConfig, FeatureExtractor, load_backbone
from egbad.data import read
from egbad.data.ragged import ragged_array
from egbad.errors import InvalidEntryError, InvalidInputError

SMALL = {"image_size": 64, "global_size": 64}


@pytest.fixture(scope="module")
def backbone():
    return load_backbone("efficientnet_lite0")


def photos(n, shape=(40, 56), seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, *shape)).astype(np.uint8)


@pytest.fixture(scope="module")
def fitted(backbone):
    return FeatureExtractor(backbone, FeatureConfig(**SMALL)).fit(photos(8), np.random.default_rng(0))


def test_patches_are_white(backbone):
    config = FeatureConfig(**SMALL, length="none", shrinkage=1e-6)
    patches, image_of = FeatureExtractor(backbone, config).fit_sample(photos(30), np.random.default_rng(0))
    assert patches.shape == (30 * 8 * 8, 152) == (len(image_of), 152)
    assert np.cov(patches.T).diagonal()[:80] == pytest.approx(np.ones(80), abs=0.02)


def test_the_sample_has_as_many_patches_from_each_image(backbone):
    config = FeatureConfig(**SMALL, max_patches=20)
    patches, image_of = FeatureExtractor(backbone, config).fit_sample(photos(6), np.random.default_rng(0))
    assert len(patches) == 20 and np.bincount(image_of).max() <= 4
    everything = FeatureExtractor(backbone, config).fit(photos(6), np.random.default_rng(0)).patches(photos(6))
    for patch, i in zip(patches, image_of, strict=True):
        assert np.abs(everything[i] - patch).max(axis=2).min() < 1e-5
    few = FeatureExtractor(backbone, FeatureConfig(**SMALL, max_patches=3))
    assert len(few.fit_sample(photos(6), np.random.default_rng(0))[0]) == 3


def test_features_of_an_image_have_the_same_bits_in_any_batch(fitted):
    x, threads = photos(5, seed=1), torch.get_num_threads()
    expected = fitted.patches(x), fitted.vectors(x), fitted.places_and_vectors(x)[0]
    try:
        torch.set_num_threads(3)
        for found, known in zip((fitted.patches(x[::-1]), fitted.vectors(x[::-1])), expected, strict=False):
            np.testing.assert_array_equal(found[::-1], known)
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_array_equal(fitted.patches(x[2:3])[0], expected[0][2])
    np.testing.assert_allclose(expected[2].mean((1, 2)), expected[1], rtol=1e-4, atol=1e-5)


def test_images_may_differ_in_size_and_come_from_files(backbone, tmp_path):
    rng = np.random.default_rng(0)
    images = ragged_array([rng.integers(0, 256, (3, 30 + i, 50 - i), dtype=np.uint8) for i in range(4)])
    for i, image in enumerate(images):
        Image.fromarray(np.moveaxis(image, 0, 2)).save(tmp_path / f"{i}.png")
    extractor = FeatureExtractor(backbone, FeatureConfig(**SMALL))
    patches = extractor.fit(images, np.random.default_rng(0)).patches(images)
    assert extractor.input.size == (64, 64) and patches.shape == (4, 8, 8, 152)
    lazy = read(tmp_path, lazy=True).x
    np.testing.assert_array_equal(extractor.fit(lazy, np.random.default_rng(0)).patches(lazy), patches)


def test_grey_images_have_the_features_of_the_same_images_in_colour(fitted):
    x = photos(2, seed=1)
    np.testing.assert_array_equal(fitted.patches(x), fitted.patches(x[:, None].repeat(3, 1)))


def test_exposure_does_not_count_if_brightness_is_matched(backbone):
    x = photos(8) // 2
    matched = FeatureExtractor(backbone, FeatureConfig(**SMALL)).fit(x, np.random.default_rng(0))
    as_is = FeatureExtractor(backbone, FeatureConfig(**SMALL, match_brightness=False)).fit(x, np.random.default_rng(0))
    changes = [np.abs(e.vectors(x // 2 * 2) - e.vectors(x // 2)).mean() for e in (matched, as_is)]
    assert changes[0] < 0.2 * changes[1]


def test_whitening_may_be_left_out(backbone):
    raw = FeatureExtractor(backbone, FeatureConfig(**SMALL, whitening=False, length="none"))
    raw.fit(photos(3), np.random.default_rng(0))
    assert raw.patches(photos(2)).std() > 0.5
    assert {"mean", "matrix"}.isdisjoint(raw.state())


def test_restored_and_copied_extractors_have_the_same_features(fitted, backbone):
    x, state = photos(2, seed=1), fitted.state()
    restored = FeatureExtractor(backbone, fitted.settings).restore(state)
    for other in (restored, copy.deepcopy(fitted), pickle.loads(pickle.dumps(fitted))):
        np.testing.assert_array_equal(other.patches(x), fitted.patches(x))
        np.testing.assert_array_equal(other.vectors(x), fitted.vectors(x))


@pytest.mark.parametrize(
    ("entry", "value", "message"),
    [
        ("size", np.array([64, 65]), "'size' must be multiples of 32"),
        ("size", np.array([64, 2**20]), "'size' must be at most"),
        ("range", np.array([1.0, 1.0]), "'range' must be in ascending order"),
        ("matrix", np.eye(3, dtype=np.float32), r"'matrix' must have shape \(152, 152\)"),
        ("matrix", None, "'matrix' must be there if and only if"),
        ("luminance", None, "'luminance' is missing"),
        ("other", np.zeros(1), "'other' is not an array"),
    ],
)
def test_damaged_states_are_refused(fitted, backbone, entry, value, message):
    state = fitted.state() | {entry: value}
    with pytest.raises(InvalidEntryError, match=message):
        FeatureExtractor(backbone, fitted.settings).restore({k: v for k, v in state.items() if v is not None})


def test_unknown_layers_are_refused(backbone):
    with pytest.raises(InvalidInputError, match="There is no layer of the backbone efficientnet_lite0 'block_99'"):
        FeatureExtractor(backbone, FeatureConfig(layers=["block_99"]))


def test_an_image_needs_no_more_pixels_than_the_backbone_sees(backbone):
    assert FeatureExtractor(backbone).enough_side == 640
    assert FeatureExtractor(backbone, FeatureConfig(image_size=96)).enough_side == 320
