"""Curves, histograms and losses are thinned without losing their shape."""

import json

import numpy as np
import pytest

from egbad.errors import InvalidInputError
from egbad.report.curves import MAX_POINTS, chart_data, loss_curves, rate_curves, score_histogram


def scored(n=20_000, seed=0):
    rng = np.random.default_rng(seed)
    anomalous = rng.random(n) < 0.3
    return rng.normal(size=n) + anomalous, anomalous


def test_long_curves_are_thinned_and_keep_their_ends():
    for curve in rate_curves(*scored()):
        assert len(curve.x) == len(curve.y) <= MAX_POINTS
        assert curve.x[0] == 0 and curve.x[-1] == 1
        assert list(curve.x) == sorted(curve.x)


def test_precision_at_recall_zero_is_that_of_the_highest_threshold():
    _, precision_recall = rate_curves(np.array([3.0, 2.0, 1.0]), np.array([False, True, True]))
    assert precision_recall.y[0] == 0


def test_every_score_is_in_the_histogram():
    scores, anomalous = scored()
    histogram = score_histogram(scores, anomalous)
    assert sum(histogram.normals) == (~anomalous).sum() and sum(histogram.anomalies) == anomalous.sum()
    assert not histogram.log


def test_far_away_scores_make_the_bins_logarithmic():
    scores = np.array([0.1, 0.2, 0.3, 900.0])
    histogram = score_histogram(scores, np.array([False, False, False, True]))
    assert histogram.log and sum(histogram.normals) == 3 and sum(histogram.anomalies) == 1


def test_equal_scores_have_a_histogram():
    histogram = score_histogram(np.full(4, 2.0), np.array([True, False, False, False]))
    assert histogram.edges[0] < 2 < histogram.edges[-1] and sum(histogram.normals) == 3


def test_losses_are_thinned_and_not_finite_ones_are_none():
    values = np.random.default_rng(0).random((5000, 2))
    values[0, 1] = np.nan
    losses = loss_curves({"step": np.arange(5000), "D": values})
    assert len(losses.steps) == MAX_POINTS == len(losses.values["D"][0])
    assert losses.values["D"][1][0] is None and losses.values["D"][0][-1] == values[-1, 0]
    assert loss_curves({}).values == {}


def test_chart_data_are_json_and_need_both_kinds():
    data = chart_data(*scored())
    assert json.loads(json.dumps(data)) == data
    assert len(data["roc"]["x"]) <= 100 and set(data) == {"roc", "precision_recall", "histogram"}
    with pytest.raises(InvalidInputError, match="both normals and anomalies"):
        chart_data([1.0, 2.0], [False, False])
