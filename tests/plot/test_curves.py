"""Tests of `egbad.plot.curves`."""

import numpy as np
import pytest

from egbad.errors import InvalidInputError
from egbad.plot import precision_recall_curve, roc_curve
from egbad.scoring.rate_curves import roc_with_intervals

rng = np.random.default_rng(0)
SCORES, LABELS = np.concatenate([rng.normal(size=80), rng.normal(2, 1, 20)]), np.repeat([False, True], [80, 20])


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_the_roc_curve_shows_rates_band_and_area(ax):
    roc_curve(SCORES, LABELS, n_resamples=50, label="KNN", ax=ax)
    expected = roc_with_intervals(SCORES, LABELS, n_resamples=50)
    line = ax.get_lines()[1]
    assert np.allclose(line.get_xdata(), expected.x) and np.allclose(line.get_ydata(), expected.y)
    vertices = ax.collections[0].get_paths()[0].vertices
    assert np.isin(expected.low, vertices[:, 1]).all() and np.isin(expected.high, vertices[:, 1]).all()
    interval = f"95% interval {expected.area_low:.3f} to {expected.area_high:.3f}"
    assert legend(ax) == ["chance", f"KNN: AUROC {expected.area:.3f}\n{interval}"]


def test_chance_of_the_precision_recall_curve_is_the_base_rate(ax):
    precision_recall_curve(SCORES, LABELS, n_resamples=50, ax=ax)
    assert ax.get_lines()[0].get_ydata() == [0.2, 0.2]
    assert legend(ax)[0] == "chance, base rate 0.2"
    assert legend(ax)[1].startswith("average precision 0.")


def test_a_threshold_is_marked_by_its_rates(ax):
    roc_curve([1.0, 2.0, 3.0, 4.0], [0, 1, 0, 1], threshold=1.5, n_resamples=5, ax=ax)
    assert ax.get_lines()[-1].get_xydata().tolist() == [[0.5, 1.0]]


def test_a_threshold_of_a_detector_is_marked(ax, knn):
    scores = knn.threshold_ + np.array([-1.0, 1.0, -1.0, 1.0])
    precision_recall_curve(scores, [0, 0, 1, 1], threshold=knn, n_resamples=5, ax=ax)
    assert ax.get_lines()[-1].get_xydata().tolist() == [[0.5, 0.5]]


def test_a_threshold_that_flags_nothing_has_no_precision(ax):
    precision_recall_curve([1.0, 2.0], [0, 1], threshold=9.0, n_resamples=5, ax=ax)
    assert "threshold" not in legend(ax)


def test_a_second_curve_has_another_colour_and_no_second_chance(ax):
    for label in ("a", "b"):
        roc_curve(SCORES, LABELS, n_resamples=5, label=label, ax=ax)
    assert ax.get_lines()[1].get_color() != ax.get_lines()[3].get_color()
    assert [text.partition(":")[0] for text in legend(ax)] == ["chance", "a", "b"]


def test_many_rows_are_drawn_by_few_points(ax):
    many = np.random.default_rng(0).normal(size=20_000)
    roc_curve(many, np.arange(20_000) % 2 == 0, n_resamples=2, ax=ax)
    assert len(ax.get_lines()[1].get_xdata()) <= 500


@pytest.mark.parametrize("draw", [roc_curve, precision_recall_curve])
def test_what_cannot_be_drawn_is_one_sentence(draw, ax):
    with pytest.raises(InvalidInputError, match=r"^scores and anomalous must be one-dimensional and equally long"):
        draw([1.0, 2.0], [True], ax=ax)
    with pytest.raises(InvalidInputError, match=r"^threshold must be a number or a fitted detector, got str\.$"):
        draw([1.0, 2.0], [0, 1], threshold="high", ax=ax)
