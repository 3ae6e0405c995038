"""Tests of `egbad.scoring.rate_curves`."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.metrics import precision_recall_curve as sklearn_precision_recall
from sklearn.metrics import roc_curve as sklearn_roc

from egbad.errors import InvalidInputError
from egbad.scoring.rate_curves import precision_recall_with_intervals, roc_with_intervals, thin_points

BOTH = pytest.mark.parametrize("compute", [roc_with_intervals, precision_recall_with_intervals])


def draw_test_set(seed=0, n_normal=300, n_anomalies=60, decimals=1):
    rng = np.random.default_rng(seed)
    scores = np.concatenate([rng.normal(size=n_normal), rng.normal(1.2, 1, n_anomalies)]).round(decimals)
    return scores, np.repeat([False, True], [n_normal, n_anomalies])


def test_curves_and_areas_are_those_of_scikit_learn():
    scores, anomalous = draw_test_set()
    roc = roc_with_intervals(scores, anomalous, n_resamples=5)
    x, y, _ = sklearn_roc(anomalous, scores, drop_intermediate=False)
    assert np.allclose(roc.x, x) and np.allclose(roc.y, y)
    assert roc.area == pytest.approx(roc_auc_score(anomalous, scores), abs=1e-12)
    found = precision_recall_with_intervals(scores, anomalous, n_resamples=5)
    precision, recall, _ = sklearn_precision_recall(anomalous, scores)
    for r, p in zip(found.x[1:], found.y[1:], strict=True):
        assert p == pytest.approx(precision[np.isclose(recall, r)].max())
    assert found.area == pytest.approx(average_precision_score(anomalous, scores), abs=1e-12)


def test_the_interval_of_auroc_is_that_of_delong():
    scores, anomalous = draw_test_set(decimals=6)
    curve = roc_with_intervals(scores, anomalous, n_resamples=2000)
    higher = scores[anomalous][:, None] > scores[~anomalous]
    error = np.sqrt(higher.mean(axis=1).var(ddof=1) / 60 + higher.mean(axis=0).var(ddof=1) / 300)
    assert (curve.area_high - curve.area_low) / (2 * 1.96 * error) == pytest.approx(1, abs=0.06)
    assert curve.area_low < curve.area < curve.area_high


@BOTH
def test_intervals_hold_the_curve_of_more_rows_as_often_as_they_say(compute):
    true = compute(*draw_test_set(99, 60_000, 12_000, 6), n_resamples=1).area
    held = [(c := compute(*draw_test_set(s, decimals=6), n_resamples=200, level=0.9)).area_low <= true <= c.area_high
            for s in range(120)]  # fmt: skip
    assert 0.82 < np.mean(held) < 0.97


@BOTH
def test_bands_surround_the_curve_and_do_not_depend_on_the_order_of_rows(compute):
    scores, anomalous = draw_test_set()
    curve = compute(scores, anomalous, n_resamples=100)
    assert (curve.low <= curve.high).all() and curve.grid[0] == 0 and curve.grid[-1] == 1
    again = compute(scores, anomalous, n_resamples=100)
    assert np.array_equal(curve.low, again.low) and np.array_equal(curve.high, again.high)
    other = compute(scores, anomalous, n_resamples=100, random_state=1)
    assert not np.array_equal(curve.low, other.low)
    assert other.area == curve.area


def test_every_resample_has_the_base_rate():
    anomalous = np.array([False] * 9 + [True])
    curve = precision_recall_with_intervals(np.zeros(10), anomalous, n_resamples=50)
    assert curve.area == curve.area_low == curve.area_high == pytest.approx(0.1)
    assert (curve.low == 0.1).all() and (curve.high == 0.1).all()


@BOTH
def test_wrong_parameters_are_one_sentence(compute):
    scores, anomalous = draw_test_set()
    with pytest.raises(InvalidInputError, match=r"^level must be in \(0, 1\), got 2"):
        compute(scores, anomalous, level=2)
    with pytest.raises(InvalidInputError, match=r"^n_resamples must be a whole number of at least 1, got 0\.$"):
        compute(scores, anomalous, n_resamples=0)
    with pytest.raises(InvalidInputError, match=r"^The test rows must contain both normals and anomalies"):
        compute(scores, np.zeros(len(scores), dtype=bool))


def test_thinning_keeps_the_ends_and_few_points():
    x = np.linspace(0, 1, 10_000)
    kept_x, kept_y = thin_points(x, x**2, 50)
    assert len(kept_x) <= 50 and kept_x[0] == 0 and kept_x[-1] == 1 and np.array_equal(kept_y, kept_x**2)
