"""Metrics against scikit-learn, the papers' arithmetic and hand counts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from egbad.errors import InvalidInputError
from egbad.scoring import metrics


def test_the_kdd_rule_gives_the_ratio_that_its_base_rate_forces():
    # Flagging 20 percent of rows of which 19.69 percent are anomalies: recall / precision = 0.2 / 0.1969.
    anomalous = np.arange(100_000) < 19_691
    scores = np.random.default_rng(0).permutation(100_000) + 50_000 * anomalous
    top = metrics.top_share(scores, anomalous)
    assert top.recall / top.precision == pytest.approx(1.0157, abs=1e-4)
    assert top.ties == 0
    assert top.flagged == 20_000


def test_the_top_share_by_hand():
    top = metrics.top_share([1, 2, 3, 4, 5, 5, 7, 8, 9, 10], [0, 0, 0, 0, 0, 1, 0, 1, 1, 1], share=0.3)
    assert (top.flagged, top.precision, top.recall) == (3, 1.0, 0.75)
    assert top.f1 == pytest.approx(6 / 7)


def test_ties_at_the_threshold_are_counted():
    top = metrics.top_share(np.ones(10), np.arange(10) < 2)
    assert (top.flagged, top.ties) == (10, 9)


@pytest.mark.parametrize(("rate", "least"), [(0.388, 0.225), (0.098, 0.051), (0.331, 0.188)])
def test_the_least_average_precision_is_the_published_bound(rate, least):
    assert metrics.average_precision_bounds(rate)[0] == pytest.approx(least, abs=6e-4)


@given(st.lists(st.booleans(), min_size=2, max_size=40).filter(lambda y: any(y) and not all(y)), st.randoms())
def test_no_ranking_is_below_the_least_average_precision(labels, random):
    scores = list(range(len(labels)))
    random.shuffle(scores)
    least, _ = metrics.average_precision_bounds(metrics.base_rate(labels))
    assert least - 1e-9 <= metrics.average_precision(scores, labels) <= 1


def test_flags_are_counted_above_the_threshold():
    flags = metrics.flags([0.1, 0.5, 0.6, 0.9], [False, False, False, True], 0.5)
    assert (flags.flagged, flags.false_alarms, flags.found, flags.recall) == (2, 1, 1, 1.0)
    assert metrics.flags([0.1, 0.2], [False, True], 0.5).precision is None


@pytest.mark.parametrize(
    ("scores", "labels", "words"),
    [
        ([1.0, np.nan], [True, False], "scores must be finite, got nan in row 1"),
        ([1.0], [True, False], "equally long"),
        ([1.0, 2.0], [True, True], "both normals and anomalies"),
        ([1.0, 2.0], ["a", "b"], "True"),
    ],
)
def test_what_does_not_fit_is_one_sentence(scores, labels, words):
    with pytest.raises(InvalidInputError, match=words):
        metrics.auroc(scores, labels)
