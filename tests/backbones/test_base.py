"""Tests of `egbad.backbones.base`."""

import pickle

import pytest
import torch

from egbad.backbones import load_backbone
from egbad.errors import InvalidInputError


@pytest.fixture(scope="module")
def backbone():
    return load_backbone("efficientnet_lite0")


def test_layers_come_in_the_order_asked_for(backbone):
    x = torch.rand(2, 3, 64, 64)
    assert list(backbone(x, ["block_10", "block_4"])) == ["block_10", "block_4"]
    assert list(backbone(x)) == list(backbone.default_layers)


def test_an_unknown_layer_is_refused_with_the_nearest_name(backbone):
    message = r"There is no layer of the backbone efficientnet_lite0 'blok_4'. Did you mean 'block_4'\?"
    with pytest.raises(InvalidInputError, match=message):
        backbone(torch.rand(1, 3, 64, 64), ["blok_4"])


@pytest.mark.parametrize("layers", [[], ["block_4", "block_4"]])
def test_layers_must_be_one_or_more_different_names(backbone, layers):
    with pytest.raises(InvalidInputError, match="layers must be one or more different names, got"):
        backbone.check_layers(layers)


@pytest.mark.parametrize("shape", [(1, 1, 64, 64), (1, 4, 64, 64), (3, 64, 64)])
def test_images_without_three_channels_are_refused(backbone, shape):
    with pytest.raises(
        InvalidInputError, match=r"must have shape \(n, 3, h, w\) with the channels red, green and blue, got"
    ):
        backbone(torch.rand(shape))


def test_images_smaller_than_the_stride_of_a_layer_are_refused(backbone):
    message = "Images must have at least 16 x 16 pixels for the layer 'block_10' of the backbone efficientnet_lite0, got 15 x 64."
    with pytest.raises(InvalidInputError, match=message):
        backbone(torch.rand(1, 3, 15, 64))


def test_a_pickled_backbone_gives_the_same_features(backbone):
    x = torch.rand(1, 3, 64, 64)
    copy = pickle.loads(pickle.dumps(backbone))
    assert torch.equal(copy(x)["block_4"], backbone(x)["block_4"])
