"""Anomaly maps of detectors, and the pixel threshold by held-out normal images."""

import numpy as np
import pytest
import torch
from torch import nn

from egbad import load, model_file
from egbad.backbones import FeatureConfig
from egbad.data.ragged import ragged_array
from egbad.detectors import ADGAN, EGBAD, KNN, PCA, AnoGAN, Gaussian, IsolationForest, PatchCore
from egbad.detectors.blend import Blend
from egbad.detectors.tiled import Tiled
from egbad.errors import InvalidInputError, UnreadableFileError
from egbad.scoring.border_levels import border_bands
from egbad.scoring.normal_maps import NormalMaps
from egbad.training.config import TrainingConfig
from tests.detectors.counted_backbone import CountedBackbone

SHAPE = (24, 32)
CONFIG = FeatureConfig(image_size=64, max_patches=300)


@pytest.fixture(scope="module")
def backbone():
    """A small network with fixed random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 8, 8, stride=8), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1))


def images(n, seed=0, shape=SHAPE):
    return np.random.default_rng(seed).integers(90, 130, (n, *shape)).astype(np.uint8)


def spotted(x):
    """Return images with a bright square in rows 8 to 15 and columns 16 to 23."""
    x = x.copy()
    x[..., 8:16, 16:24] = 255
    return x


def of_patches(backbone, method=Gaussian, **options):
    return method(backbone=backbone, features="patches", feature_config=CONFIG, alpha=0.2, random_state=0, **options)


@pytest.fixture(scope="module")
def knn():
    return KNN(alpha=0.1, calibration_fraction=0.5, random_state=0).fit(images(200))


# -- maps --------------------------------------------------------------------------------------------------------------


def test_rows_have_no_anomaly_map():
    detector = PCA(alpha=0.2, random_state=0).fit(np.random.default_rng(0).normal(size=(60, 4)))
    with pytest.raises(
        InvalidInputError, match=r"anomaly_map needs a detector of images, got one of rows. Use explain\."
    ):
        detector.anomaly_map(np.zeros((2, 4)))
    assert detector.normal_maps_ is None


def test_maps_of_patches_are_the_interpolated_scores_of_the_patches(backbone):
    detector = of_patches(backbone).fit(images(40))
    x = spotted(images(3, 1))
    found = detector.anomaly_map(x)
    assert detector.scores_places and found.shape == x.shape
    for one in found:
        i, j = np.unravel_index(one.argmax(), one.shape)
        assert 6 <= i < 18 and 14 <= j < 26
    scores = detector._score_patches(x, detector.encoder_)[1]
    raw = found + detector.normal_maps_.border[border_bands(*found.shape[1:])]
    assert scores.min() - 1e-6 <= raw.min() and raw.max() <= scores.max() + 1e-6
    assert np.abs(np.diff(found, axis=2)).max() < np.ptp(scores) / 4, "the map has no steps"
    assert np.array_equal(detector.anomaly_map(x[1:2])[0], found[1]), "an image alone has the same map"
    explained = detector.explain(x)
    assert np.allclose(explained.shares.sum((1, 2)) + explained.base, detector.anomaly_score(x))


def test_images_of_different_sizes_have_maps_of_their_sizes(backbone):
    detector = of_patches(backbone).fit(ragged_array([*images(20), *images(20, 1, (30, 20))]))
    x = ragged_array([images(1, 1)[0], images(1, 2, (30, 20))[0]])
    assert [one.shape for one in detector.anomaly_map(x)] == [SHAPE, (30, 20)]


def test_a_map_of_shares_is_that_of_the_explanation(knn):
    x = spotted(images(2, 1))
    assert not knn.scores_places
    assert np.array_equal(knn.anomaly_map(x), knn.explain(x).shares)


def test_a_map_of_tiles_is_the_mean_of_the_tiles_that_cover_a_pixel(backbone):
    options = {"backbone": backbone, "features": "patches", "feature_config": CONFIG}
    for name, parameters in (("gaussian", options), ("knn", {})):
        detector = Tiled(detector=name, detector_params=parameters, tile_size=16, alpha=0.2, random_state=0)
        detector.fit(images(40))
        assert detector.scores_places == (name == "gaussian")
        x = spotted(images(3, 1))
        found = detector.anomaly_map(x)
        corner = detector.detector_.anomaly_map(x[:, :16, :16])
        assert np.allclose(found[:, :8, :8], corner[:, :8, :8]), "one tile covers the corner"
        _, i, j = np.unravel_index(found.argmax(), found.shape)
        assert 6 <= i < 18 and 14 <= j < 26
        if name == "knn":
            assert np.allclose(found, detector.explain(x).shares)


# -- scores and maps at once -------------------------------------------------------------------------------------------


def detectors_of_features(backbone):
    """Return detectors with the number of forward passes that an image takes."""
    patches = {"backbone": backbone, "features": "patches", "feature_config": CONFIG}
    memory = {"backbone": backbone, "feature_config": CONFIG, "memory_size": 20}
    vectors = {"backbone": backbone, "feature_config": FeatureConfig(global_size=64)}
    parts = {"patchcore": memory, "gaussian": patches, "gaussian-vectors": vectors}
    return {
        "patches": (of_patches(backbone), 1),
        "vectors": (Gaussian(**vectors, alpha=0.2, random_state=0), 1),
        "memory": (PatchCore(**memory, alpha=0.2, random_state=0), 1),
        "weighted memory": (PatchCore(**memory, reweighting=True, top_share=0.0, alpha=0.2, random_state=0), 1),
        "blend": (Blend(parts=parts, alpha=0.2, random_state=0), 3),
        "tiles": (
            Tiled(detector="gaussian", detector_params=patches, tile_size=16, alpha=0.2, random_state=0),
            6,
        ),
    }


@pytest.mark.parametrize("name", ["patches", "vectors", "memory", "weighted memory", "blend", "tiles"])
def test_scores_and_maps_take_one_pass_of_the_backbone_and_have_the_same_bits(name):
    backbone = CountedBackbone()
    detector, passes = detectors_of_features(backbone)[name]
    detector.fit(images(40))
    for x in (spotted(images(5, 1)), ragged_array([*images(2, 1), *images(1, 2, (40, 20))])):
        if x.dtype == object and not detector.any_size:
            continue
        if x.dtype == object:
            detector.fit(ragged_array([*images(30), *images(10, 1, (40, 20))]))
        backbone.taken()
        terms, maps = detector.score_terms_and_maps(x)
        n_taken = backbone.taken()
        assert n_taken == passes * len(x) or (name == "tiles" and x.dtype == object)
        expected = detector.score_terms(x)
        assert terms.keys() == expected.keys()
        assert all(np.array_equal(terms[term], expected[term]) for term in terms)
        assert all(map(np.array_equal, maps, detector.anomaly_map(x)))
        assert len(maps) == len(x) and n_taken < backbone.taken()
        assert detector.explains_scores == (name != "vectors")
        explained = detector.explain(x)
        assert backbone.taken() == n_taken, "an explanation takes one pass, too"
        assert all(np.array_equal(explained.terms[term], expected[term]) for term in expected)
        assert np.allclose(explained.score, sum(expected.values()))


def test_detectors_of_pixels_have_scores_and_maps_at_once(knn, blend):
    x = spotted(images(3, 1))
    for detector in (knn, blend):
        terms, maps = detector.score_terms_and_maps(x)
        assert np.array_equal(sum(terms.values()), detector.anomaly_score(x))
        assert np.array_equal(maps, detector.anomaly_map(x))


def test_detectors_of_rows_have_no_scores_with_maps():
    detector = PCA(alpha=0.2, random_state=0).fit(np.random.default_rng(0).normal(size=(60, 4)))
    with pytest.raises(InvalidInputError, match="score_terms_and_maps needs a detector of images, got one of rows"):
        detector.score_terms_and_maps(np.zeros((2, 4)))


# -- blends ------------------------------------------------------------------------------------------------------------


class PlacePart:
    """A part with maps of a known level."""

    scores_places = True

    def __init__(self, maps, normal_maps):
        self.maps, self.normal_maps_ = maps, normal_maps

    def map_checked(self, x):
        return self.maps


@pytest.fixture(scope="module")
def blend():
    return Blend(parts=("knn", "pca"), alpha=0.2, random_state=0).fit(images(60))


def test_a_blend_without_scores_of_places_maps_its_shares(blend):
    x = spotted(images(2, 1))
    assert np.array_equal(blend.anomaly_map(x), blend.explain(x).shares)
    assert blend.pixel_threshold() > 0


def test_a_blend_takes_the_map_of_the_only_part_that_scores_places(blend, backbone):
    mixed = Blend(parts=("knn", "pca"), alpha=0.2, random_state=0).fit(images(60))
    mixed.parts_["pca"] = of_patches(backbone).fit(images(40))
    x = spotted(images(2, 1))
    assert mixed.scores_places
    assert np.array_equal(mixed.map_checked(x), mixed.parts_["pca"].map_checked(x))
    assert np.array_equal(mixed.attribute_checked(x).anomaly_map, mixed.parts_["pca"].map_checked(x))


def test_a_blend_averages_maps_on_the_scales_of_their_normal_images():
    blend = Blend()
    blend.weights_ = {"a": 3.0, "b": 1.0}
    blend.parts_ = {
        "a": PlacePart(np.array([[[12.0, 14.0]]]), NormalMaps(np.array([12.0]), 10.0)),
        "b": PlacePart(np.array([[[0.0, 4.0]]]), NormalMaps(np.array([1.0]), 0.0)),
    }
    assert blend.map_checked(np.zeros((1, 1, 2))).tolist() == [[[0.75, 2.5]]]


# -- the pixel threshold -----------------------------------------------------------------------------------------------


def test_normal_images_seldom_exceed_the_pixel_threshold_and_defects_do(knn):
    normal, anomalous = images(300, 1), spotted(images(20, 2))
    exceeds = (knn.anomaly_map(normal) > knn.pixel_threshold()).any(axis=(1, 2))
    assert 0.02 < exceeds.mean() < 0.2
    above = knn.anomaly_map(anomalous) > knn.pixel_threshold()
    assert above[:, 8:16, 16:24].any(axis=(1, 2)).all()
    assert knn.pixel_threshold(0.02) >= knn.pixel_threshold(0.2)


def test_the_scale_has_the_threshold_in_the_middle(knn):
    for alpha in (None, 0.3):
        low, high = knn.map_scale(alpha)
        assert low < high and (low + high) / 2 == pytest.approx(knn.pixel_threshold(alpha))


@pytest.mark.filterwarnings("ignore::egbad.errors.HealthWarning")
def test_detectors_with_cheap_maps_learn_the_threshold_while_they_are_fitted(backbone):
    quick = {"training": TrainingConfig(steps=3), "random_state": 0, "alpha": 0.4}
    x = images(30, shape=(8, 8))
    cheap = [EGBAD(**quick), Gaussian(alpha=0.4), KNN(alpha=0.4, n_exemplars=0)]
    dear = [
        AnoGAN(**quick, search_steps=2),
        ADGAN(**quick, search_steps=2, n_starts=1),
        IsolationForest(alpha=0.4, n_exemplars=0),
    ]
    assert [d.fit(x).normal_maps_ is not None for d in cheap + dear] == [True] * 3 + [False] * 3
    vectors = Gaussian(backbone=backbone, feature_config=FeatureConfig(global_size=64), alpha=0.4, random_state=0)
    assert vectors.fit(images(30)).normal_maps_ is None
    with pytest.raises(InvalidInputError, match=r"Gaussian knows no anomaly maps of normal images.*Call recalibrate"):
        vectors.pixel_threshold()
    assert vectors.recalibrate(images(9, 1)).pixel_threshold() > 0


def test_recalibrate_sets_the_threshold_of_the_new_images(knn):
    detector = load_copy(knn)
    earlier = detector.pixel_threshold()
    darker = (images(30, 3) // 2).astype(np.uint8)
    detector.recalibrate(darker)
    assert len(detector.normal_maps_.peaks) == 30
    assert detector.pixel_threshold() == np.sort(detector.anomaly_map(darker).max(axis=(1, 2)))[-3]
    assert detector.pixel_threshold() != earlier


def load_copy(detector):
    return type(detector).from_file(*detector.content())


# -- files -------------------------------------------------------------------------------------------------------------


def test_the_levels_are_part_of_the_model_file(knn, blend, tmp_path):
    for detector in (knn, blend):
        detector.save(tmp_path / "m.egbad")
        again = load(tmp_path / "m.egbad")
        assert again.pixel_threshold() == detector.pixel_threshold()
        assert again.map_scale() == detector.map_scale()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("maps.peaks", np.array([2.0, 1.0]), "'maps.peaks' must be in ascending order"),
        ("maps.median", np.array([np.nan]), "'maps.median' must be finite"),
        ("maps.other", np.ones(1), "'maps.other' is not an array that such a model has"),
    ],
)
def test_files_with_levels_that_no_maps_have_are_refused(knn, tmp_path, name, value, message):
    manifest, arrays = knn.content()
    model_file.write(tmp_path / "m.egbad", manifest, arrays | {name: value})
    with pytest.raises(UnreadableFileError, match=message) as error:
        load(tmp_path / "m.egbad")
    assert str(error.value).count("\n") == 0


def test_a_file_without_levels_is_read(knn, tmp_path):
    manifest, arrays = knn.content()
    model_file.write(tmp_path / "m.egbad", manifest, {n: a for n, a in arrays.items() if not n.startswith("maps.")})
    assert load(tmp_path / "m.egbad").normal_maps_ is None
