"""Calibration rows that a model keeps, in memory and in its file."""

import numpy as np
import pytest

from egbad import load
from egbad.detectors.blend import Blend
from egbad.detectors.knn import KNN
from egbad.errors import InvalidEntryError
from egbad.scoring.reference_rows import ReferenceRows


def test_a_model_keeps_few_rows_of_tables_and_none_of_images():
    x, scores = np.arange(8000.0).reshape(4000, 2), np.arange(4000.0)
    kept = ReferenceRows.sample(x, scores, 512)
    assert kept.rows.shape == (512, 2)
    assert (kept.rows[:, 0] == 2 * kept.scores).all()
    assert ReferenceRows.sample(x.reshape(2000, 2, 2), scores[:2000], 512) is None
    assert ReferenceRows.sample(x[:29], scores[:29], 512) is None
    assert len(ReferenceRows.sample(np.zeros((600, 2**12)), np.zeros(600), 512).rows) == 64


def test_a_model_keeps_no_rows_if_it_must_keep_no_exemplars():
    x = np.random.default_rng(0).normal(size=(400, 3))
    detector = KNN(n_exemplars=0, alpha=0.1, random_state=0).fit(x)
    assert detector.reference_rows_ is None and detector.recalibrate(x + 1e-3).reference_rows_ is None


def test_rows_of_a_model_file_are_checked():
    state = ReferenceRows.sample(np.ones((40, 2)), np.zeros(40), 40).state()
    assert ReferenceRows.from_state(state, 2).rows.shape == (40, 2)
    with pytest.raises(InvalidEntryError, match="rows"):
        ReferenceRows.from_state(state, 3)
    with pytest.raises(InvalidEntryError, match="scores"):
        ReferenceRows.from_state(state | {"scores": np.zeros(39)}, 2)


@pytest.mark.parametrize(
    "detector", [KNN(alpha=0.1, random_state=0), Blend(parts=["pca", "knn"], alpha=0.1, random_state=0)]
)
def test_a_model_file_holds_rows_of_the_fit_or_of_the_recalibration(detector, tmp_path):
    x = np.random.default_rng(0).normal(size=(400, 3))
    kept = detector.fit(x).reference_rows_
    assert np.array_equal(np.sort(kept.scores), detector.calibration_scores_)
    assert {tuple(row) for row in kept.rows} <= {tuple(row) for row in x}
    detector.save(tmp_path / "m.egbad")
    loaded = load(tmp_path / "m.egbad").reference_rows_
    assert np.array_equal(loaded.rows, kept.rows) and np.array_equal(loaded.scores, kept.scores)
    later = np.random.default_rng(1).normal(size=(60, 3))
    assert np.array_equal(detector.recalibrate(later).reference_rows_.rows, later)


def test_only_the_whole_of_a_blend_keeps_rows():
    x = np.random.default_rng(0).normal(size=(400, 3))
    blend = Blend(parts=["pca", "knn"], alpha=0.1, random_state=0).fit(x)
    assert all(part.reference_rows_ is None for part in blend.parts_.values())
