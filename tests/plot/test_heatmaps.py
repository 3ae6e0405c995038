"""Tests of `egbad.plot.heatmaps`."""

import numpy as np
import pytest
from PIL import Image

from egbad.errors import InvalidInputError
from egbad.plot import heatmap
from egbad.plot.heatmaps import contour, resize_map

GREY = np.full((260, 300), 100, dtype=np.uint8)
CYAN = [0, 229, 255]


def square(value=2.0, shape=(260, 300)):
    """A map that is high in rows 100 to 119 and columns 40 to 79."""
    values = np.zeros(shape)
    values[100:120, 40:80] = value
    return values


def test_pixels_below_the_scale_keep_their_colour_and_others_are_coloured():
    drawn = np.asarray(heatmap(GREY, square(), scale=(0.5, 2.0)))
    assert drawn.shape == (260, 300, 3) and drawn.dtype == np.uint8
    inside = np.zeros(GREY.shape, bool)
    inside[100:120, 40:80] = True
    assert (drawn[~inside] == 100).all()
    assert (drawn[inside] != 100).any(axis=-1).all()


def test_the_scale_and_not_the_map_sets_the_colours():
    strong, weak = (np.asarray(heatmap(GREY, square(v), scale=(0.0, 2.0)))[110, 60].astype(int) for v in (2.0, 0.2))
    assert np.abs(strong - 100).sum() > 5 * np.abs(weak - 100).sum()
    beyond = np.asarray(heatmap(GREY, square(50.0), scale=(0.0, 2.0)))
    assert np.array_equal(beyond[110, 60], strong), "values beyond the scale have the brightest colour"


def test_the_contour_surrounds_what_is_above_the_threshold():
    drawn = np.asarray(heatmap(GREY, square(), scale=(0.0, 2.0), threshold=1.0))
    is_contour = (drawn == CYAN).all(axis=-1)
    expected = np.zeros(GREY.shape, bool)
    expected[98:122, 38:82] = True
    expected[100:120, 40:80] = False
    assert np.array_equal(is_contour, expected)
    without = np.asarray(heatmap(GREY, square(), scale=(0.0, 2.0), threshold=2.0))
    assert not (without == CYAN).all(axis=-1).any(), "a pixel at the threshold is not above it"


def test_small_images_are_enlarged_by_a_whole_factor():
    values = np.zeros((28, 40))
    values[14, 20] = 9.0
    drawn = heatmap(np.zeros((28, 40)), values, scale=(0.0, 1.0), threshold=2.0)
    assert drawn.size == (280, 196)
    rows, columns = np.nonzero((np.asarray(drawn) == CYAN).all(axis=-1))
    assert 88 < rows.min() < 101.5 < rows.max() < 114 and 130 < columns.min() < 143.5 < columns.max() < 157


def test_a_map_of_another_size_is_interpolated():
    drawn = np.asarray(heatmap(GREY, square()[::2, ::2], scale=(0.0, 2.0)))
    assert drawn.shape == (260, 300, 3)
    assert (drawn[105:115, 45:75] != 100).any(axis=-1).all() and (drawn[:95] == 100).all()
    assert resize_map(np.arange(6.0).reshape(2, 3), (4, 6)).shape == (4, 6)


def test_images_may_be_grey_colour_pillow_or_have_channels_last():
    colour = np.zeros((260, 300, 3), dtype=np.uint8)
    colour[..., 0] = 200
    nothing = np.zeros((260, 300))
    drawn = [np.asarray(heatmap(image, nothing, scale=(1.0, 2.0))) for image in (
        colour, np.moveaxis(colour, 2, 0), Image.fromarray(colour), np.dstack([colour, np.full((260, 300), 9, np.uint8)]),
    )]  # fmt: skip
    assert all(np.array_equal(one, colour) for one in drawn)
    grey = [GREY, GREY[None], GREY / 255, GREY.astype(np.uint16) * 257]
    assert all((np.asarray(heatmap(image, nothing, scale=(1.0, 2.0))) == 100).all() for image in grey)


def test_measurements_are_shown_between_levels():
    image = np.full((260, 300), 20.0)
    image[0, 0], image[0, 1] = 10.0, 30.0
    nothing = np.zeros((260, 300))
    own = np.asarray(heatmap(image, nothing, scale=(1.0, 2.0)))[0, :3, 0]
    assert own.tolist() == [0, 255, 128]
    given = np.asarray(heatmap(image, nothing, scale=(1.0, 2.0), levels=(0.0, 40.0)))[0, :3, 0]
    assert given.tolist() == [64, 191, 128]


@pytest.mark.parametrize(
    ("image", "values", "scale", "message"),
    [
        (GREY, np.zeros((1, 260, 300)), (0, 1), r"anomaly_map must have shape \(height, width\), got \(1, 260, 300\)"),
        (GREY, square(np.nan), (0, 1), "anomaly_map must be finite, got NaN or infinity"),
        (GREY, square(), (1, 1), r"scale must be two numbers, the lower first, got \(1, 1\)"),
        (GREY, square(), (0, np.inf), "scale must be two numbers"),
        (GREY[0], square(), (0, 1), r"image must have shape \(h, w\), \(c, h, w\) or \(h, w, c\), got \(300,\)"),
    ],
)
def test_what_cannot_be_drawn_is_refused(image, values, scale, message):
    with pytest.raises(InvalidInputError, match=message):
        heatmap(image, values, scale=scale)


def test_a_contour_may_be_wider():
    mask = np.zeros((9, 9), bool)
    mask[4, 4] = True
    assert contour(mask, 2).sum() == 24
    assert not contour(~np.zeros((3, 3), bool)).any()
