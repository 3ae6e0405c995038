"""Tests of `egbad.backbones.efficientnet_lite`."""

from pathlib import Path

import numpy as np
import pytest
import torch

from egbad.backbones.efficientnet_lite import EfficientNetLite, check_file_digest, load_efficientnet_lite
from egbad.errors import UnreadableFileError

# Means of the first four channels, and the standard deviation, of maps of `waves(224, 320)`, computed with the network of
# the package efficientnet-lite-pytorch 0.1.0 and the same weights.
REFERENCE = {
    "efficientnet_lite0": {
        "block_4": ([1.83805, -1.679434, -2.15676, -8.117871], 9.5546),
        "block_10": ([6.024532, 2.750159, 6.358546, 2.922885], 5.079698),
        "block_15": ([-0.41461, 2.214078, -0.709992, -3.289013], 2.053795),
    },
    "efficientnet_lite1": {
        "block_6": ([8.518478, -0.780426, 8.247711, 12.26262], 13.04742),
        "block_14": ([-9.429469, 3.23675, 1.668388, 2.418007], 5.057472),
        "block_20": ([-0.746548, -0.723205, -1.186262, -0.408641], 2.265821),
    },
    "efficientnet_lite2": {
        "block_6": ([6.105284, 9.279113, -2.41981, 14.040312], 11.884526),
        "block_14": ([2.905764, -0.202925, 2.965864, -0.123704], 4.895957),
        "block_20": ([0.183919, -0.461682, 1.802914, -0.776689], 2.038397),
    },
}


def waves(height, width):
    """Return one smooth RGB image (1, 3, h, w)."""
    y, x = np.mgrid[:height, :width]
    channels = [(np.sin(y / (5 + 3 * c)) * np.cos(x / (7 - c)) + 1) / 2 for c in range(3)]
    return torch.from_numpy(np.stack(channels)[None].astype(np.float32))


@pytest.mark.parametrize("name", REFERENCE)
def test_features_equal_those_of_the_reference_network(name):
    backbone = load_efficientnet_lite(name)
    maps = backbone(waves(224, 320), tuple(REFERENCE[name]))
    for layer, (means, std) in REFERENCE[name].items():
        np.testing.assert_allclose(maps[layer].mean((2, 3))[0, :4], means, rtol=1e-5, atol=1e-5)
        assert float(maps[layer].std()) == pytest.approx(std, rel=1e-5)
    assert (*backbone.default_layers, backbone.global_layer) == tuple(REFERENCE[name])


@pytest.mark.parametrize("size", [(32, 32), (65, 97), (64, 33)])
def test_maps_have_a_place_for_each_stride_begun(size):
    backbone = load_efficientnet_lite("efficientnet_lite0")
    for layer, found in backbone(waves(*size), backbone.layers).items():
        stride = backbone.strides[layer]
        expected = (1, backbone.channels[layer], -(-size[0] // stride), -(-size[1] // stride))
        assert found.shape == expected


def test_building_a_network_draws_no_random_numbers():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    load_efficientnet_lite("efficientnet_lite0")
    assert torch.equal(torch.get_rng_state(), before)


def test_no_layer_beyond_the_deepest_is_computed():
    backbone = load_efficientnet_lite("efficientnet_lite0")
    backbone.blocks[5] = None
    assert list(backbone(waves(32, 32), ["block_4"])) == ["block_4"]


def test_a_network_without_weights_takes_no_memory():
    assert all(value.is_meta for value in EfficientNetLite("efficientnet_lite2").parameters())


def test_a_file_with_another_digest_is_refused():
    message = (
        r"^weights.pth must have the SHA-256 digest 579344248a93..., got 9834876dcfb0.... Install its package again.$"
    )
    with pytest.raises(UnreadableFileError, match=message):
        check_file_digest(
            Path("weights.pth"), b"a" * 3, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
        )
