import numpy as np
import pandas as pd
import pytest

from egbad.detectors import ColumnGap
from egbad.detectors.column_gap import own_gaps

UNSCALED = {"preprocessing__scaling": "none", "random_state": 0, "alpha": 0.5}


def test_own_gaps_are_distances_to_the_nearest_other_value():
    assert own_gaps(np.array([[1.0, 5.0], [4.0, 5.0], [2.0, 7.0]])).tolist() == [[1, 0], [2, 0], [1, 2]]
    assert own_gaps(np.array([[1.0, 5.0]])).tolist() == [[0, 0]]


def test_score_is_the_largest_gap_in_units_of_the_column():
    train = np.column_stack([np.arange(10.0), 100 * np.arange(10.0)])
    detector = ColumnGap().set_params(**UNSCALED).fit(np.repeat(train, 2, axis=0))
    detector._set_learned(detector._fit_rows(train, np.random.RandomState(0)))
    new = np.array([[3.0, 300.0], [3.5, 300.0], [12.0, 330.0], [0.0, 1100.0]])
    # The usual gaps are 1 and 100.
    assert detector.anomaly_score(new) == pytest.approx([0, 0.5 / 1.001, 3 / 1.001, 200 / 100.001])
    assert detector.leave_one_out_scores(train) == pytest.approx(np.full(10, 100 / 100.001))
    explanation = detector.explain(new)
    assert np.allclose(explanation.shares.sum(1), explanation.score)
    assert explanation.shares[2].tolist() == [explanation.score[2], 0]
    assert explanation.expected[2].tolist() == [9, 300]


def test_a_value_in_a_hole_of_a_column_is_an_anomaly():
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(500, 3)) + rng.integers(0, 2, (500, 1)) * 10
    detector = ColumnGap(alpha=0.05, random_state=0).fit(x)
    assert detector.predict(np.array([[0.5, 0.5, 0.5], [5.0, 0.5, 0.5]])).tolist() == [1, -1]


def test_unknown_levels_and_unknown_gaps_are_anomalies():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=300), "b": rng.choice(["x", "y"], 300)})
    detector = ColumnGap(alpha=0.05, random_state=0).fit(frame)
    new = pd.DataFrame({"a": [0.0, 0.0, np.nan], "b": ["x", "z", "y"]})
    assert detector.predict(new).tolist() == [1, -1, -1]
    assert [reasons[0].column for reasons in detector.explain(new).top(1)[1:]] == ["b", "a"]
