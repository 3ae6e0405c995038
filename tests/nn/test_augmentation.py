"""Tests of `egbad.nn.augmentation`."""

import pytest
import torch
from torch.nn import functional as F

from egbad.nn.augmentation import random_affine, random_thickness, rotations
from egbad.nn.generators import MemberGenerators

IDENTITY = {"rotation": 0.0, "scale": 0.0, "shear": 0.0, "translation": 0.0}
MOVING = {"rotation": 25.0, "scale": 0.25, "shear": 0.35, "translation": 0.1}


def images(members=1, n=6, c=1, h=12, w=12):
    return torch.rand(members, n, c, h, w, generator=torch.Generator().manual_seed(0)) * 2 - 1


def low(members=1, c=1):
    return -torch.ones(members, c)


@pytest.mark.parametrize("background", [low(), None])
def test_an_affine_map_of_strength_zero_changes_nothing(background):
    x = images()
    assert torch.allclose(random_affine(x, background, MemberGenerators([0]), **IDENTITY), x, atol=1e-5)


def test_a_rotation_by_90_degrees_equals_rot90():
    x = images(n=1)

    class Full(MemberGenerators):
        def uniform(self, *shape, per_row=False):
            return torch.ones(1, *shape)  # the upper end of every range

    moved = random_affine(x, low(), Full([0]), **(IDENTITY | {"rotation": 90.0}))
    assert torch.allclose(moved, torch.rot90(x, -1, (-2, -1)), atol=1e-4) or torch.allclose(
        moved, torch.rot90(x, 1, (-2, -1)), atol=1e-4
    )


def test_pixels_from_outside_are_background_or_reflected():
    x = torch.ones(1, 4, 1, 12, 12)
    moved = random_affine(x, low(), MemberGenerators([0]), **(IDENTITY | {"translation": 0.5}))
    assert moved.min() == -1 and moved.max() <= 1 + 1e-6
    reflected = random_affine(x, None, MemberGenerators([0]), **(IDENTITY | {"translation": 0.5}))
    assert torch.allclose(reflected, x)


@pytest.mark.parametrize("view", [
    lambda x, generators: random_affine(x, low(len(x)), generators, **MOVING),
    lambda x, generators: random_thickness(x, generators, 0.7),
])  # fmt: skip
def test_a_member_has_the_same_views_alone_and_in_an_ensemble(view):
    x = images(members=3)
    ensemble, alone = view(x, MemberGenerators([3, 5, 7])), view(x[1:2], MemberGenerators([5]))
    assert torch.equal(ensemble[1:2], alone)
    assert not torch.equal(view(x, MemberGenerators([3, 5, 8]))[2], ensemble[2])
    assert (x.min() - 1e-5 <= ensemble.min() and ensemble.max() <= x.max() + 1e-5) or ensemble.min() >= -1 - 1e-5


def test_random_thickness_lies_between_erosion_and_dilation():
    x = images()
    changed = random_thickness(x, MemberGenerators([0]), 1.0)
    dilated = F.max_pool2d(x.flatten(0, 1), 3, 1, 1).view(x.shape)
    eroded = -F.max_pool2d(-x.flatten(0, 1), 3, 1, 1).view(x.shape)
    assert (changed <= dilated + 1e-6).all() and (changed >= eroded - 1e-6).all()
    assert torch.equal(random_thickness(x, MemberGenerators([0]), 0.0), x)


@pytest.mark.parametrize(("h", "w"), [(8, 8), (8, 12)])
def test_the_rotations_are_different_images_with_the_same_pixels(h, w):
    x = images(n=2, h=h, w=w)
    views = rotations(x)
    assert views.shape == (4, *x.shape) and torch.equal(views[0], x)
    for i in range(4):
        assert views[i].flatten().sort().values.equal(x.flatten().sort().values)
        assert not any(torch.equal(views[i], views[j]) for j in range(i))
