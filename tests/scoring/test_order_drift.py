"""Tests of `egbad.scoring.order_drift`."""

import warnings

import numpy as np
import pytest
from scipy.stats import binom

from egbad.errors import CalibrationWarning
from egbad.scoring.order_drift import (
    FOLDS,
    MAX_IMAGES,
    MIN_IMAGES,
    OrderDrift,
    measure_order_drift,
    warn_of_order_drift,
)

N = 60


def vectors(seed, n=N, d=12):
    rng = np.random.default_rng(seed)
    return rng.standard_t(5, size=(n, d)) @ rng.normal(size=(d, d))


def test_images_in_any_order_have_the_nominal_rate_and_no_drift():
    found = [measure_order_drift(vectors(seed), 0.01) for seed in range(200)]
    assert not any(drift.is_clear for drift in found)
    assert 0.08 < np.mean([drift.rate for drift in found]) < 0.14, "the higher of two rates of about a tenth"
    assert max(drift.rate for drift in found) < 0.2


@pytest.mark.parametrize("n", [MIN_IMAGES, 40, 200])
def test_more_values_than_images_are_no_drift(n):
    assert not any(measure_order_drift(vectors(seed, n, 100), 0.05).is_clear for seed in range(10))


def test_a_mean_that_moves_with_the_order_is_drift():
    for seed in range(20):
        x = vectors(seed)
        x += np.linspace(0, 30, N)[:, None] * x.std(axis=0)
        assert measure_order_drift(x, 0.01).is_clear
        shuffled = np.random.default_rng(seed).permutation(x)
        assert not measure_order_drift(shuffled, 0.01).is_clear


def test_a_step_in_the_order_is_drift():
    for seed in range(10):
        x = vectors(seed)
        x[48:] += 5 * x.std(axis=0)
        assert measure_order_drift(x, 0.01).rate >= 0.2


def test_blocks_that_are_far_apart_are_all_above_the_threshold():
    x = vectors(0) + 1e4 * np.eye(FOLDS, 12)[np.arange(N) * FOLDS // N]
    found = measure_order_drift(x, 0.2)
    assert (found.level, found.rate) == (0.2, 1.0)
    assert found.p_value == pytest.approx(2 * 0.2**N) and found.is_clear


def test_groups_of_images_that_are_alike_are_drift():
    x = np.repeat(vectors(0, N // 6), 6, axis=0) + 0.1 * vectors(1)
    assert measure_order_drift(x, 0.1).is_clear


def test_the_answer_is_the_same_each_time_and_uses_no_global_random_numbers():
    state = np.random.get_state()[1].copy()
    assert measure_order_drift(vectors(3), 0.1) == measure_order_drift(vectors(3), 0.1)
    assert np.array_equal(np.random.get_state()[1], state)


def test_few_images_are_not_judged_and_many_are_sampled_evenly():
    assert measure_order_drift(vectors(0, MIN_IMAGES - 1), 0.1) is None
    x = vectors(0, 2 * MAX_IMAGES, 3)
    some = x[np.linspace(0, len(x) - 1, MAX_IMAGES).astype(int)]
    assert measure_order_drift(x, 0.1) == measure_order_drift(some, 0.1)


def test_constant_vectors_have_no_drift():
    assert measure_order_drift(np.ones((N, 4)), 0.1).rate == 0


def test_the_p_value_is_binomial_and_clear_rates_are_twice_the_nominal_one():
    x = vectors(5)
    found = measure_order_drift(x, 0.1)
    assert found.p_value == pytest.approx(min(1, 2 * binom.sf(round(found.rate * N) - 1, N, 0.1)))
    assert not OrderDrift(0.1, 0.19, 1e-9).is_clear and OrderDrift(0.1, 0.2, 1e-3).is_clear
    assert not OrderDrift(0.1, 0.5, 2e-3).is_clear


def test_the_warning_tells_the_rate_and_what_to_do():
    with pytest.warns(CalibrationWarning) as raised:
        warn_of_order_drift(OrderDrift(0.1, 0.283, 1e-5), 0.05)
    assert str(raised[0].message) == (
        "Training images depend on their order: 28% of them are above a threshold for 10% when a model of other parts of the "
        "order judges them. Light or place drift, or images come in groups, so new normal images may be flagged more often than "
        "alpha=0.05 says. Call recalibrate with about 20 new normal images."
    )
    with pytest.warns(CalibrationWarning, match=r"about 20 new normal images; alpha=0\.01 needs 99\.$"):
        warn_of_order_drift(OrderDrift(0.1, 0.283, 1e-5), 0.01)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_order_drift(None, 0.05)
        warn_of_order_drift(OrderDrift(0.1, 0.15, 1e-5), 0.05)
