"""Statistics over runs: means, significant winners, ranks and agreement."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from egbad.benchmark.statistics import MetricCell, average_rank, metric_cell, rank_agreement, significant_winner


@pytest.mark.parametrize(
    ("a", "b", "winner"),
    [
        ([0.9, 0.91, 0.92], [0.5, 0.52, 0.51], "a"),
        ([0.9, 0.5, 0.7], [0.6, 0.8, 0.6], None),
        ([0.9], [0.1], None),
        ([0.9, 0.9], [0.8, 0.8], "a"),
        ([0.9, 0.9], [0.9, 0.9], None),
    ],
)
def test_a_winner_needs_a_significant_lead(a, b, winner):
    assert significant_winner({"a": dict(enumerate(a)), "b": dict(enumerate(b))}) == winner


def test_splits_without_a_value_are_left_out():
    assert significant_winner({"a": {0: 0.9, 1: 0.9, 2: None}, "b": {0: 0.8, 1: 0.8, 2: 0.1}}) == "a"
    assert significant_winner({"a": {0: 0.9}, "b": {}}) is None


def test_a_single_value_has_no_spread():
    assert metric_cell([2.0]) == MetricCell(2.0, None, 1)


def test_equal_values_share_a_rank():
    assert [average_rank(v, [0.9, 0.5, 0.9, 0.1]) for v in (0.9, 0.5, 0.1)] == [1.5, 3, 4]


def test_agreement_is_the_spearman_correlation():
    rng = np.random.default_rng(0)
    scores = {"a": rng.normal(size=50), "b": rng.normal(size=50), "constant": np.zeros(50)}
    agreement = rank_agreement(scores)
    assert agreement.correlations[0][1] == pytest.approx(spearmanr(scores["a"], scores["b"]).statistic)
    assert agreement.correlations[0][2] == 0
    assert rank_agreement({"a": scores["a"]}) is None
