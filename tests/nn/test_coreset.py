"""Tests of `egbad.nn.coreset`."""

import numpy as np
import pytest
import torch

from egbad.nn.coreset import NearestMemory, _Search, greedy_k_center


def test_the_farthest_vector_comes_next():
    x = np.array([[0, 0], [1, 0], [10, 0], [0, 6], [9, 1]], np.float32)
    rng = np.random.default_rng(0)
    chosen = greedy_k_center(x, 4, rng).tolist()
    first = chosen[0]
    expected = {0: [0, 2, 3, 4], 1: [1, 2, 3, 4], 2: [2, 3, 1, 4], 3: [3, 2, 1, 4], 4: [4, 3, 1, 2]}[first]
    assert chosen == expected


def test_equal_vectors_are_chosen_once():
    x = np.array([[1, 2], [1, 2], [3, 4], [3, 4]], np.float32)
    chosen = greedy_k_center(x, 4, np.random.default_rng(0))
    assert sorted(map(tuple, x[chosen])) == [(1, 2), (3, 4)]


@pytest.mark.parametrize("n_projected", [None, 8])
def test_a_cover_is_better_than_random_vectors(n_projected):
    x = np.random.default_rng(0).normal(size=(3000, 32)).astype(np.float32)
    x[:5] *= 20
    cover = greedy_k_center(x, 60, np.random.default_rng(1), n_projected)
    assert {0, 1, 2, 3, 4} <= set(cover.tolist()) and len(set(cover.tolist())) == 60
    radius = [NearestMemory(x[rows]).nearest(torch.from_numpy(x))[0].max() for rows in (cover, np.arange(100, 160))]
    assert radius[0] < 0.5 * radius[1]


def test_distances_are_those_to_the_nearest_member():
    rng = np.random.default_rng(0)
    memory, x = (rng.normal(size=(n, 7)).astype(np.float32) for n in (50, 1500))
    distances, positions = NearestMemory(memory).nearest(torch.from_numpy(x))
    exact = np.linalg.norm(x[:, None].astype(float) - memory, axis=2)
    assert distances.numpy() == pytest.approx(exact.min(1), rel=1e-5)
    assert (positions.numpy() == exact.argmin(1)).mean() > 0.999
    own, _ = NearestMemory(memory).nearest(torch.from_numpy(memory))
    assert own.tolist() == [0] * 50


@pytest.mark.parametrize("n_members", [1, 999, 1000, 1001, 4500])
@pytest.mark.parametrize(("n", "k"), [(1, 1), (300, 3), (300, 200), (300, 300)])
def test_the_farthest_vectors_have_the_bits_of_a_search_for_all(n_members, n, k):
    rng = np.random.default_rng(n_members + n + k)
    rows = (rng.normal(size=(6000, 6)) * rng.uniform(0.1, 3, (6000, 1))).astype(np.float32)
    memory = NearestMemory(rows[greedy_k_center(rows, n_members, rng)])
    x = torch.from_numpy(np.concatenate([rows[: n // 2], rng.normal(size=(n - n // 2, 6)).astype(np.float32)]))
    distances, positions = memory.nearest(x)
    found, places, members = memory.farthest(x, k)
    assert torch.equal(found, distances.sort(descending=True).values[:k])
    assert torch.equal(distances[places], found) and torch.equal(positions[places], members)
    assert len(set(places.tolist())) == k


def test_few_vectors_are_compared_with_all_members(monkeypatch):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(20_000, 8)).astype(np.float32)
    memory = NearestMemory(rows[greedy_k_center(rows, 8000, rng)])
    compared, compare = [], _Search.compare

    def count(search, positions, block):
        compared.append(len(positions) * memory._blocks[block][2].shape[1])
        compare(search, positions, block)

    monkeypatch.setattr(_Search, "compare", count)
    memory.farthest(torch.from_numpy(rng.normal(size=(1600, 8)).astype(np.float32)), 16)
    assert sum(compared) < 0.5 * 1600 * 8000


def test_neighbours_of_a_member_include_itself():
    memory = np.array([[0], [1], [5], [2]], np.float32)
    assert NearestMemory(memory).neighbours(1, 3).ravel().tolist() == [1, 0, 2]
    assert len(NearestMemory(memory).neighbours(0, 9)) == 4
