"""Tests of `egbad.scoring.border_levels`."""

import numpy as np

from egbad.data.ragged import ragged_array
from egbad.scoring.border_levels import N_BANDS, border_bands, border_excess, lower_border


def test_bands_cover_a_twentieth_of_each_side_at_each_end():
    bands = border_bands(400, 800)
    assert (bands == N_BANDS).sum() == 360 * 720
    assert bands[:21, 400].tolist() == [*range(21)] and bands[200, :42:2].tolist() == [*range(21)]
    assert np.array_equal(bands, bands[::-1, ::-1])
    assert (border_bands(6, 8) == N_BANDS).all(), "small maps have no border"


def test_only_bands_above_the_level_inside_have_an_excess():
    values = [np.array(band) for band in ([0.0, 1.0], [7.0, 9.0], *([[5.0]] * (N_BANDS - 2)), [2.0, 6.0])]
    excess = border_excess(*(np.array([(band**power).sum() for band in values]) for power in range(3)))
    assert excess.tolist() == [0, 3, *([0] * (N_BANDS - 1))]


def test_maps_of_different_sizes_are_lowered_each_by_its_own_border():
    rng, excess = np.random.default_rng(0), np.linspace(2, 0, N_BANDS + 1)
    maps = [rng.normal(size=(80, 40)), rng.normal(size=(30, 90))]
    for one, lowered in zip(maps, lower_border(ragged_array(maps), excess), strict=True):
        assert np.array_equal(lower_border(one[None], excess)[0], lowered)
        bands = border_bands(*one.shape)
        assert np.array_equal(lowered[bands == N_BANDS], one[bands == N_BANDS])
        assert np.allclose((one - lowered)[bands == 5], 1.5)
