"""The HTML of detectors in notebooks."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from sklearn import config_context

from egbad import EGBAD, Blend, TrainingConfig
from egbad.detectors import KNN
from egbad.detectors.base.html_repr import fitted_html, histogram_svg

X = np.random.default_rng(0).normal(size=(200, 3))


def bars(svg):
    """Return x, height of each bar, and x of the line."""
    root = ET.fromstring(svg)
    rects = [(float(e.get("x")), float(e.get("height"))) for e in root.iter("rect")]
    (line,) = root.iter("line")
    return rects, float(line.get("x1"))


def test_bars_are_as_high_as_their_share_and_the_line_is_at_the_threshold():
    rects, line = bars(histogram_svg(np.array([0.0, 0.0, 0.0, 1.0]), 0.5))
    (_, high), (_, low) = rects
    assert high == pytest.approx(3 * low)
    assert line == pytest.approx(160)


@pytest.mark.parametrize(
    ("scores", "threshold"),
    [([1.0], 1.0), ([0.0, 1.0], np.inf), ([0.0, np.inf], 2.0), ([-1e300, 1e300], 0.0), ([5.0] * 3, -np.inf)],
)
def test_histograms_of_odd_scores_have_only_finite_coordinates(scores, threshold):
    rects, line = bars(histogram_svg(np.array(scores), threshold))
    assert rects
    assert np.isfinite([line, *np.ravel(rects)]).all()


def test_sentences_are_escaped():
    assert "a &lt; b" in fitted_html("a < b", X[:, 0], 0.0, ["<script>"])
    assert "<script>" not in fitted_html("a < b", X[:, 0], 0.0, ["<script>"])


def test_an_unfitted_detector_shows_its_parameters_only():
    html = KNN(n_neighbors=7)._repr_html_()
    assert "n_neighbors" in html
    assert "training rows" not in html


@pytest.mark.parametrize("detector", [KNN(alpha=0.1), Blend(recipe="nearest", alpha=0.1)])
def test_a_fitted_detector_shows_rows_threshold_and_histogram(detector):
    html = detector.fit(X)._repr_html_()
    assert f"180 training rows, 20 calibration rows. Threshold {detector.threshold_:.4g} at alpha 0.1." in html
    assert len(re.findall("<svg[^>]*calibration scores", html)) == 1


def test_problems_in_training_are_listed():
    detector = EGBAD(training=TrainingConfig(steps=0), alpha=0.1, random_state=0).fit(X)
    detector.health_ = ["The loss diverged & was repaired."]
    assert "<li>The loss diverged &amp; was repaired.</li>" in detector._repr_html_()


def test_notebooks_get_html_unless_scikit_learn_is_set_to_text():
    assert set(KNN()._repr_mimebundle_()) == {"text/plain", "text/html"}
    with config_context(display="text"):
        assert set(KNN()._repr_mimebundle_()) == {"text/plain"}
