import numpy as np
import pytest
from scipy.stats import norm

from egbad.preprocessing.rank_normal import MAX_KNOTS, from_scores, rank_knots, to_scores


def test_scores_are_normal_quantiles_of_mid_ranks():
    values, scores = rank_knots(np.array([[2.0, 1.0], [2.0, 5.0], [9.0, 1.0], [4.0, 1.0]]))
    assert values.T.tolist() == [[2, 4, 9], [1, 5, 5]]
    assert scores[:, 0] == pytest.approx(norm.ppf([1 / 4, 2.5 / 4, 3.5 / 4]))
    assert scores[:2, 1] == pytest.approx(norm.ppf([1.5 / 4, 3.5 / 4]))


def test_values_between_knots_are_interpolated_and_values_beyond_go_on_in_deviations():
    values, scores, deviation = np.array([[0.0], [10.0]]), np.array([[-1.0], [1.0]]), np.array([5.0])
    x = np.array([[0.0], [2.5], [10.0], [20.0], [-5.0], [np.nan]])
    z = to_scores(x, values, scores, deviation)
    assert z.ravel() == pytest.approx([-1, -0.5, 1, 3, -2, np.nan], nan_ok=True)
    assert from_scores(z, values, scores, deviation) == pytest.approx(x, nan_ok=True)


def test_columns_keep_a_bounded_number_of_values_with_both_ends():
    x = np.random.default_rng(0).normal(size=(5 * MAX_KNOTS, 1))
    values, scores = rank_knots(x)
    assert values.shape == scores.shape == (MAX_KNOTS, 1)
    assert (values[0, 0], values[-1, 0]) == (x.min(), x.max())
    assert to_scores(x, values, scores, np.ones(1)).std() == pytest.approx(1, abs=0.01)
