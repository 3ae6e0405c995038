"""Tests of `egbad.explain.regions`."""

import numpy as np
import pytest

from egbad.explain.regions import REGIONS, Region, find_regions


def two_squares():
    """A map with a large low square, a small high one, and shares that favour the large one."""
    values = np.zeros((30, 60))
    values[2:6, 3:9] = 2.0
    values[20:22, 50:53] = 5.0
    values[21, 52] = 7.0
    return values


def test_regions_are_the_connected_parts_above_the_threshold():
    values = two_squares()
    first, second = find_regions(values, values, threshold=1.0)
    assert first == Region("upper left", 2, 3, 6, 9, 24, 2.0, 48 / 80, True)
    assert second == Region("lower right", 20, 50, 22, 53, 6, 7.0, 32 / 80, True)


def test_only_pixels_above_the_threshold_belong_to_a_region():
    values = two_squares()
    (only,) = find_regions(values, values, threshold=5.0)
    assert (only.top, only.left, only.bottom, only.right, only.size, only.peak) == (21, 52, 22, 53, 1, 7.0)


def test_pixels_that_touch_at_a_corner_belong_to_one_region():
    values = np.eye(4)
    (only,) = find_regions(values, values, threshold=0.5)
    assert (only.size, only.bottom, only.right, only.share) == (4, 4, 4, 1.0)


def test_regions_without_shares_come_last_and_the_highest_peak_first():
    values, shares = two_squares(), np.zeros((30, 60))
    assert [region.peak for region in find_regions(values, shares, 1.0)] == [7.0, 2.0]
    shares[3, 4], shares[0, 0] = 1.0, -5.0
    assert [(region.peak, region.share) for region in find_regions(values, shares, 1.0)] == [(2.0, 1.0), (7.0, 0.0)]


@pytest.mark.parametrize("threshold", [None, 9.0])
def test_below_the_threshold_the_region_is_the_peak_down_to_half_its_height(threshold):
    rows, columns = np.mgrid[:31, :41]
    values = 3 + 4 * np.exp(-((rows - 8) ** 2 + (columns - 30) ** 2) / 50)
    (only,) = find_regions(values, values, threshold)
    distance = np.hypot(rows - 8, columns - 30)
    assert only.size == (distance < np.sqrt(50 * np.log(2))).sum()
    assert (only.name, only.peak, only.above_threshold) == ("upper right", 7.0, False)


def test_a_constant_map_is_one_region():
    (only,) = find_regions(np.full((4, 5), 2.0), np.zeros((4, 5)), 3.0)
    assert (only.size, only.name, only.share, only.above_threshold) == (20, "centre", 0.0, False)


def test_every_part_of_an_image_has_a_name():
    named = []
    for i in range(3):
        for j in range(3):
            values = np.zeros((9, 12))
            values[3 * i + 1, 4 * j + 1] = 1
            named.append(find_regions(values, values, 0.5)[0].name)
    assert tuple(named) == REGIONS
