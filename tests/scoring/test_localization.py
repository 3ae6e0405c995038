"""Metrics of pixel scores on masks worked out by hand."""

import numpy as np
import pytest

from egbad.errors import InvalidInputError
from egbad.scoring import metrics
from egbad.scoring.localization import LocalizationMeter, measure_localization, per_region_overlap, pixel_scores


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


def random_scores(masks, seed=0, scale=1.0, offset=0.0):
    return offset + scale * (np.abs(np.random.default_rng(seed).normal(size=masks.shape)) + masks)


def some_masks():
    masks = np.zeros((4, 40, 50), dtype=bool)
    masks[1, 5:9, 5:20] = masks[2, 20:36, 2:6] = masks[2, 1, 1] = True
    return masks


@pytest.mark.parametrize(("scale", "offset"), [(1, 0), (1e-6, 0), (1e-3, 1.0), (1, -50), (1e9, 0)])
def test_counted_pixels_have_the_auroc_of_sorted_ones(scale, offset):
    masks = some_masks()
    scores = random_scores(masks, 0, scale, offset)
    meter = LocalizationMeter()
    for image, mask in zip(scores, masks, strict=True):
        meter.add(image, mask, "all")
    assert meter.total().auroc() == pytest.approx(metrics.auroc(scores.ravel(), masks.ravel()), abs=1e-3)
    assert per_region_overlap(scores, masks) == pytest.approx(per_region_overlap(random_scores(masks), masks), abs=3e-3)


def test_ties_count_half():
    masks = np.zeros((1, 2, 4), dtype=bool)
    masks[0, 0] = True
    meter = LocalizationMeter()
    meter.add(np.array([[1.0, 1, 2, 0], [0, 1, 1, -0.0]]), masks[0], "all")
    assert meter.total().auroc() == (3 + 3 + 4 + 1) / 16


def test_pixel_scores_of_another_size_are_interpolated_to_that_of_the_mask():
    mask = np.zeros((64, 64), dtype=bool)
    mask[32:, 32:] = True
    meter = LocalizationMeter()
    meter.add(np.array([[0.0, 0.0], [0.0, 1.0]]), mask, "corner")
    assert meter.measure().pixel_auroc > 0.99 and meter.measure().peaks_in_masks == 1.0
    large = LocalizationMeter()
    large.add(np.kron(mask, np.ones((40, 40))), np.kron(mask, np.ones((40, 40), bool)), "corner")
    assert large.total().normal.sum() + large.total().anomalous.sum() == 1024**2, "larger images are reduced"


@pytest.mark.parametrize(("distance", "inside"), [(0, True), (3, True), (4, False)])
def test_a_peak_may_lie_three_percent_of_the_width_outside_of_the_mask(distance, inside):
    mask, scores = np.zeros((50, 100), dtype=bool), np.zeros((50, 100))
    mask[10:20, 10:20] = True
    scores[15, 19 + distance] = 1
    meter = LocalizationMeter()
    meter.add(scores, mask, "square")
    assert meter.measure().peaks_in_masks == inside


class Explainer:
    """A scorer whose pixel scores are the pixels."""

    class Found:
        """Explanation with shares."""

        def __init__(self, x):
            self.shares = x.astype(float)

    def explain(self, data):
        return self.Found(data.x)


def test_each_kind_of_defect_is_compared_with_all_normal_images():
    masks = some_masks()
    x, kinds, anomalous = random_scores(masks), ["good", "a", "b", "good"], np.array([False, True, True, False])
    readers = [lambda mask=mask: mask for mask in masks]
    found = measure_localization(Explainer(), x, kinds, anomalous, readers)
    assert [*found] == [None, "a", "b"] and found[None].masked_images == 2
    rows = [0, 2, 3]
    assert found["b"].pixel_auroc == pytest.approx(metrics.auroc(x[rows].ravel(), masks[rows].ravel()), abs=1e-3)
    readers[1] = None
    assert [*measure_localization(Explainer(), x, kinds, anomalous, readers)] == [None, "b"]
    assert measure_localization(Explainer(), x, kinds, anomalous, [readers[0], None, None, None]) == {}


def test_scores_must_be_finite_and_masks_have_both_kinds_of_pixels():
    with pytest.raises(InvalidInputError, match="Pixel scores must be finite"):
        per_region_overlap([[[0.0, np.nan]]], [[[False, True]]])
    with pytest.raises(InvalidInputError, match="normal and anomalous pixels"):
        per_region_overlap([[[0.0, 1.0]]], [[[True, True]]])
    with pytest.raises(InvalidInputError, match="one shape"):
        per_region_overlap([[[0.0, 1.0]]], [[[True]]])


class _Mapping:
    """Scorer with a map of its own, which is not its explanation."""

    def anomaly_map(self, data):
        return data.x * 2.0


def test_pixel_scores_are_the_anomaly_map_of_a_detector():
    x = np.arange(24.0).reshape(2, 3, 4)
    np.testing.assert_array_equal([*pixel_scores(_Mapping(), x)], 2 * x)
