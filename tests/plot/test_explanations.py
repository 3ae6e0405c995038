"""Tests of `egbad.plot.explanations`."""

import numpy as np
import pandas as pd
import pytest

from egbad.detectors import KNN
from egbad.errors import InvalidInputError
from egbad.explain import Explanation
from egbad.plot import explanation_bars


def explanation(shares, base=0.0, columns=None):
    shares = np.array([shares, shares], dtype=float)
    names = columns or tuple(f"c{j}" for j in range(shares.shape[1]))
    total = shares.sum(axis=1) + base
    return Explanation(
        total, np.full(2, base), shares, np.ones_like(shares), np.zeros_like(shares), names, "exact"
    )  # fmt: skip


def labels(ax):
    return [text.get_text() for text in ax.get_yticklabels()]


def widths(ax):
    """Return the lengths of the bars from top to bottom."""
    return [patch.get_width() for patch in sorted(ax.patches, key=lambda patch: patch.get_y())]


def test_bars_are_sorted_and_add_up_to_the_score(ax):
    explanation_bars(explanation([1.0, -3.0, 5.0, 0.5, 0.25], base=2.0), k=3, ax=ax)
    assert widths(ax) == [5.0, 1.0, -3.0, 0.75, 2.0]
    assert [text.partition(" =")[0] for text in labels(ax)] == [
        *("c2", "c0", "c1", "2 other columns", "not explained by columns")
    ]
    assert ax.get_title() == "anomaly score 5.75" and ax.yaxis_inverted()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["raises the score", "lowers the score"]


def test_names_are_followed_by_observed_and_expected_values(ax):
    rng = np.random.default_rng(0)
    kind = rng.choice(["a", "b"], 300)
    X = pd.DataFrame({"size": rng.normal(10, 1, 300).round(1), "kind": kind})
    detector = KNN(alpha=0.1, random_state=0).fit(X)
    explanation_bars(detector.explain(pd.DataFrame({"size": [50.0], "kind": ["a"]})), ax=ax)
    assert labels(ax)[0].startswith("size = 50, expected 1")
    assert labels(ax)[1] == "kind = a"


def test_a_missing_value_is_called_missing(ax):
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(200, 2)), columns=["a", "b"])
    detector = KNN(alpha=0.1, random_state=0).fit(X)
    explanation_bars(detector.explain(pd.DataFrame({"a": [np.nan], "b": [0.0]})), ax=ax)
    assert any(text.startswith("a = missing") for text in labels(ax))


def test_rows_are_counted_from_the_end_too(ax):
    both = explanation([1.0, 2.0])
    assert widths(explanation_bars(both, -1, ax=ax)) == [2.0, 1.0]


def test_what_cannot_be_drawn_is_one_sentence(ax, egbad_images):
    with pytest.raises(InvalidInputError, match=r"^explanation must be what detector\.explain returns, got list\."):
        explanation_bars([1.0], ax=ax)
    with pytest.raises(InvalidInputError, match=r"^row must be one of 2 explained rows, got 2\.$"):
        explanation_bars(explanation([1.0]), 2, ax=ax)
    with pytest.raises(InvalidInputError, match=r"^k must be at least 1, got 0\.$"):
        explanation_bars(explanation([1.0]), k=0, ax=ax)
    images = egbad_images.explain(np.random.default_rng(0).uniform(size=(1, 8, 8)))
    with pytest.raises(InvalidInputError, match=r"^explanation_bars needs the explanation of rows, got one of images"):
        explanation_bars(images, ax=ax)
