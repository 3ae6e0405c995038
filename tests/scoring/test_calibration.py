"""Conformal p-values, thresholds, discoveries and the negative log tail."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from egbad.errors import CalibrationWarning, InvalidInputError
from egbad.scoring.calibration import (
    NegativeLogTail,
    benjamini_hochberg,
    cross_conformal_p_values,
    holm,
    p_values,
    threshold,
    threshold_of_share,
    warn_if_too_few,
)

finite = st.floats(-1e6, 1e6)


@given(st.lists(finite, min_size=1, max_size=60), st.lists(finite, min_size=1, max_size=20))
def test_p_values_count_calibration_scores_at_least_as_large(held_out, scores):
    calibration = np.sort(held_out)
    expected = [(1 + sum(c >= s for c in held_out)) / (1 + len(held_out)) for s in scores]
    assert p_values(calibration, np.array(scores)) == pytest.approx(expected)


@given(st.lists(finite, min_size=20, max_size=80), st.lists(finite, min_size=1, max_size=20), st.floats(0.05, 0.95))
def test_scores_above_the_threshold_have_a_p_value_of_at_most_alpha(held_out, scores, alpha):
    calibration, scores = np.sort(held_out), np.array(scores)
    flagged = scores > threshold(calibration, alpha)
    assert np.array_equal(flagged, p_values(calibration, scores) <= alpha + 1e-9)


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.2])
def test_normal_rows_are_flagged_at_rate_alpha(alpha):
    rng = np.random.default_rng(0)
    shares = [np.mean(rng.normal(size=200) > threshold(np.sort(rng.normal(size=999)), alpha)) for _ in range(300)]
    # The expected share is exactly alpha. Its standard error over 300 repetitions is far below a tenth of alpha.
    assert np.mean(shares) == pytest.approx(alpha, rel=0.1)


def test_too_few_calibration_rows_warn_and_fall_back_to_the_largest_score():
    with pytest.warns(CalibrationWarning, match="alpha=0.01 needs at least 99 calibration rows, got 50"):
        warn_if_too_few(50, 0.01)
    warn_if_too_few(99, 0.01)
    assert threshold(np.arange(50.0), 0.01) == 49
    assert threshold(np.arange(99.0), 0.01) == 98


@pytest.mark.parametrize(
    ("alpha", "shown"),
    [(0, "0"), (1, "1"), (2, "2"), (-0.1, "-0.1"), (float("nan"), "nan"), (None, "None"), ("0.1", "'0.1'")],
)
def test_an_alpha_outside_of_0_to_1_is_refused(alpha, shown):
    with pytest.raises(InvalidInputError, match=rf"alpha must be in \(0, 1\), got {shown}\."):
        threshold(np.arange(99.0), alpha)


@given(st.lists(finite, min_size=2, max_size=60), st.floats(0.01, 0.9))
def test_scores_above_the_threshold_of_a_share_are_those_whose_p_value_is_at_most_the_share(scores, share):
    scores = np.array(scores)
    p = cross_conformal_p_values(scores)
    assert p == pytest.approx([np.mean(scores >= score) for score in scores])
    flagged = scores > threshold_of_share(scores, share)
    assert np.array_equal(flagged, p <= share + 1e-12)
    assert flagged.mean() <= share + 1e-12


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50), st.floats(0.01, 0.5))
def test_discoveries_agree_with_scipy(p, fdr):
    p = np.array(p)
    adjusted = false_discovery_control(p)
    not_borderline = np.abs(adjusted - fdr) > 1e-9
    assert np.array_equal(benjamini_hochberg(p, fdr)[not_borderline], (adjusted <= fdr)[not_borderline])


@example([0.0, 6.775121584633507e-305], [0.0, 6090.0])
@given(st.lists(finite, min_size=1, max_size=60), st.lists(finite, min_size=2, max_size=20))
def test_the_negative_log_tail_does_not_decrease_with_the_score(held_out, scores):
    tails = NegativeLogTail(np.array(held_out))(np.sort(scores))
    assert np.isfinite(tails).all() and (tails >= 0).all() and (np.diff(tails) >= -1e-9).all()


def test_the_negative_log_tail_follows_p_values_and_is_exponential_beyond_them():
    held_out = -np.log1p(-(np.arange(5000) + 0.5) / 5000)  # exponential distribution without ties
    tail = NegativeLogTail(held_out)
    low = held_out[:4499]
    assert tail(low) == pytest.approx(-np.log(p_values(held_out, low) - 1 / 5001), abs=5e-4)
    far = np.array(
        [5.0, 10.0, 40.0]
    )  # the negative log survival function of an exponential distribution is the identity
    assert tail(far) == pytest.approx(far, rel=0.1)


def test_the_negative_log_tail_is_finite_for_identical_calibration_scores():
    assert NegativeLogTail(np.zeros(9))(np.array([-1.0, 0.0, 2.0])) == pytest.approx(
        [-np.log(0.9)] * 2 + [-np.log(0.9) + 2]
    )


def test_scores_that_differ_by_rounding_errors_are_tied():
    rng = np.random.default_rng(0)
    exact = np.sort(rng.integers(0, 9, 400) / 8)
    tail = NegativeLogTail(exact + 1e-9 * rng.normal(size=400))
    assert len(tail.values) == 9
    for error in (-1e-9, 0, 1e-9):
        assert tail(exact + error) == pytest.approx(NegativeLogTail(exact)(exact), abs=1e-7)


def test_almost_equal_calibration_scores_do_not_amplify_rounding_errors():
    rng = np.random.default_rng(0)
    held_out, new = rng.normal(size=5000), rng.normal(size=10_000)
    tail = NegativeLogTail(held_out)
    assert np.abs(tail(new + 1e-7) - tail(new)).max() < 10 * 1e-7 / tail.scale


def test_calibration_scores_equal_up_to_rounding_are_scaled_by_their_magnitude():
    tail = NegativeLogTail(0.17 + 1e-9 * np.random.default_rng(0).normal(size=60))
    assert tail(np.array([0.34])) == pytest.approx([-np.log(60 / 61) + 1], rel=1e-6)


def test_holm_multiplies_the_smallest_p_values_most_and_keeps_their_order():
    assert holm(np.array([0.2, 0.01, 0.011, 0.5])) == pytest.approx([0.4, 0.04, 0.04, 0.5])
    # 4 x 0.005, then 3 x 0.01, 2 x 0.03, and 0.04, which may not fall below 0.06.
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.6, 0.7])).tolist() == [1, 1]
    assert holm(np.array([])).tolist() == []
