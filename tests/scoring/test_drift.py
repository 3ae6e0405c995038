"""Kinds of drift, their error rates, and rows in batches."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from egbad.detectors.knn import KNN
from egbad.errors import ColumnsWarning, InvalidInputError, LearnedRowsWarning
from egbad.scoring import calibration
from egbad.scoring.drift import DriftMonitor, check_drift


@pytest.fixture(scope="module")
def detector():
    """Return a detector with 500 calibration rows."""
    x = np.random.default_rng(0).normal(size=(1000, 3))
    return KNN(alpha=0.05, calibration_fraction=0.5, random_state=0).fit(x)


def normal_rows(n, seed=1):
    return np.random.default_rng(seed).normal(size=(n, 3))


def test_rows_like_the_calibration_rows_are_no_drift(detector):
    report = check_drift(detector, normal_rows(600))
    assert (report.kind, report.drift, report.rows, report.calibration_rows) == ("none", False, 600, 500)
    assert report.summary == "No drift: the rows look like the calibration rows."
    assert report.martingale.alarm_row is None and report.martingale.threshold == 200
    assert [column.drift for column in report.columns] == [False] * 3


def test_a_shift_of_all_rows_names_the_column(detector):
    report = check_drift(detector, normal_rows(400) + np.array([0, 1, 0]))
    assert report.kind == "shift"
    assert report.summary.startswith("The data has changed, most clearly in 1, and not only by more anomalies: ")
    assert [column.column for column in report.columns if column.drift] == ["1"]
    assert report.columns[0].column == "1" and report.columns[0].test == "kolmogorov-smirnov"


def test_a_flood_of_anomalies_leaves_the_other_rows_as_they_were(detector):
    x = normal_rows(400)
    x[::4] += 9
    report = check_drift(detector, x)
    assert report.kind == "anomalies"
    assert "where 4.99% of normal rows are, and the other rows look like the calibration rows." in report.summary
    assert report.usual_scores.p_value > 0.01 and report.flagged.low > 0.2
    assert report.martingale.alarm_row < 200
    assert all(column.drift for column in report.columns), "the columns of all rows have changed, too"


def test_sorted_rows_are_told_apart_from_changed_ones(detector):
    x = normal_rows(600)
    report = check_drift(detector, x[np.argsort(detector.anomaly_score(x))])
    assert report.kind == "order" and report.martingale.alarm_row < 100
    assert report.summary.startswith(
        f"The order of the rows is unusual from about row {report.martingale.alarm_row} on"
    )


def test_scores_that_are_too_low_are_a_shift(detector):
    report = check_drift(detector, normal_rows(400) * 0.5)
    assert report.kind == "shift" and report.flagged.share < 0.01 and report.flagged.p_value > 0.5


def test_false_alarms_are_as_rare_as_the_level_says():
    rng = np.random.default_rng(2)
    alarms = 0
    for seed in range(100):
        x = rng.normal(size=(100, 2))
        detector = KNN(alpha=0.05, calibration_fraction=0.5, random_state=seed).fit(x)
        alarms += check_drift(detector, rng.normal(size=(100, 2)), level=0.1, random_state=seed).drift
    assert alarms <= stats.binom.ppf(0.999, 100, 0.1)


def test_the_share_flagged_allows_for_few_calibration_rows():
    rng, p = np.random.default_rng(3), []
    detector = KNN(alpha=0.1, random_state=0).fit(rng.normal(size=(100, 2)))
    for _ in range(300):
        detector.calibration_scores_ = np.sort(rng.normal(size=19))
        monitor = DriftMonitor(detector)
        monitor.add(rng.normal(size=400), None)
        p.append(monitor.report().flagged.p_value)
    assert np.mean(np.array(p) <= 0.1) == pytest.approx(0.1, abs=0.06)


def test_the_interval_is_that_of_clopper_and_pearson(detector):
    monitor = DriftMonitor(detector, threshold=2.0)
    monitor.add(np.r_[np.full(3, 3.0), np.zeros(27)])
    flagged = monitor.report().flagged
    assert (flagged.flagged, flagged.share) == (3, 0.1)
    assert (flagged.low, flagged.high) == pytest.approx((0.0211, 0.2653), abs=1e-4)


def test_batches_give_the_same_report_as_all_rows(detector):
    x = normal_rows(500) + np.array([0, 0.3, 0])
    scores, monitor = detector.anomaly_score(x), DriftMonitor(detector)
    for start in (0, 1, 2, 257):
        stop = {0: 1, 1: 2, 2: 257, 257: 500}[start]
        monitor.add(scores[start:stop], x[start:stop])
    assert monitor.report() == check_drift(detector, x)


def test_the_report_is_strict_json(detector):
    found = json.loads(json.dumps(check_drift(detector, normal_rows(50)).to_json(), allow_nan=False))
    assert found["drift"] is False and found["kind"] == "none" and len(found["columns"]) == 3


def test_columns_of_frames_are_tested_by_name_and_type():
    rng = np.random.default_rng(4)

    def frame(n, share):
        kind = np.where(rng.random(n) < share, "a", "b")
        return pd.DataFrame({"size": rng.normal(size=n), "kind": kind})

    detector = KNN(alpha=0.1, calibration_fraction=0.5, random_state=0).fit(frame(600, 0.5))
    report = check_drift(detector, frame(400, 0.9))
    assert [(column.column, column.test) for column in report.columns if column.drift] == [("kind", "chi-square")]
    with pytest.warns(ColumnsWarning, match="matched by name"):
        assert check_drift(detector, frame(400, 0.5)[["kind", "size"]]).kind == "none"


def test_images_have_no_columns():
    x = np.random.default_rng(5).normal(size=(300, 8, 8))
    detector = KNN(alpha=0.1, calibration_fraction=0.5, random_state=0).fit(x[:200])
    report = check_drift(detector, x[200:])
    assert (report.kind, report.columns, report.untested) == ("none", (), "Images have no columns.")


def test_anomalies_are_a_minority(detector):
    x = normal_rows(400)
    x[::2] += 9
    x[::7] += 9
    report = check_drift(detector, x)
    assert report.kind == "shift" and 2 * report.usual_scores.rows < report.rows


def test_a_model_without_kept_rows_says_so(detector):
    x = np.random.default_rng(6).normal(size=(200, 3))
    small = KNN(alpha=0.1, random_state=0).fit(x)
    report = check_drift(small, normal_rows(50))
    assert (
        report.columns == ()
        and "keeps some of 30 calibration rows or more, and of at most 8,738 columns" in report.untested
    )


def test_a_threshold_replaces_that_of_the_detector(detector):
    strict = calibration.threshold(detector.calibration_scores_, 0.2)
    report = check_drift(detector, normal_rows(500), threshold=strict)
    assert report.flagged.expected == pytest.approx(0.2, abs=0.002) and 0.15 < report.flagged.share < 0.25


def test_no_rows_are_refused(detector):
    with pytest.raises(InvalidInputError, match="needs rows to compare, got none"):
        DriftMonitor(detector).report()
    with pytest.raises(InvalidInputError, match=r"level must be in \(0, 1\), got 3"):
        check_drift(detector, normal_rows(5), level=3)


def test_training_rows_are_noticed(detector):
    x = np.random.default_rng(0).normal(size=(1000, 3))
    with pytest.warns(LearnedRowsWarning, match="trained on some of these rows"):
        check_drift(detector, x)


def test_the_summary_names_five_columns_at_most():
    x = np.random.default_rng(8).normal(size=(900, 8))
    detector = KNN(alpha=0.1, calibration_fraction=0.5, random_state=0).fit(x[:600])
    found = check_drift(detector, x[600:] + 20)
    names = ", ".join(column.column for column in found.columns[:5])
    assert found.summary.startswith(f"The data has changed, most clearly in {names} and 3 more, and not only by")
