"""Tests of `egbad.plot.drift`."""

import numpy as np
import pytest

from egbad.detectors import KNN
from egbad.errors import InvalidInputError
from egbad.plot import drift_over_time
from egbad.scoring.drift import DriftMonitor

rng = np.random.default_rng(3)
NORMAL, CHANGED = rng.normal(size=(300, 3)), rng.normal(scale=2, size=(200, 3))
STREAM = np.vstack([NORMAL, CHANGED])


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_the_capital_is_that_of_the_drift_monitor(ax, knn):
    drift_over_time(knn, STREAM, level=0.02, random_state=5, interval=70, ax=ax)
    monitor = DriftMonitor(knn, 0.02, seed=5)
    monitor.add(knn.anomaly_score(STREAM))
    rows, values = ax.get_lines()[0].get_data()
    assert [*rows] == [0, 70, 140, 210, 280, 350, 420, 490, 500] and values[0] == 0
    assert values[-1] == pytest.approx(monitor.martingale.log_value / np.log(10))
    assert ax.get_lines()[1].get_ydata()[0] == pytest.approx(2)
    alarm = monitor.report().martingale.alarm_row
    assert 300 < alarm < 500 and ax.get_lines()[2].get_xdata() == [alarm]
    assert legend(ax) == ["capital", "alarm, 100 times", f"alarm at {alarm}"]


def test_without_drift_there_is_no_alarm(ax, knn):
    drift_over_time(knn, NORMAL, label="normal", ax=ax)
    assert legend(ax) == ["normal", "alarm, 200 times"]


def test_two_streams_share_the_limit(ax, knn):
    for part in (NORMAL, CHANGED):
        drift_over_time(knn, part, ax=ax)
    assert legend(ax).count("alarm, 200 times") == 1


def test_scores_are_drawn_like_the_rows_that_they_belong_to(ax, knn):
    drift_over_time(knn, STREAM, ax=ax)
    drift_over_time(knn, knn.anomaly_score(STREAM), ax=ax)
    assert np.array_equal(ax.get_lines()[0].get_ydata(), ax.get_lines()[3].get_ydata())


def test_flagged_rows_are_counted_in_windows(ax, knn):
    scores = np.array([0.0] * 10 + [9.0] * 10 + [0.0, 9.0, 9.0, 0.0])
    drift_over_time(knn, scores, statistic="flagged", threshold=5.0, interval=10, ax=ax)
    edges, shares = ax.get_lines()[0].get_data()
    assert [*edges] == [0, 10, 20, 24] and [*shares] == [0, 0, 1, 0.5]
    vertices = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert np.isclose(vertices, 0.3084971).any()  # 1 - 0.025 ** (1 / 10), by Clopper and Pearson, for none of 10
    assert np.isclose(vertices, 0.0675859).any()  # the lower end for two of four
    m = len(knn.calibration_scores_)
    assert ax.get_lines()[1].get_ydata()[0] == pytest.approx((1 + (knn.calibration_scores_ > 5).sum()) / (m + 1))


def test_the_share_of_normal_rows_is_near_the_expected_one(ax, knn):
    drift_over_time(knn, NORMAL, statistic="flagged", ax=ax)
    expected = ax.get_lines()[1].get_ydata()[0]
    assert expected == pytest.approx(knn.alpha, abs=0.01)
    assert np.mean(ax.get_lines()[0].get_ydata()) == pytest.approx(expected, abs=0.04)


def test_what_cannot_be_drawn_is_one_sentence(ax, knn):
    with pytest.raises(InvalidInputError, match=r"^drift_over_time needs a fitted detector with calibration_scores_"):
        drift_over_time(KNN(), NORMAL, ax=ax)
    with pytest.raises(InvalidInputError, match=r"^statistic must be 'capital' or 'flagged', got 'mean'\.$"):
        drift_over_time(knn, NORMAL, statistic="mean", ax=ax)
    with pytest.raises(InvalidInputError, match=r"^interval must be a whole number of at least 1, got 0\.$"):
        drift_over_time(knn, NORMAL, interval=0, ax=ax)
    with pytest.raises(InvalidInputError, match=r"^X must have shape \(n_samples,\) with at least one value, got"):
        drift_over_time(knn, np.empty(0), ax=ax)
    with pytest.raises(InvalidInputError, match=r"^level must be in \(0, 1\), got 0"):
        drift_over_time(knn, NORMAL, level=0.0, ax=ax)
