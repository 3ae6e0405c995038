"""Confidence intervals of shares."""

import numpy as np
import pytest
from scipy import stats

from egbad.scoring.intervals import binomial_interval


def test_the_interval_covers_the_true_share():
    rng = np.random.default_rng(0)
    covered = [low <= 0.1 <= high for low, high in (binomial_interval(int(k), 60) for k in rng.binomial(60, 0.1, 2000))]
    assert np.mean(covered) >= 0.95
    assert binomial_interval(5, 5)[1] == 1.0


@pytest.mark.parametrize(("count", "n", "confidence"), [(0, 9, 0.95), (3, 9, 0.8), (9, 9, 0.99), (70, 1000, 0.95)])
def test_the_interval_is_that_of_clopper_and_pearson(count, n, confidence):
    expected = stats.binomtest(count, n).proportion_ci(confidence, method="exact")
    assert binomial_interval(count, n, confidence) == pytest.approx((expected.low, expected.high), abs=1e-9)
