"""Normal range of distances: conformal p-values and coverage."""

import numpy as np
import pytest

from egbad.explain.normal_range import COVERAGE, NormalRange

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
    restored = NormalRange.from_state(normal.state())
    assert restored.n_rows == 500 and np.array_equal(restored.radius(), normal.radius())
    assert np.array_equal(restored.ranks, normal.ranks)
