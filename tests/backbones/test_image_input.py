"""Tests of `egbad.backbones.image_input`."""

import numpy as np
import pytest
import torch

from egbad.backbones.config import FeatureSettings
from egbad.backbones.image_input import (
    ImageInput,
    check_channels,
    input_size,
    luminance,
    median_size,
    pixel_range,
    resize,
    share_aspect,
    to_rgb,
)
from egbad.data.ragged import ragged_array
from egbad.errors import InvalidInputError


def test_the_median_size_ignores_single_images():
    assert median_size([(10, 20), (3, 12, 22), (900, 1)]) == (12, 20)


@pytest.mark.parametrize(
    ("size", "side", "keep_aspect", "expected"),
    [
        ((1000, 2000), None, True, (448, 896)),
        ((1000, 2000), None, False, (640, 640)),
        ((420, 420), None, True, (416, 416)),
        ((10, 10), None, True, (320, 320)),
        ((100, 50), 64, True, (96, 32)),
        ((1, 1000), 64, True, (32, 2016)),
    ],
)
def test_sizes_are_multiples_of_32_with_about_as_many_pixels(size, side, keep_aspect, expected):
    assert input_size(*size, side, keep_aspect=keep_aspect) == expected


def test_images_of_many_aspect_ratios_become_squares():
    shapes = [(60 + i, 60 + 2 * i) for i in range(40)]
    assert share_aspect([(60, 80)] * 3 + [(90, 60)]) and share_aspect([(3, 5, 8)])
    assert not share_aspect([(60, 80)] * 2 + [(80, 60)] * 2) and not share_aspect(shapes)
    images = ragged_array([np.zeros(shape) for shape in shapes])
    for keep_aspect, size in ((None, (320, 320)), (True, (288, 352)), (False, (320, 320))):
        settings = FeatureSettings(keep_aspect=keep_aspect)
        assert ImageInput.fit(images, np.random.default_rng(0), settings).size == size


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (np.full((2, 3, 3), 7, np.uint8), (0, 255)),
        (np.full((2, 3, 3), 7, np.uint16), (0, 65535)),
        (np.array([[[0.25, 0.5]]]), (0, 1)),
        (np.array([[[-3.0, 5.5]]]), (-3, 5.5)),
        (np.full((2, 3, 3), -2.5), (-2.5, -1.5)),
    ],
)
def test_black_and_white_follow_the_type_of_the_pixels(images, expected):
    assert pixel_range(images) == expected


def test_images_of_two_or_four_channels_are_refused():
    for images in (np.zeros((2, 4, 8, 8)), ragged_array([np.zeros((2, 8, 8))])):
        with pytest.raises(InvalidInputError, match="grey or have the channels red, green and blue, got [24] channels"):
            check_channels(images)
    check_channels(np.zeros((2, 8, 8)))


def test_resizing_averages_pixels():
    image = np.array([[0, 0, 255, 255], [0, 0, 255, 255]], np.uint8).repeat(8, 0).repeat(8, 1)
    small = resize(image, (1, 2), 0, 255)
    assert small.shape == (1, 1, 2)
    assert small[0, 0].tolist() == pytest.approx([0, 1], abs=0.15)
    assert float(small.mean()) == pytest.approx(0.5)


def test_the_type_of_the_pixels_does_not_matter():
    image = np.random.default_rng(0).integers(0, 256, (3, 20, 30), dtype=np.uint8)
    expected = resize(image, (32, 32), 0, 255)
    for other, white in ((image.astype(np.uint16) * 257, 65535), (image / 255, 1), (image.astype(np.float32), 255)):
        assert torch.allclose(resize(other, (32, 32), 0, white), expected, atol=1e-6)


def test_far_pixels_are_clipped():
    assert resize(np.array([[-1e30, 1e30]]), (1, 2), 0, 1).tolist() == [[[-1, 2]]]


def test_luminance_weights_the_channels():
    assert luminance(torch.tensor([0.5, 1.0, 0.0]).view(3, 1, 1)) == pytest.approx(0.299 * 0.5 + 0.587)
    assert luminance(torch.full((1, 2, 2), 0.25)) == 0.25


@pytest.mark.parametrize(("value", "expected"), [(0.4, 0.5), (0.5, 0.5), (0.1, 0.2), (0.0, 0.0), (1.25, 0.625)])
def test_brightness_is_matched_within_a_factor_of_two(value, expected):
    found = to_rgb(torch.full((1, 2, 2), value), 0.5)
    assert found.shape == (3, 2, 2) and found.is_contiguous()
    assert found.unique().tolist() == pytest.approx([expected])


def test_brightness_may_stay_as_it_is():
    assert to_rgb(torch.full((3, 1, 1), 0.25), None).tolist() == [[[0.25]]] * 3
