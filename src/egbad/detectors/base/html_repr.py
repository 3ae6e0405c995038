"""Detectors as HTML, for notebooks: scikit-learn's diagram of the parameters, then threshold, scores and problems."""

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
from sklearn import get_config
from sklearn.utils import estimator_html_repr

from egbad.arrays import Floats
from egbad.detectors.base.recalibrating import RecalibrateMixin

_WIDTH, _HEIGHT, _BINS = 320, 64, 40  # of the histogram, in pixels


def histogram_svg(scores: Floats, threshold: float) -> str:
    """Draw a histogram of scores with the threshold as a line, in the colours of the text around it.

    Parameters
    ----------
    scores : ndarray of shape (n,)
        Not empty.
    threshold : float

    Returns
    -------
    str
        An SVG element.

    Examples
    --------
    >>> histogram_svg(np.array([0.0, 0.5, 1.0]), 0.9).count("<rect")
    3
    """
    edges = np.array([*scores, threshold])
    edges = edges[np.isfinite(edges)]
    low, high = float(edges.min()), float(edges.max())
    span = high - low or 1.0
    counts = np.histogram(np.clip(scores, low, high), _BINS, (low, low + span))[0]
    heights, width = counts / counts.max() * (_HEIGHT - 4), _WIDTH / _BINS
    bars = "".join(
        f'<rect x="{i * width:g}" y="{_HEIGHT - height:.1f}" width="{width - 1:g}" height="{height:.1f}"/>'
        for i, height in enumerate(heights)
        if height
    )
    x = (min(max(threshold, low), high) - low) / span * (_WIDTH - 2) + 1
    line = f'<line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{_HEIGHT}" stroke="#d1495b" stroke-width="2"/>'
    label = f"Histogram of {len(scores):,} calibration scores from {low:.4g} to {high:.4g}; the line is the threshold"
    size = f'width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
    return f'<svg {size} role="img" aria-label="{label}"><g fill="currentColor" opacity="0.6">{bars}</g>{line}</svg>'


def fitted_html(sentence: str, scores: Floats, threshold: float, health: Sequence[str]) -> str:
    """Return the HTML of a fitted detector's threshold, calibration scores and problems in training."""
    problems = "".join(f"<li>{escape(text)}</li>" for text in health)
    return (
        '<div style="font: 0.9em sans-serif; margin: 0.5em 0">'
        f'<p style="margin: 0 0 0.5em">{escape(sentence)}</p>{histogram_svg(scores, threshold)}'
        + (f'<ul style="margin: 0.5em 0">{problems}</ul>' if problems else "")
        + "</div>"
    )


class HtmlReprMixin(RecalibrateMixin):
    """Shows a detector in notebooks: its parameters, and once it is fitted its threshold, scores and problems."""

    n_train_: int

    def _repr_html_(self) -> str:
        parameters = str(estimator_html_repr(self))
        if not hasattr(self, "calibration_scores_"):
            return parameters
        sentence = (
            f"Fitted: {self.n_train_:,} training rows, {self.n_calibration_:,} calibration rows. "
            f"Threshold {self.threshold_:.4g} at alpha {self.alpha:g}."
        )
        health = getattr(self, "health_", ())  # of detectors with networks
        return parameters + fitted_html(sentence, self.calibration_scores_, self.threshold_, health)

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        bundle = {"text/plain": repr(self)}
        return bundle | {"text/html": self._repr_html_()} if get_config()["display"] == "diagram" else bundle
