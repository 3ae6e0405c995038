"""Normal range of distances: conformal p-values and coverage."""

import numpy as np
import pytest

from egbad.explain.normal_range import COVERAGE, NormalRange, decimal_places, round_to

DISTANCES = np.random.default_rng(0).exponential(size=(500, 2))


def test_p_values_are_conformal():
    normal = NormalRange.fit(DISTANCES)
    p = normal.p_values(np.array([[1e9, 0.0], [DISTANCES[:, 0].max(), -1.0]]))
    assert p[0].tolist() == [1 / 501, 1.0] and p[1, 0] <= 2 / 501
    fresh = np.random.default_rng(1).exponential(size=(20_000, 2))
    for alpha in (0.01, 0.1, 0.5):
        assert (normal.p_values(fresh) <= alpha).mean() == pytest.approx(alpha, rel=0.35)


def test_the_radius_covers_the_promised_share_of_normal_rows():
    fresh = np.random.default_rng(1).exponential(size=(20_000, 2))
    assert (fresh < NormalRange.fit(DISTANCES).radius()).mean() == pytest.approx(COVERAGE, abs=0.03)


def test_few_and_many_rows_have_the_same_p_values():
    normal, fresh = NormalRange.fit(DISTANCES), np.random.default_rng(2).exponential(size=(100, 2))
    one_by_one = np.concatenate([normal.p_values(row[None]) for row in fresh])
    assert np.array_equal(normal.p_values(fresh), one_by_one)


def test_a_restored_range_is_the_same():
    normal = NormalRange.fit(DISTANCES)
    restored = NormalRange.from_state(normal.state(), normal.levels.shape[1])
    assert restored.n_rows == 500 and np.array_equal(restored.radius(), normal.radius())
    assert np.array_equal(restored.ranks, normal.ranks) and restored.decimals is None
    exact = NormalRange.fit(DISTANCES, DISTANCES.round(2))
    assert NormalRange.from_state(exact.state(), 2).decimals.tolist() == [2, 2]


def test_decimal_places_are_those_of_the_values_or_of_the_range():
    rng = np.random.default_rng(0)
    cents, whole = rng.normal(50, 20, 300).round(2), rng.integers(0, 9, 300)
    columns = [cents, whole, rng.normal(size=300) * 10, np.full(300, np.nan), rng.normal(size=300) * 1e-9, cents * 1e9]
    rows = np.stack(columns, axis=1)
    rows[::7, 0] = np.nan
    assert decimal_places(rows).tolist() == [2, 0, 4, 0, 14, 0]


def test_extreme_values_are_rounded_without_a_warning():
    rows = np.array([[1e308, 1e-300], [-1e308, 0.0]])
    assert np.array_equal(round_to(rows, decimal_places(rows)), [[1e308, 1e-300], [-1e308, 0.0]])
    assert round_to(np.array([1.5e308, np.nan, np.inf]), 5).tolist()[::2] == [1.5e308, np.inf]
