"""Thresholds that recent normal rows or images set, without training."""

import numpy as np
import pytest

from egbad import load
from egbad.detectors.blend import Blend
from egbad.detectors.knn import KNN
from egbad.detectors.tiled import Tiled
from egbad.errors import CalibrationWarning, InvalidInputError, LearnedRowsWarning

rng = np.random.default_rng(0)
IMAGES = rng.integers(0, 100, (60, 16, 16)).astype(np.uint8)
LATER = (rng.integers(0, 100, (60, 16, 16)) + 40).astype(np.uint8)  # in another light


@pytest.mark.parametrize(
    "detector",
    [
        KNN(alpha=0.1, calibration_fraction=0.2, random_state=0),
        Tiled(detector="pca", tile_size=8, alpha=0.1, calibration_fraction=0.2, random_state=0),
        Blend(parts=["pca", "knn"], alpha=0.1, calibration_fraction=0.2, random_state=0),
    ],
    ids=["knn", "tiled", "blend"],
)
def test_recent_images_set_the_threshold_and_leave_the_scores(detector, tmp_path):
    detector.fit(IMAGES)
    before, threshold = detector.anomaly_score(LATER[20:]), detector.threshold_
    assert (detector.predict(LATER[20:]) == -1).mean() > 0.5
    assert detector.recalibrate(LATER[:20]) is detector
    assert np.array_equal(detector.anomaly_score(LATER[20:]), before)
    assert (detector.predict(LATER[20:]) == -1).mean() < 0.3 and detector.p_value(LATER[20:]).mean() > 0.3
    found = detector.describe()["recalibration"]
    assert found["rows"] == detector.n_calibration_ == 20 and found["earlier_threshold"] == threshold
    assert found["earlier_flagged"] > 0.5
    detector.save(tmp_path / "m.egbad")
    loaded = load(tmp_path / "m.egbad")
    assert loaded.recalibration_ == detector.recalibration_ and loaded.threshold_ == detector.threshold_
    assert detector.fit(IMAGES).recalibration_ is None and detector.threshold_ == threshold


def test_a_recalibration_warns_of_few_and_of_learned_rows():
    rows = rng.normal(size=(200, 3))
    detector = KNN(alpha=0.1, random_state=0).fit(rows)
    detector.threshold_ = 99.0
    with pytest.warns(CalibrationWarning, match="needs at least 9 calibration rows, got 4"):
        detector.recalibrate(rng.normal(size=(4, 3)))
    assert detector.threshold_ < 99, "a threshold that was chosen before is replaced"
    with pytest.warns(LearnedRowsWarning):
        detector.recalibrate(rows)
    with pytest.raises(InvalidInputError, match="X has 2 features"):
        detector.recalibrate(rng.normal(size=(40, 2)))


def test_a_new_alpha_does_not_change_what_the_earlier_threshold_was():
    later = rng.normal(size=(99, 3))
    detector = KNN(alpha=0.1, random_state=0).fit(rng.normal(size=(200, 3)))
    earlier, scores = detector.threshold_, np.sort(detector.anomaly_score(later))
    for alpha in (0.0, 1.5):
        with pytest.raises(InvalidInputError, match=r"alpha must be in \(0, 1\)"):
            detector.recalibrate(later, alpha)
    assert (detector.threshold_, detector.recalibration_) == (earlier, None)
    found = detector.recalibrate(later, alpha=0.02).recalibration_
    assert (found.earlier_threshold, found.earlier_flagged) == (earlier, (scores > earlier).mean())
    assert detector.alpha == 0.02 and detector.threshold_ == scores[-2]
