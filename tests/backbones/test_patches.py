"""Tests of `egbad.backbones.patches`."""

import numpy as np
import pytest
import torch

from egbad.backbones.patches import enlarged_map, join_maps, scale_lengths, whitening


def test_places_are_averaged_over_neighbours_inside_the_map():
    places = join_maps([torch.tensor([[[[1.0, 2.0, 6.0]]]])], pooling=3)[0]
    assert places.tolist() == [[1.5], [3.0], [4.0]]


def test_maps_are_brought_to_the_finest_grid():
    fine, coarse = torch.arange(16.0).view(1, 1, 4, 4), torch.tensor([[[[1.0, 1.0], [5.0, 5.0]]]])
    places = join_maps([coarse, fine], pooling=1)[0]
    assert places.shape == (16, 2)
    assert places[:, 1].tolist() == list(range(16))
    assert places[:, 0].view(4, 4)[:, 0].tolist() == [1, 2, 4, 5]


def test_whitened_features_have_the_same_variance_in_all_directions():
    x = np.random.default_rng(0).normal(size=(5000, 3)) @ np.array([[9, 1, 0], [0, 2, 0], [3, 0, 0.1]]) + 5
    mean, matrix = whitening(x.astype(np.float32), 1e-6)
    z = (x - mean) @ matrix
    assert np.cov(z.T) == pytest.approx(np.eye(3), abs=1e-3)
    variances = np.cov(((x - mean) @ whitening(x.astype(np.float32), 1.0)[1]).T).diagonal()
    values = np.linalg.eigvalsh(np.corrcoef(x.T))[::-1]
    assert variances == pytest.approx(values / (values + 1), rel=1e-3)


def test_features_that_never_vary_become_zero():
    x = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    x[:, 1] = 7
    mean, matrix = whitening(x, 0.1)
    assert np.isfinite(matrix).all()
    mean, matrix = whitening(np.full((5, 2), 3, np.float32), 0.1)
    assert np.isfinite(matrix).all() and mean.tolist() == [3, 3]


def test_a_soft_length_compresses_large_deviations():
    x = torch.tensor([[0.0, 0.0], [1.0, 1.0], [3.0, 4.0], [3e4, 4e4]])
    lengths = scale_lengths(x, "soft").norm(dim=1).tolist()
    assert lengths == pytest.approx([0, (2 / 4) ** 0.5, 5 / 27**0.5, 1])
    assert scale_lengths(x, "none") is x
    assert scale_lengths(x, "unit").norm(dim=1).tolist() == pytest.approx([0, 1, 1, 1])


def test_maps_are_interpolated_and_smoothed():
    grid = np.zeros((4, 4))
    grid[1, 2] = 1
    sharp, smooth = (enlarged_map(grid, (32, 32), (64, 48), s) for s in (0, 0.1))
    assert sharp.shape == (64, 48) and np.unravel_index(sharp.argmax(), sharp.shape)[0] in range(16, 32)
    assert smooth.max() < sharp.max() and smooth.mean() == pytest.approx(sharp.mean(), rel=0.05)
