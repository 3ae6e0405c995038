"""Tests of `egbad.plot.scores`."""

import numpy as np
import pytest

from egbad.detectors import KNN
from egbad.errors import InvalidInputError
from egbad.plot import p_value_calibration, score_histogram
from egbad.scoring.calibration import p_values


def heights(ax):
    return [[patch.get_height() for patch in container] for container in ax.containers]


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_bars_count_the_scores(ax):
    score_histogram([0.0, 0.1, 0.9, 1.0], bins=2, ax=ax)
    assert heights(ax) == [[2, 2]] and ax.get_legend() is None


def test_labels_divide_scores_into_groups_that_share_bins(ax):
    score_histogram([0.0, 1.0, 2.0, 4.0], threshold=1.5, anomalous=[0, 0, 1, 1], bins=2, ax=ax)
    assert heights(ax) == [[2, 0], [0, 2]]
    assert legend(ax) == ["normal", "anomalies", "threshold"]
    assert ax.get_lines()[0].get_xdata() == [1.5, 1.5]


def test_shares_of_a_group_add_up_to_one(ax):
    score_histogram({"a": [1.0, 2.0, 3.0], "b": [3.0]}, {"x": 1.0, "y": 2.0}, density=True, ax=ax)
    assert np.allclose([sum(group) for group in heights(ax)], 1)
    assert legend(ax) == ["a", "b", "x", "y"]
    assert ax.get_ylabel() == "share of the rows"


def test_a_detector_shows_its_calibration_scores_and_threshold(ax, knn):
    score_histogram(knn, ax=ax)
    assert sum(heights(ax)[0]) == len(knn.calibration_scores_)
    assert legend(ax) == ["calibration rows", "threshold, alpha = 0.05"]
    assert ax.get_lines()[0].get_xdata()[0] == knn.threshold_


def test_images_are_called_images(ax, egbad_images):
    assert score_histogram(egbad_images, ax=ax).get_ylabel() == "images"


def test_gross_anomalies_get_a_logarithmic_axis(ax):
    assert score_histogram([1.0, 1.0, 1.1, 500.0], ax=ax).get_xscale() == "log"
    assert sum(heights(ax)[0]) == 4


def test_equal_scores_have_a_bar(ax):
    assert sum(heights(score_histogram([2.0, 2.0], ax=ax))[0]) == 2
    assert sum(heights(score_histogram([2.0, 2.0], log=True, ax=ax))[1]) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([],), r"^scores must have shape \(n_samples,\) with at least one value, got \(0,\)\.$"),
        (([1.0, np.nan],), r"^scores must be finite, got nan at position 1\.$"),
        ((["a"],), r"^scores must be an array of numbers of shape \(n_samples,\), got \['a'\]\.$"),
        (({},), r"^scores must have at least one group, got an empty mapping\.$"),
        (([1.0, 2.0], np.inf), r"^threshold must be finite, got inf at position 0\.$"),
        ((KNN(),), r"^score_histogram needs a fitted detector with calibration_scores_, got KNN\(\)\. Fit it first"),
    ],
)
def test_what_cannot_be_drawn_is_one_sentence(arguments, message, ax):
    with pytest.raises(InvalidInputError, match=message):
        score_histogram(*arguments, ax=ax)


def test_labels_must_match_the_scores(ax):
    with pytest.raises(InvalidInputError, match=r"^anomalous must be 2 values True or False, one for each score, got"):
        score_histogram([1.0, 2.0], anomalous=[True], ax=ax)
    with pytest.raises(InvalidInputError, match=r"^anomalous must come with one array of scores, got groups by name"):
        score_histogram({"a": [1.0]}, anomalous=[True], ax=ax)
    with pytest.raises(InvalidInputError, match=r"^A logarithmic axis needs scores above 0, got -1\. Pass log=False"):
        score_histogram([-1.0, 2.0], log=True, ax=ax)
    with pytest.raises(InvalidInputError, match=r"^bins must be a whole number of at least 1, got 0\.$"):
        score_histogram([1.0, 2.0], bins=0, ax=ax)


# -- p-values ----------------------------------------------------------------------------------------------------------


def band(ax):
    """Return the places of the band and its ends, in the order of the places."""
    vertices = ax.collections[0].get_paths()[0].vertices
    places = np.unique(vertices[:, 0])
    low, high = (np.array([f(vertices[vertices[:, 0] == x, 1]) for x in places]) for f in (np.min, np.max))
    return places, low, high


def test_points_are_sorted_p_values_over_uniform_quantiles(ax):
    p_value_calibration([0.9, 0.1, 0.4], ax=ax)
    points = ax.get_lines()[1]
    assert points.get_xdata().tolist() == [0.25, 0.5, 0.75] and points.get_ydata().tolist() == [0.1, 0.4, 0.9]


@pytest.mark.parametrize("m", [None, 40])
def test_the_band_holds_the_points_of_normal_rows_as_often_as_it_says(ax, m):
    rng, n = np.random.default_rng(0), 25
    inside = []
    for _ in range(800):
        if m is None:
            p = rng.uniform(size=n)
        else:
            p = p_values(np.sort(rng.normal(size=m)), rng.normal(size=n))
        inside.append(np.sort(p))
    p_value_calibration(inside[0], n_calibration=m, level=0.9, ax=ax)
    places, low, high = band(ax)
    assert np.allclose(places, np.arange(1, n + 1) / (n + 1))
    coverage = ((np.array(inside) >= low - 1e-12) & (np.array(inside) <= high + 1e-12)).mean(axis=0)
    assert coverage.min() > 0.87
    assert coverage.mean() < (0.92 if m is None else 0.96)  # conformal p-values have ties, which widen the band


def test_a_detector_computes_p_values_of_new_rows(ax, knn):
    X = np.random.default_rng(1).normal(size=(50, 3))
    p_value_calibration(knn, X, log=True, label="new rows", ax=ax)
    assert np.allclose(ax.get_lines()[1].get_ydata(), np.sort(knn.p_value(X)))
    assert ax.get_xscale() == ax.get_yscale() == "log" and "new rows" in legend(ax)


def test_shifted_rows_lie_below_the_band(ax, knn):
    p_value_calibration(knn, np.random.default_rng(1).normal(scale=1.6, size=(300, 3)), ax=ax)
    _, low, _ = band(ax)
    assert (ax.get_lines()[1].get_ydata() < low).mean() > 0.5


def test_p_values_that_are_none_are_one_sentence(ax, knn):
    with pytest.raises(InvalidInputError, match=r"^p_values must be in \[0, 1\], got 1\.5\.$"):
        p_value_calibration([0.5, 1.5], ax=ax)
    with pytest.raises(InvalidInputError, match=r"^p_value_calibration needs new normal rows X with a detector"):
        p_value_calibration(knn, ax=ax)
    with pytest.raises(InvalidInputError, match=r"^X must come with a fitted detector, got p-values\. Leave X out\.$"):
        p_value_calibration([0.5], [[1.0]], ax=ax)
    with pytest.raises(InvalidInputError, match=r"^n_calibration must be at least 1, got 0\.$"):
        p_value_calibration([0.5], n_calibration=0, ax=ax)
    with pytest.raises(InvalidInputError, match=r"^level must be in \(0, 1\), got 1"):
        p_value_calibration([0.5], level=1.0, ax=ax)
