"""Random views: by hand where nothing is random, each member's own, and never out of the image's range."""

import pytest
import torch
from torch.nn import functional as F

from egbad.nn.augmentation import affine, rotations, thickness
from egbad.nn.generators import MemberGenerators

STILL = {"turn": 0.0, "scale": 0.0, "shear": 0.0, "shift": 0.0}
MOVED = {"turn": 25.0, "scale": 0.25, "shear": 0.35, "shift": 0.1}


def images(members=1, n=6, c=1, h=12, w=12):
    return torch.rand(members, n, c, h, w, generator=torch.Generator().manual_seed(0)) * 2 - 1


def low(members=1, c=1):
    return -torch.ones(members, c)


@pytest.mark.parametrize("background", [low(), None])
def test_an_image_that_is_not_moved_stays(background):
    x = images()
    assert torch.allclose(affine(x, background, MemberGenerators([0]), **STILL), x, atol=1e-5)


def test_a_quarter_circle_is_a_quarter_circle():
    x = images(n=1)

    class Full(MemberGenerators):
        def uniform(self, *shape, per_row=False):
            return torch.ones(1, *shape)  # the far end of every range

    moved = affine(x, low(), Full([0]), **(STILL | {"turn": 90.0}))
    assert torch.allclose(moved, torch.rot90(x, -1, (-2, -1)), atol=1e-4) or torch.allclose(
        moved, torch.rot90(x, 1, (-2, -1)), atol=1e-4
    )


def test_what_comes_in_from_outside_is_the_background():
    x = torch.ones(1, 4, 1, 12, 12)
    moved = affine(x, low(), MemberGenerators([0]), **(STILL | {"shift": 0.5}))
    assert moved.min() == -1 and moved.max() <= 1 + 1e-6
    mirrored = affine(x, None, MemberGenerators([0]), **(STILL | {"shift": 0.5}))
    assert torch.allclose(mirrored, x)


@pytest.mark.parametrize("view", [
    lambda x, generators: affine(x, low(len(x)), generators, **MOVED),
    lambda x, generators: thickness(x, generators, 0.7),
])  # fmt: skip
def test_a_member_sees_the_same_alone_and_among_others(view):
    x = images(members=3)
    among, alone = view(x, MemberGenerators([3, 5, 7])), view(x[1:2], MemberGenerators([5]))
    assert torch.equal(among[1:2], alone)
    assert not torch.equal(view(x, MemberGenerators([3, 5, 8]))[2], among[2])
    assert (x.min() - 1e-5 <= among.min() and among.max() <= x.max() + 1e-5) or among.min() >= -1 - 1e-5


def test_thickness_stays_between_erosion_and_dilation():
    x = images()
    seen = thickness(x, MemberGenerators([0]), 1.0)
    wide = F.max_pool2d(x.flatten(0, 1), 3, 1, 1).view(x.shape)
    thin = -F.max_pool2d(-x.flatten(0, 1), 3, 1, 1).view(x.shape)
    assert (seen <= wide + 1e-6).all() and (seen >= thin - 1e-6).all()
    assert torch.equal(thickness(x, MemberGenerators([0]), 0.0), x)


@pytest.mark.parametrize(("h", "w"), [(8, 8), (8, 12)])
def test_four_turns_are_four_different_images(h, w):
    x = images(n=2, h=h, w=w)
    views = rotations(x)
    assert views.shape == (4, *x.shape) and torch.equal(views[0], x)
    for i in range(4):
        assert views[i].flatten().sort().values.equal(x.flatten().sort().values)
        assert not any(torch.equal(views[i], views[j]) for j in range(i))
