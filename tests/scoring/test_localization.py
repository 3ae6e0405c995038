"""Metrics of pixel scores on masks worked out by hand."""

import numpy as np
import pytest

from egbad.errors import InvalidInputError
from egbad.scoring.localization import per_region_overlap


def test_per_region_overlap_weights_regions_equally_whatever_their_size():
    masks = np.zeros((1, 8, 8), dtype=bool)
    masks[0, :4, :4] = masks[0, 7, 7] = True
    scores = np.where(masks, 0.0, 0.5)
    scores[0, 7, 7] = 1.0  # the small region is found, the large one is not
    assert per_region_overlap(scores, masks) == pytest.approx(0.5)


def test_per_region_overlap_joins_pixels_that_touch_at_a_corner():
    masks = np.zeros((1, 4, 4), dtype=bool)
    masks[0, 0, 0] = masks[0, 1, 1] = masks[0, 3, 3] = True
    scores = np.where(masks, 0.0, 0.5)
    scores[0, 3, 3] = 1.0
    assert per_region_overlap(scores, masks) == pytest.approx(0.5)


@pytest.mark.parametrize("limit", [0.0, 1.5])
def test_the_limit_of_per_region_overlap_is_checked(limit):
    with pytest.raises(InvalidInputError, match=r"limit must be in \(0, 1\]"):
        per_region_overlap([[[0.0, 1.0]]], [[[False, True]]], limit)
