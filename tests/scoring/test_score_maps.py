"""Tests of `egbad.scoring.score_maps`."""

import numpy as np
import pytest

from egbad.backbones import FeatureConfig
from egbad.data import Data
from egbad.detectors import Gaussian
from egbad.scoring.localization import MaskComparison, measure_localization
from egbad.scoring.score_maps import BATCH_IMAGES, score_with_maps
from egbad.scoring.score_tables import compute_terms
from tests.detectors.counted_backbone import CountedBackbone

N = BATCH_IMAGES + 5
CONFIG = FeatureConfig(image_size=64, max_patches=300)


def images(n, seed=0):
    return np.random.default_rng(seed).integers(90, 130, (n, 24, 32)).astype(np.uint8)


@pytest.fixture(scope="module")
def backbone():
    return CountedBackbone()


@pytest.fixture(scope="module")
def detector(backbone):
    return Gaussian(backbone=backbone, features="patches", feature_config=CONFIG, alpha=0.2, random_state=0).fit(
        images(40)
    )


@pytest.mark.parametrize("wanted", [np.ones(N, bool), np.zeros(N, bool), np.arange(N) % 3 == 1])
def test_each_image_passes_once_and_wanted_maps_are_handed_over_in_order(detector, backbone, wanted):
    x, received = images(N, 1), []
    backbone.taken()
    terms = score_with_maps(detector, Data(x), wanted, lambda i, one: received.append((i, one)))
    assert backbone.taken() == N
    assert np.array_equal(sum(terms.values()), detector.anomaly_score(x))
    assert [i for i, _ in received] == np.flatnonzero(wanted).tolist()
    expected = detector.anomaly_map(x)
    assert all(np.array_equal(one, expected[i]) for i, one in received)


def test_masks_are_compared_while_images_are_scored(detector, backbone):
    x, anomalous = images(N, 1), np.arange(N) < 8
    x[:8, 8:16, 16:24] = 255
    mask = np.zeros((24, 32), bool)
    mask[8:16, 16:24] = True
    readers = [(lambda: mask) if bad else lambda: np.zeros_like(mask) for bad in anomalous]
    comparison = MaskComparison(["spot"] * N, anomalous, readers)
    backbone.taken()
    terms = compute_terms(lambda batch: score_with_maps(detector, batch, comparison.compared, comparison.add), Data(x))
    assert backbone.taken() == N and len(sum(terms.values())) == N
    assert comparison.measure() == measure_localization(detector, x, ["spot"] * N, anomalous, readers)
    assert comparison.measure()["spot"].pixel_auroc > 0.9


def test_scorers_without_maps_hand_over_the_shares_of_explanations():
    class Exported:
        def score_terms(self, data):
            return {"one": data.x.sum(axis=(1, 2))}

        def explain(self, data):
            return type("Explained", (), {"shares": data.x * 2.0})

    x, received = images(3), []
    terms = score_with_maps(
        Exported(), Data(x), np.array([False, True, True]), lambda i, one: received.append((i, one))
    )
    assert np.array_equal(terms["one"], x.sum(axis=(1, 2)))
    assert [i for i, _ in received] == [1, 2] and np.array_equal(received[0][1], x[1] * 2.0)
