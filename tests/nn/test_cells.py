"""Tests of `egbad.nn.cells`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egbad.nn.cells import CellIndex


def exact(x, rows, k):
    """Return distances and positions of the k nearest rows, the first of equal ones."""
    squares = ((x[:, None] - rows) ** 2).sum(2)
    order = np.argsort(squares, axis=1, kind="stable")[:, :k]
    return np.sqrt(np.take_along_axis(squares, order, axis=1)), order


def clusters(n, d, seed=0, spread=0.1):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(12, d))[rng.integers(12, size=n)] * 5 + spread * rng.normal(size=(n, d))


@pytest.mark.parametrize("k", [1, 5, 40])
@pytest.mark.parametrize("d", [1, 4, 20])
def test_neighbours_are_those_of_an_exhaustive_search(d, k):
    for rows in (np.random.default_rng(d).normal(size=(900, d)), clusters(900, d)):
        x = np.concatenate([rows[:20], rows[20:40] + 0.3, np.random.default_rng(1).normal(size=(20, d)) * 9])
        distances, positions = CellIndex(rows).query(x, k)
        expected = exact(x, rows, k)
        assert distances == pytest.approx(expected[0], rel=1e-12)
        assert np.array_equal(positions, expected[1])


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 60),
    d=st.integers(1, 6),
    n_cells=st.integers(1, 20),
    exponent=st.integers(-20, 20),
    seed=st.integers(0, 99),
)
def test_any_rows_are_found_exactly(n, d, n_cells, exponent, seed):
    rng = np.random.default_rng(seed)
    rows = rng.integers(-3, 4, size=(n, d)) * 10.0**exponent
    x = np.concatenate([rows[:5], rng.normal(size=(4, d)) * 10.0**exponent])
    k = int(rng.integers(1, n + 1))
    distances, positions = CellIndex(rows, n_cells).query(x, k)
    expected = exact(x, rows, k)
    assert distances == pytest.approx(expected[0], rel=1e-9, abs=0)
    assert np.array_equal(positions, expected[1]), "equal distances: the first rows"


def test_rows_far_nearer_to_each_other_than_to_their_centre_are_told_apart():
    rows = clusters(800, 10, spread=1e-6) + 1e3
    x = rows[::9] + 1e-7 * np.random.default_rng(1).normal(size=rows[::9].shape)
    distances, positions = CellIndex(rows, 5).query(x, 3)
    expected = exact(x, rows, 3)
    assert distances == pytest.approx(expected[0], rel=1e-9)
    assert np.array_equal(positions, expected[1])


def test_a_row_has_the_same_bits_in_any_batch():
    rows, x = clusters(2000, 16), clusters(50, 16, 0, 0.2)
    whole = CellIndex(rows).query(x, 3)[0]
    assert np.array_equal(whole, np.concatenate([CellIndex(rows).query(x[i : i + 1], 3)[0] for i in range(50)]))


@pytest.mark.parametrize("scale", [1e-25, 1e25])
def test_values_that_single_precision_cannot_square_are_compared_exactly(scale):
    rows, x = clusters(300, 6) * scale, clusters(20, 6, 0, 0.3) * scale
    distances, positions = CellIndex(rows).query(x, 2)
    expected = exact(x, rows, 2)
    assert distances == pytest.approx(expected[0], rel=1e-9, abs=0)
    assert np.array_equal(positions, expected[1])


def test_clusters_leave_most_cells_unvisited(monkeypatch):
    searched, search = [], CellIndex._search
    monkeypatch.setattr(
        CellIndex,
        "_search",
        lambda self, x, owners, cell, *rest: searched.extend(owners) or search(self, x, owners, cell, *rest),
    )
    rows = clusters(4000, 12)
    CellIndex(rows, 60).query(clusters(100, 12), 1)
    assert len(searched) / 100 < 15, "cells per query, of 60"


@pytest.mark.parametrize("recall", [0.5, 0.9, 1.0])
def test_as_many_cells_are_visited_as_a_recall_needs(recall):
    rows = np.random.default_rng(0).normal(size=(4000, 12))
    index = CellIndex(rows)
    found = index.choose_probes(recall, 5)
    x = np.random.default_rng(1).normal(size=(200, 12))
    distances, positions = index.query(x, 5)
    truth = exact(x, rows, 5)[1]
    share = np.mean([len({*a} & {*b}) / 5 for a, b in zip(positions.tolist(), truth.tolist(), strict=True)])
    assert recall <= found <= 1 and share == pytest.approx(found, abs=0.05)
    assert (index.n_probes < len(index.centres) / 2) == (recall < 1)
    assert np.allclose(distances, np.linalg.norm(x[:, None] - rows[positions], axis=2))
    assert (np.diff(distances, axis=1) >= 0).all()


def test_a_query_visits_more_cells_until_it_has_found_enough_rows():
    rows = np.arange(40.0)[:, None] ** 2
    index = CellIndex(rows, 20)
    index.n_probes = 1
    distances, positions = index.query(np.array([[900.0], [-5.0]]), 12)
    assert np.isfinite(distances).all() and all(len(set(found)) == 12 for found in positions.tolist())
