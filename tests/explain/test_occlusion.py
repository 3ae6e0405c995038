"""Attribution by occlusion: known answers and its cost in scores."""

import numpy as np

from egbad.explain.occlusion import farthest_groups, occlusion

WEIGHTS = np.array([1.0, 2.0, 3.0])
X = np.array([[1.0, 1.0, 2.0], [0.0, 0.0, 1.0]])


def score(rows):
    return rows @ WEIGHTS


def test_occlusion_of_a_sum_is_exact():
    found = occlusion(score, X, np.zeros(3), score(X), np.arange(3))
    assert found.shares.tolist() == [[1, 2, 6], [0, 0, 3]] and found.base.tolist() == [0, 0]


def test_a_group_shares_evenly_and_groups_that_are_not_occluded_get_nothing():
    groups = np.array([0, 0, 1])
    occluded = farthest_groups(X, np.zeros(3), np.array([1.0, 1.0, 4.0]), groups, 1)
    assert occluded.tolist() == [[0], [1]]
    found = occlusion(score, X, np.zeros(3), score(X), groups, occluded)
    assert found.shares.tolist() == [[4.5, 4.5, 0], [0, 0, 3]]


def test_occlusion_scores_one_variant_per_occluded_group_and_the_mean():
    scored = []

    def counting_score(rows):
        scored.append(len(rows))
        return rows.sum(axis=1)

    x = np.random.default_rng(0).normal(size=(3000, 121))
    groups = np.arange(121)
    occluded = farthest_groups(x, np.zeros(121), np.ones(121), groups, 3)
    occlusion(counting_score, x, np.zeros(121), x.sum(axis=1), groups, occluded)
    assert sum(scored) == 3 * 3000 + 1


def test_all_groups_are_returned_where_fewer_exist():
    assert farthest_groups(X, np.zeros(3), np.ones(3), np.arange(3), 5).tolist() == [[0, 1, 2], [0, 1, 2]]


def test_images_are_occluded_in_patches():
    x = np.zeros((1, 1, 16, 16))
    x[0, 0, :2, :2] = 1.0  # exactly one of 8 x 8 patches
    found = occlusion(lambda images: images.sum(axis=(1, 2, 3)), x, np.zeros((1, 16, 16)), np.array([4.0]))
    assert found.shares.shape == x.shape
    assert np.allclose(found.shares[0, 0, :2, :2], 1.0) and np.allclose(found.shares.sum(), 4.0)
