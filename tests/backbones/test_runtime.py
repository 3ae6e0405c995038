"""Tests of `egbad.backbones.runtime`."""

import numpy as np
import pytest
import torch

from egbad.backbones import FeatureRunner, load_backbone
from egbad.errors import InvalidInputError


@pytest.fixture(scope="module")
def backbone():
    return load_backbone("efficientnet_lite0")


@pytest.fixture
def two_threads():
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(threads)


def images(n, height=64, width=96):
    return np.random.default_rng(0).uniform(size=(n, 3, height, width)).astype(np.float32)


@pytest.mark.usefixtures("two_threads")
def test_features_of_an_image_have_the_same_bits_in_any_batch(backbone):
    runner, x = FeatureRunner(backbone), images(5)
    together, reversed_, alone = runner(x), runner(x[::-1]), [runner.features(image) for image in x]
    for name, maps in together.items():
        np.testing.assert_array_equal(reversed_[name][::-1], maps)
        np.testing.assert_array_equal([found[name].numpy() for found in alone], maps)


def test_features_equal_those_of_the_backbone(backbone):
    x = images(3)
    found = FeatureRunner(backbone, ["block_10", "block_15"])(x)
    for name, maps in backbone(torch.from_numpy(x), ["block_10", "block_15"]).items():
        np.testing.assert_allclose(found[name], maps, rtol=1e-4, atol=1e-4)


def test_map_takes_images_of_different_sizes(backbone):
    x = [images(1, 64, 64)[0], torch.from_numpy(images(1, 32, 96)[0])]
    shapes = FeatureRunner(backbone).map(lambda maps: tuple(maps["block_4"].shape), x)
    assert shapes == [(40, 8, 8), (40, 4, 12)]


def test_an_unknown_layer_is_refused_before_any_image(backbone):
    with pytest.raises(InvalidInputError, match="There is no layer of the backbone efficientnet_lite0 'block_16'"):
        FeatureRunner(backbone, ["block_16"])


def test_one_image_without_an_axis_of_images_is_refused(backbone):
    with pytest.raises(InvalidInputError, match=r"must have shape \(n, 3, h, w\)"):
        FeatureRunner(backbone)(images(1)[0])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")
def test_features_on_a_gpu_are_close(backbone):
    x = images(5)
    expected, found = FeatureRunner(backbone)(x), FeatureRunner(load_backbone("efficientnet_lite0"), device="cuda")(x)
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-3, atol=1e-3)
