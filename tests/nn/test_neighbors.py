import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from egbad.nn.neighbors import NearestRows, other_neighbors


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


@pytest.mark.parametrize("d", [5, 40])
def test_rows_far_nearer_to_each_other_than_to_the_mean_are_told_apart(d):
    rng = np.random.default_rng(d)
    centres = rng.normal(size=(3, d)) * 100
    rows = np.concatenate([centre + 1e-3 * rng.normal(size=(200, d)) for centre in centres])
    x = rows[::7] + 1e-4 * rng.normal(size=(86, d))
    exact = np.linalg.norm(x[:, None] - rows, axis=2)
    distances, positions = NearestRows(rows).query(x)
    assert np.array_equal(positions, exact.argmin(1))
    assert distances == pytest.approx(exact.min(1), rel=1e-12)


def test_a_row_has_the_same_bits_in_any_batch():
    rng = np.random.default_rng(0)
    rows, x = rng.normal(size=(500, 20)), rng.normal(size=(60, 20))
    whole = NearestRows(rows).query(x)[0]
    assert np.array_equal(whole, np.concatenate([NearestRows(rows).query(x[i : i + 1])[0] for i in range(60)]))


def test_values_too_small_for_products_in_single_precision_are_compared_exactly():
    rng = np.random.default_rng(0)
    rows, x = rng.normal(size=(60, 5)) * 1e-25, rng.normal(size=(9, 5)) * 1e-25
    exact = np.linalg.norm(x[:, None] - rows, axis=2)
    assert NearestRows(rows).query(x)[0] == pytest.approx(exact.min(1), rel=1e-12, abs=0)
    assert (NearestRows(rows).query_others()[0] > 0).all()


def test_values_too_large_for_single_precision_are_compared_exactly():
    rows = np.array([[1e30, 0, 0, 0], [0, 1e30, 0, 0], [0, 0, 1e25, 0]])
    distances, positions = NearestRows(rows).query(np.array([[9e29, 0, 0, 0], [0, 0, 1e25, 1e24]]))
    assert positions.tolist() == [0, 2] and distances == pytest.approx([1e29, 1e24])
    assert NearestRows(rows).query_others()[0] == pytest.approx([1e30, 1e30, 1e30])


def test_other_neighbours_of_cells_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(400, 8))
    (d0, p0), (d1, p1) = (other_neighbors(rows, 3, search) for search in ("cells", "brute"))
    assert np.array_equal(p0, p1) and np.array_equal(d0, d1)
    same = np.ones((30, 4))
    assert not other_neighbors(same, 5, "cells")[0].any()
