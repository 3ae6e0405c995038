"""Metrics against published arithmetic and counts by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from egbad.errors import InvalidInputError
from egbad.scoring import metrics


def test_flagging_the_top_fifth_of_kdd99_fixes_the_ratio_of_recall_to_precision():
    # With 19.69 percent anomalies and 20 percent flagged, recall / precision is 0.2 / 0.1969.
    anomalous = np.arange(100_000) < 19_691
    scores = np.random.default_rng(0).permutation(100_000) + 50_000 * anomalous
    top = metrics.top_share(scores, anomalous)
    assert top.recall / top.precision == pytest.approx(1.0157, abs=1e-4)
    assert top.ties == 0
    assert top.flagged == 20_000


def test_top_share_agrees_with_counts_by_hand():
    top = metrics.top_share([1, 2, 3, 4, 5, 5, 7, 8, 9, 10], [0, 0, 0, 0, 0, 1, 0, 1, 1, 1], share=0.3)
    assert (top.flagged, top.precision, top.recall) == (3, 1.0, 0.75)
    assert top.f1 == pytest.approx(6 / 7)


def test_ties_at_the_threshold_are_counted():
    top = metrics.top_share(np.ones(10), np.arange(10) < 2)
    assert (top.flagged, top.ties) == (10, 9)


@pytest.mark.parametrize(("rate", "minimum"), [(0.388, 0.225), (0.098, 0.051), (0.331, 0.188)])
def test_minimum_average_precision_is_the_published_bound(rate, minimum):
    assert metrics.average_precision_bounds(rate)[0] == pytest.approx(minimum, abs=6e-4)


@given(st.lists(st.booleans(), min_size=2, max_size=40).filter(lambda y: any(y) and not all(y)), st.randoms())
def test_no_ranking_has_less_than_the_minimum_average_precision(labels, random):
    scores = list(range(len(labels)))
    random.shuffle(scores)
    minimum, _ = metrics.average_precision_bounds(metrics.base_rate(labels))
    assert minimum - 1e-9 <= metrics.average_precision(scores, labels) <= 1


def test_flags_are_counted_above_the_threshold():
    counts = metrics.count_flags([0.1, 0.5, 0.6, 0.9], [False, False, False, True], 0.5)
    assert (counts.flagged, counts.false_alarms, counts.detected, counts.recall) == (2, 1, 1, 1.0)
    assert metrics.count_flags([0.1, 0.2], [False, True], 0.5).precision is None


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        ([1.0, np.nan], [True, False], "scores must be finite, got nan in row 1"),
        ([1.0], [True, False], "equally long"),
        ([1.0, 2.0], [True, True], "both normals and anomalies"),
        ([1.0, 2.0], ["a", "b"], "True"),
    ],
)
def test_invalid_scores_and_labels_are_explained(scores, labels, message):
    with pytest.raises(InvalidInputError, match=message):
        metrics.auroc(scores, labels)


def test_trapezoidal_area_interpolates_between_thresholds():
    scores, anomalous = [0.9, 0.8, 0.7, 0.6], [True, False, False, True]  # precision 1, 1/2, 1/3, 1/2
    assert metrics.average_precision(scores, anomalous) == pytest.approx(0.75)
    assert metrics.trapezoidal_pr_auc(scores, anomalous) == pytest.approx(0.5 + 0.5 * (1 / 3 + 1 / 2) / 2)
