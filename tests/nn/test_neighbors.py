import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from egbad.nn.neighbors import NearestRows


@pytest.mark.parametrize("d", [1, 2, 3, 4, 30])
def test_neighbours_are_those_of_scikit_learn(d):
    rng = np.random.default_rng(d)
    rows, x = rng.normal(size=(700, d)), rng.normal(size=(50, d))
    index, reference = NearestRows(rows), NearestNeighbors(n_neighbors=1).fit(rows)
    for found, expected in ((index.query(x), reference.kneighbors(x)), (index.query_others(), reference.kneighbors())):
        assert found[0] == pytest.approx(expected[0][:, 0])
        assert np.array_equal(found[1], expected[1][:, 0])


@pytest.mark.parametrize("d", [2, 5])
def test_equal_rows_are_at_distance_0(d):
    rows = np.repeat(1e4 + np.random.default_rng(0).normal(size=(20, d)), 2, axis=0)
    assert not NearestRows(rows).query(rows)[0].any()
    distances, positions = NearestRows(rows).query_others()
    assert not distances.any() and not (positions == np.arange(40)).any()


@pytest.mark.parametrize("d", [2, 5])
def test_a_single_row_has_no_other(d):
    assert [a.tolist() for a in NearestRows(np.ones((1, d))).query_others()] == [[0.0], [0]]
