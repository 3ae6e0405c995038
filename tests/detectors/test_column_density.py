import numpy as np
import pandas as pd
import pytest

from egbad.detectors import ColumnDensity
from egbad.detectors.column_density import column_histogram

UNSCALED = {"preprocessing__scaling": "none", "random_state": 0, "alpha": 0.5}


def fitted(train):
    detector = ColumnDensity().set_params(**UNSCALED).fit(np.repeat(train, 2, axis=0))
    detector._set_learned(detector._fit_rows(train, np.random.RandomState(0)))
    return detector


def test_a_column_of_many_values_has_bins_between_quantiles():
    edges, counts, is_discrete = column_histogram(np.arange(101.0), 40)
    assert edges == pytest.approx(np.linspace(0, 100, 11)) and not is_discrete
    assert counts[:-1].sum() == 101 and counts[-1] == 0 and set(counts[:-1]) <= {9, 10, 11}


def test_frequencies_of_few_values():
    detector = fitted(np.array([[1.0]] * 7 + [[2.0]] * 3))
    expected = -np.log(np.array([7.5, 3.5, 0.5]) / (10 + 0.5 * 3))
    assert detector.anomaly_score(np.array([[1.0], [2.0], [1.5]])) == pytest.approx(expected)
    left_out = -np.log(np.array([6.5] * 7 + [2.5] * 3) / (9 + 0.5 * 3))
    assert detector.leave_one_out_scores(np.array([[1.0]] * 7 + [[2.0]] * 3)) == pytest.approx(left_out)


def test_density_of_bins_and_the_tail_beyond_the_range():
    train = np.arange(101.0)[:, None]
    detector, deviation = fitted(train), np.arange(101.0).std()
    inside = -np.log((detector.learned_["counts"][[0, -2], 0] + 0.5) / (101 + 5) / (10 / deviation + 1e-3))
    outside = -np.log(0.5 / 102) + np.array([10, 20]) / deviation
    new = np.array([[5.0], [100.0], [110.0], [-20.0]])
    assert detector.anomaly_score(new) == pytest.approx(np.r_[inside, outside])


def test_score_is_that_of_the_least_likely_column():
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.normal(size=400), rng.integers(0, 3, 400)])
    detector = ColumnDensity(alpha=0.05, random_state=0).fit(x)
    explanation = detector.explain(np.array([[0.0, 7.0], [9.0, 1.0]]))
    assert np.allclose(explanation.shares.sum(1), explanation.score)
    assert (explanation.shares != 0).tolist() == [[False, True], [True, False]]
    assert explanation.expected[:, 1].tolist() == [np.bincount(x[:, 1].astype(int)).argmax()] * 2


def test_rare_and_unknown_levels_are_anomalies():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=1000), "b": ["x"] * 600 + ["y"] * 398 + ["z"] * 2})
    detector = ColumnDensity(alpha=0.02, random_state=0).fit(frame)
    new = pd.DataFrame({"a": [0.0, 0.0, 0.0, np.nan], "b": ["x", "z", "?", "y"]})
    assert detector.predict(new).tolist() == [1, -1, -1, -1]
