"""Exemplars: sampling within a memory limit, similarity, and attribution by difference."""

import numpy as np

from egbad.explain.exemplars import MAX_BYTES, nearest_image_attribution, nearest_images, sample_exemplars


def images(n, seed, side=12):
    return np.random.default_rng(seed).uniform(size=(n, side, side)).astype(np.float32)


def test_exemplars_are_a_sample_in_the_order_of_the_data():
    x = images(40, 0)
    sampled = sample_exemplars(x, 5, seed=1)
    positions = [int(np.flatnonzero((x == image).all(axis=(1, 2)))[0]) for image in sampled]
    assert len(positions) == 5 and positions == sorted(positions)
    assert np.array_equal(sample_exemplars(x, 5, seed=1), sampled)


def test_exemplars_stay_below_the_memory_limit_and_there_is_at_least_one():
    large = np.zeros((20, 3, 512, 512), dtype=np.uint8)
    assert sample_exemplars(large, 20, 0).nbytes <= MAX_BYTES
    assert len(sample_exemplars(np.zeros((2, 3, 2048, 2048), dtype=np.uint8), 2, 0)) == 1


def test_doubles_are_kept_in_single_precision():
    assert sample_exemplars(images(3, 0).astype(np.float64), 3, 0).dtype == np.float32


def test_similarity_ignores_brightness_and_contrast():
    x = images(30, 0)
    assert np.array_equal(nearest_images(x[:5] * 0.5 + 0.1, x, 2)[:, 0], x[:5])


def test_attribution_lies_where_an_image_differs_from_normal_ones():
    normal = np.repeat(images(1, 0), 20, axis=0)[:, None] + 0.01 * images(20, 1)[:, None]
    x = normal[:1].copy()
    x[0, 0, 8:11, 1:4] += 3
    found = nearest_image_attribution(x, normal, np.array([7.0]))
    assert found.shares.shape == x.shape and np.isclose(found.shares.sum(), 7.0) and found.base.tolist() == [0.0]
    inside = np.zeros((12, 12), dtype=bool)
    inside[8:11, 1:4] = True
    assert found.shares[0, 0, inside].mean() > 5 * found.shares[0, 0, ~inside].mean()
