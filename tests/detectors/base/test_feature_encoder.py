import numpy as np
import pytest

from egbad.backbones import FeatureConfig, FeatureExtractor, load_backbone
from egbad.backbones.patches import enlarge, highest_patches
from egbad.data.ragged import ragged_array
from egbad.detectors.base.feature_encoder import (
    FeatureEncoder,
    enlarge_to,
    mean_of_highest,
    patch_scores,
)
from egbad.errors import InvalidInputError

SMALL = {"image_size": 64, "global_size": 64, "max_patches": 200}


def photos(n, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, 40, 56)).astype(np.uint8)


def encoder(features, **config):
    extractor = FeatureExtractor(load_backbone("efficientnet_lite0"), FeatureConfig(**SMALL | config))
    return FeatureEncoder(extractor, features)


def test_vectors_become_standardised_rows():
    found = encoder("global")
    rows, image_of = found.learn(photos(12))
    assert rows.shape == (12, 320) == (12, found.width) and image_of is None
    assert np.allclose(rows.mean(0), 0, atol=1e-4)
    assert np.array_equal(found.encode(photos(12)), rows)


def test_patches_are_sampled_for_learning_and_complete_for_scoring():
    found = encoder("patches")
    rows, image_of = found.learn(photos(10))
    assert rows.shape == (200, 152) and np.bincount(image_of).tolist() == [20] * 10
    encoded, grid = found.encode_patches(photos(3, 1))
    assert grid == (3, 8, 8) and encoded.shape == (3 * 8 * 8, 152)
    assert np.array_equal(found.encode(photos(3, 1)), encoded)
    again, image_of = found.learn(photos(5), fit=False)
    assert again.shape == (200, 152) and np.bincount(image_of).tolist() == [40] * 5


def test_the_vector_is_the_mean_of_the_places():
    found = encoder("global")
    found.learn(photos(8))
    rows, places = found.encode_places(photos(2, 1))
    assert places.shape[0::3] == (2, 320)
    assert np.allclose(places.mean((1, 2)), rows, atol=1e-3)


def test_a_restored_encoder_gives_the_same_rows():
    for features in ("global", "patches"):
        found = encoder(features)
        found.learn(photos(8))
        again = encoder(features).restore(found.state(), (40, 56))
        assert np.array_equal(again.encode(photos(2, 1)), found.encode(photos(2, 1)))


def test_features_cannot_be_decoded():
    with pytest.raises(InvalidInputError, match="cannot be turned into images. Fit without backbone"):
        encoder("global").decode(np.zeros((1, 320)))


def test_terms_of_an_image_are_means_over_the_patches_with_the_highest_scores():
    a, b = np.zeros(2 * 20 * 20), np.zeros(2 * 20 * 20)
    a[400 + 21 + 20 * np.arange(3)] = [5.0, 6.0, 7.0]
    b[400 + 22 + 20 * np.arange(2)] = [8.0, 1.0]
    scores = patch_scores({"a": a, "b": b}, (2, 20, 20))
    highest = highest_patches(scores)
    assert highest.shape == (2, 3) and highest[1].tolist() == [22, 41, 61]
    found = mean_of_highest({"a": a, "b": b}, highest)
    assert found["a"].tolist() == [0.0, pytest.approx(13 / 3)] and found["b"].tolist() == [0.0, pytest.approx(8 / 3)]


def test_scores_of_patches_are_means_over_members():
    assert patch_scores({"a": np.array([[1.0, 2.0], [3.0, 6.0]])}, (1, 1, 2)).tolist() == [[[2.0, 4.0]]]


def test_the_border_and_small_grids():
    scores = np.zeros((1, 20, 40))
    scores[0, 0] = scores[0, :, :2] = 9.0
    assert (highest_patches(scores)[0] // 40 > 0).all() and (highest_patches(scores)[0] % 40 > 1).all()
    assert highest_patches(np.array([[[0.0, 3.0]]])).tolist() == [[1]]


@pytest.mark.parametrize("size", [(7, 13), (3, 5), (40, 2)])
def test_sums_stay_when_a_grid_is_enlarged(size):
    values = np.random.default_rng(0).uniform(size=(2, 5, 4))
    assert np.allclose(enlarge(values, size).sum((1, 2)), values.sum((1, 2)))
    images = ragged_array([np.zeros(size), np.zeros((9, 9))])
    found = enlarge_to(values, images)
    assert [part.shape for part in found] == [size, (9, 9)]
