"""Out-of-fold scores and `fit_predict`."""

import numpy as np
import pandas as pd
import pytest

from egbad.data import as_data
from egbad.detectors.base.out_of_fold import cross_detect
from egbad.detectors.registry import create


@pytest.mark.parametrize(
    ("name", "options"), [("pca", {}), ("blend", {"parts": ("knn",)}), ("tiled", {"detector": "pca"})]
)
def test_images_are_scored_out_of_fold(name, options):
    x = np.random.default_rng(0).integers(100, 120, (60, 8, 8)).astype(np.uint8)
    x[:3, ::2] += 100
    found = cross_detect(create(name, random_state=0, **options), as_data(x), 0.1, 2)
    assert found.labels_.sum() == 6 and found.labels_[:3].all()


def test_mixed_tables_are_scored_out_of_fold():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=200), "b": rng.choice(["x", "y"], 200), "c": rng.random(200) < 0.5})
    frame.loc[0, "b"] = "never seen elsewhere"
    frame.loc[1, "a"] = 40.0
    frame.loc[2, "a"] = None
    predicted = create("blend", alpha=0.02, calibration_fraction=0.3, random_state=0).fit_predict(frame)
    assert set(np.flatnonzero(predicted == -1)) >= {0, 1, 2}


def test_fit_predict_fits_the_detector_to_all_rows():
    x = np.random.default_rng(0).normal(size=(100, 3))
    detector = create("knn", alpha=0.1, random_state=0)
    predicted = detector.fit_predict(x, n_folds=3)
    assert np.array_equal(detector.labels_ == 1, predicted == -1) and (predicted == -1).sum() == 10
    assert np.array_equal(detector.decision_scores_, cross_detect(detector, as_data(x), 0.1, 3).decision_scores_)
    new = np.random.default_rng(1).normal(size=(9, 3))
    assert np.array_equal(
        detector.anomaly_score(new), create("knn", random_state=0, alpha=0.1).fit(x).anomaly_score(new)
    )
