"""The memory of features: its centres and distances by scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors
from torch.nn import functional as F

from egbad.nn.generators import MemberGenerators
from egbad.nn.memory_bank import MAX_IMAGES, MemoryBank, cluster_centres, nearest_distance, subsample


def test_the_nearest_is_scikit_learns():
    rng = torch.Generator().manual_seed(0)
    f, memory = (F.normalize(torch.randn(1, n, 5, generator=rng), dim=2) for n in (7, 40))
    index = NearestNeighbors(n_neighbors=1).fit(memory[0])
    assert nearest_distance(f, memory)[0].numpy() == pytest.approx(index.kneighbors(f[0])[0][:, 0], abs=1e-5)


def test_centres_are_where_features_crowd():
    angle = torch.cat([a + 0.01 * torch.arange(20) for a in (0.0, 2.0, 4.0)])
    found = cluster_centres(torch.stack([torch.cos(angle), torch.sin(angle)], dim=1), 3, seed=0)
    assert found.norm(dim=1).numpy() == pytest.approx(1, abs=1e-6)
    angles = torch.atan2(found[:, 1], found[:, 0]) % (2 * torch.pi)
    assert angles.sort().values.numpy() == pytest.approx([0.095, 2.095, 4.095], abs=1e-3)


def test_few_features_are_all_remembered():
    f = F.normalize(torch.randn(3, 4, generator=torch.Generator().manual_seed(0)), dim=1)
    found = cluster_centres(f[[0, 1, 0, 2, 1]], 5, seed=0)
    assert torch.allclose(found, f[[0, 1, 2, 2, 2]])


def test_members_remember_by_themselves_and_cosines_count():
    f = torch.randn(2, 30, 4, generator=torch.Generator().manual_seed(0))
    memory = MemoryBank(MemberGenerators([3, 4]), 16, 4)
    memory.learn(f)
    alone = MemoryBank(MemberGenerators([4]), 16, 4)
    alone.learn(f[1:])
    assert torch.equal(memory.remembered[1:], alone.remembered)
    assert torch.allclose(memory(7 * f), memory(f), atol=1e-3)


def test_a_memory_is_made_of_so_many_images():
    x = np.zeros((MAX_IMAGES + 1, 1, 2, 2), dtype=np.float32)
    x[:, 0, 0, 0] = np.arange(MAX_IMAGES + 1)
    assert subsample(x[:-1], 0) is not x and len(subsample(x[:-1], 0)) == MAX_IMAGES
    drawn = subsample(x, 0)[:, 0, 0, 0]
    assert len(np.unique(drawn)) == MAX_IMAGES and (np.diff(drawn) > 0).all()
