"""Statistics over runs: means, significant winners, ranks, paired differences and agreement."""

import numpy as np
import pytest
from scipy.stats import spearmanr, wilcoxon

from egbad.benchmark.statistics import (
    MetricCell,
    average_rank,
    bootstrap_interval,
    metric_cell,
    paired_difference,
    rank_agreement,
    signed_rank_p_value,
    significant_winner,
)


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


def test_the_bootstrap_of_few_values_is_exact():
    # The 27 means of three values are 0, 1 (three times), 2 (three times), ..., 7 (three times) and 9, in this order.
    assert bootstrap_interval([0.0, 3.0, 9.0], level=0.8) == (1, 7)
    assert bootstrap_interval([0.0, 3.0, 9.0]) == (0, 9)
    assert bootstrap_interval([0.25]) == (0.25, 0.25)


def test_the_bootstrap_of_many_values_is_near_the_normal_interval():
    x = np.random.default_rng(1).normal(size=400)
    half = 1.96 * x.std() / 20
    assert bootstrap_interval(x) == pytest.approx((x.mean() - half, x.mean() + half), abs=0.01)
    assert bootstrap_interval(x) == bootstrap_interval(x, seed=0) != bootstrap_interval(x, seed=1)


def test_the_signed_rank_test_leaves_out_ties():
    # All five differences are positive: 2 of the 32 signs are as extreme.
    assert signed_rank_p_value([0.1, 0.2, 0.3, 0.4, 0.5, 0.0, 1e-12]) == pytest.approx(2 / 32)
    assert signed_rank_p_value([0.0, 0.0]) == 1
    d = np.random.default_rng(0).normal(0.1, size=200)
    assert signed_rank_p_value(d) == pytest.approx(wilcoxon(d).pvalue)


def test_a_paired_difference_counts_wins_ties_and_losses():
    found = paired_difference([0.2, 0.1, -0.3, 1e-12, 0.5])
    assert (found.n, found.wins, found.ties, found.losses) == (5, 3, 1, 1)
    assert found.mean == pytest.approx(0.1) and found.median == 0.1
    assert found.low < 0 < found.high
