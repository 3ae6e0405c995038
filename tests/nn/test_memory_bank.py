"""Tests of `egbad.nn.memory_bank`."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors
from torch.nn import functional as F

from egbad.nn.generators import MemberGenerators
from egbad.nn.memory_bank import MemoryBank, cluster_centres, nearest_distance, subsample


def test_the_nearest_distance_is_scikit_learns():
    generator = torch.Generator().manual_seed(0)
    f, memory = (F.normalize(torch.randn(1, n, 5, generator=generator), dim=2) for n in (7, 40))
    index = NearestNeighbors(n_neighbors=1).fit(memory[0])
    assert nearest_distance(f, memory)[0].numpy() == pytest.approx(index.kneighbors(f[0])[0][:, 0], abs=1e-5)


def test_cluster_centres_are_the_means_of_clusters():
    angle = torch.cat([a + 0.01 * torch.arange(20) for a in (0.0, 2.0, 4.0)])
    centers = cluster_centres(torch.stack([torch.cos(angle), torch.sin(angle)], dim=1), 3, seed=0)
    assert centers.norm(dim=1).numpy() == pytest.approx(1, abs=1e-6)
    angles = torch.atan2(centers[:, 1], centers[:, 0]) % (2 * torch.pi)
    assert angles.sort().values.numpy() == pytest.approx([0.095, 2.095, 4.095], abs=1e-3)


def test_a_memory_larger_than_the_features_holds_all_of_them():
    f = F.normalize(torch.randn(3, 4, generator=torch.Generator().manual_seed(0)), dim=1)
    centers = cluster_centres(f[[0, 1, 0, 2, 1]], 5, seed=0)
    assert torch.allclose(centers, f[[0, 1, 2, 2, 2]])


def test_each_member_has_a_memory_of_its_own_and_the_length_of_features_does_not_matter():
    f = torch.randn(2, 30, 4, generator=torch.Generator().manual_seed(0))
    memory = MemoryBank(MemberGenerators([3, 4]), 16, 4)
    memory.learn(f)
    alone = MemoryBank(MemberGenerators([4]), 16, 4)
    alone.learn(f[1:])
    assert torch.equal(memory.remembered[1:], alone.remembered)
    assert torch.allclose(memory(7 * f), memory(f), atol=1e-3)


def test_no_more_than_the_given_number_of_images_is_sampled_in_their_order():
    x = np.zeros((301, 1, 2, 2), dtype=np.float32)
    x[:, 0, 0, 0] = np.arange(301)
    assert subsample(x[:-1], 0, 300).shape == (300, 1, 2, 2)
    assert np.array_equal(subsample(x[:-1], 0, 300), x[:-1])
    drawn = subsample(x, 0, 300)[:, 0, 0, 0]
    assert len(np.unique(drawn)) == 300 and (np.diff(drawn) > 0).all()
