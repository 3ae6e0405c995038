"""Tests of `egbad.plot.pixels`."""

import base64
from io import BytesIO

import numpy as np
from PIL import Image

from egbad.plot.pixels import apply_magma, png_data_uri, to_channels_first, to_pixels


def decode(uri):
    return np.asarray(Image.open(BytesIO(base64.b64decode(uri.removeprefix("data:image/png;base64,")))))


def test_the_magma_map_runs_from_black_to_pale_yellow():
    colours = apply_magma(np.array([[0.0, 1.0]]))
    assert colours[0, 0].tolist() == [0, 0, 4] and colours[0, 1].tolist() == [252, 253, 191]
    lightness = apply_magma(np.linspace(0, 1, 50)[None]).astype(float) @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(lightness[0]) > 0).all()


def test_colour_images_stay_coloured_and_other_channels_are_averaged():
    assert to_pixels(np.ones((3, 2, 2)), 0, 1).shape == (2, 2, 3)
    assert to_pixels(np.stack([np.zeros((2, 2)), np.ones((2, 2))]), 0, 1).tolist() == [[128, 128], [128, 128]]


def test_values_that_are_not_finite_become_zero():
    assert to_channels_first(np.array([[[np.nan, np.inf]]])).tolist() == [[[[0.0, 0.0]]]]


def test_a_png_has_the_pixels():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 4)).astype(np.uint8)
    assert (decode(png_data_uri(pixels)) == pixels).all()
