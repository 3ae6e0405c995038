"""Tests of `egbad.scoring.normal_maps`."""

import numpy as np
import pytest

from egbad.errors import InvalidEntryError, InvalidInputError
from egbad.scoring.border_levels import N_BANDS, border_bands
from egbad.scoring.normal_maps import NormalMaps


def maps(n, seed=0):
    return np.random.default_rng(seed).gumbel(size=(n, 6, 8))


def test_peaks_are_ascending_and_the_median_is_that_of_an_ordinary_pixel():
    known = NormalMaps.fit(iter([np.full((2, 3), 4.0), np.array([[0.0, 1.0, 9.0]]), np.full((3, 3), 2.0)]))
    assert known.peaks.tolist() == [2, 4, 9]
    assert known.median == 2


def test_the_threshold_is_the_conformal_one_of_the_peaks():
    known = NormalMaps(np.arange(1.0, 20.0), 0.0)
    assert known.threshold(0.1) == 18  # rank floor(0.1 * 20), from the largest
    assert known.threshold(0.01) == 19  # too few maps: the largest
    with pytest.raises(InvalidInputError, match=r"alpha must be in \(0, 1\), got 1\."):
        known.threshold(1)


@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.3])
def test_at_most_a_share_alpha_of_normal_images_has_a_pixel_above_the_threshold(alpha):
    exceeded = []
    for seed in range(300):
        drawn = maps(39 + 20, seed)
        threshold = NormalMaps.fit(drawn[:39]).threshold(alpha)
        exceeded.append((drawn[39:].max(axis=(1, 2)) > threshold).mean())
    assert np.mean(exceeded) <= alpha + 2 * np.std(exceeded) / np.sqrt(len(exceeded))
    assert np.mean(exceeded) >= alpha / 2


def test_the_threshold_has_the_colour_in_the_middle():
    known = NormalMaps(np.arange(1.0, 20.0), 0.5)
    low, high = known.scale(0.1)
    assert low == 0.5
    assert (low + high) / 2 == known.threshold(0.1)


def test_a_scale_of_constant_maps_has_a_width():
    for level in (0.0, 3.0):
        low, high = NormalMaps.fit([np.full((2, 2), level)] * 3).scale(0.1)
        assert low == level < high


def test_relative_maps_are_0_at_an_ordinary_pixel_and_1_at_an_ordinary_peak():
    known = NormalMaps(np.array([2.0, 3.0, 7.0]), 1.0)
    assert known.relative(np.array([[[1.0, 3.0, 5.0]]])).tolist() == [[[0, 1, 2]]]


def test_levels_survive_storage():
    known = NormalMaps.fit(maps(9))
    again = NormalMaps.from_state(known.state())
    assert np.array_equal(again.peaks, known.peaks)
    assert again.median == known.median


def test_peaks_with_border_levels_are_those_of_lowered_maps():
    rng = np.random.default_rng(0)
    raw = rng.normal(1, 1, (30, 50, 70))
    outside = border_bands(50, 70) < N_BANDS
    raw[:, outside] = rng.normal(4, 3, (30, outside.sum()))
    known = NormalMaps.fit(raw, with_border=True)
    lowered = known.lower(raw)
    assert np.array_equal(known.peaks, np.sort(lowered.max(axis=(1, 2))))
    level = lowered[:, outside].mean() + lowered[:, outside].std()
    assert level == pytest.approx(raw[:, ~outside].mean() + raw[:, ~outside].std(), abs=0.1)
    assert np.array_equal(lowered[:, ~outside], raw[:, ~outside])
    assert known.median == NormalMaps.fit(raw).median
    again = NormalMaps.from_state(known.state())
    assert np.array_equal(again.lower(raw), lowered)
    assert np.array_equal(NormalMaps.fit(raw).lower(raw), raw)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"peaks": np.array([2.0, 1.0])}, "must be in ascending order"),
        ({"peaks": np.array([1.0, np.inf])}, "must be finite"),
        ({"peaks": np.zeros(0)}, "must "),
        ({"peaks": np.zeros(3, np.float32)}, "must hold values of type float64"),
        ({"median": np.array(np.nan)}, "must be finite"),
        ({"median": np.zeros(2)}, "must have "),
        ({"other": np.zeros(2)}, "is not an array that such a model has"),
        ({"border": np.zeros(5)}, "must have "),
        ({"border": -np.ones(21)}, "must be at least 0"),
    ],
    ids=str,
)
def test_levels_that_no_maps_have_are_refused(change, message):
    with pytest.raises(InvalidEntryError, match=message):
        NormalMaps.from_state(NormalMaps.fit(maps(9)).state() | change)
