"""Tests of `egbad.plot.reconstructions`."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from egbad.errors import InvalidInputError
from egbad.plot import reconstruction_grid
from tests.plot.contrast import contrast

X = np.random.default_rng(1).uniform(size=(3, 8, 8))


def shown(ax):
    return np.asarray(ax.get_images()[0].get_array())


def test_lines_are_image_reconstruction_and_difference():
    redrawn = X.copy()
    redrawn[0, 2, 3] -= 0.5
    axes = reconstruction_grid(redrawn, X, levels=(0.0, 1.0), axes=Figure())
    assert axes.shape == (3, 3)
    assert np.abs(shown(axes[0, 1]) - 255 * X[1]).max() <= 0.5
    assert shown(axes[2, 0])[2, 3] == pytest.approx(0.5) and np.count_nonzero(shown(axes[2, 0])) == 1
    assert axes[2, 0].get_images()[0].get_clim() == axes[2, 2].get_images()[0].get_clim() == pytest.approx((-0.5, 0.5))
    assert axes[0, 0].figure.axes[-1].get_ylabel() == "difference\nin pixel values"


def test_a_detector_reconstructs_and_gives_scores_as_titles(egbad_images):
    axes = reconstruction_grid(egbad_images, X, axes=Figure())
    assert [ax.get_title() for ax in axes[0]] == [f"{score:.3g}" for score in egbad_images.anomaly_score(X)]
    assert np.allclose(shown(axes[2, 1]), X[1] - egbad_images.reconstruct(X)[1])


def test_colour_images_with_channels_first_or_last():
    first = np.random.default_rng(0).integers(0, 256, (2, 3, 8, 9)).astype(np.uint8)
    by_first = reconstruction_grid(first, first, axes=Figure())
    by_last = reconstruction_grid(np.moveaxis(first, 1, -1), np.moveaxis(first, 1, -1), axes=Figure())
    assert shown(by_first[0, 0]).shape == (8, 9, 3)
    assert np.array_equal(shown(by_first[0, 1]), shown(by_last[0, 1]))
    assert not shown(by_first[2, 0]).any()


def test_axes_of_the_user_are_drawn_on():
    own = Figure().subplots(3, 3)
    assert reconstruction_grid(X, X, titles=["a", "b", "c"], axes=own) is own
    assert len(own[0, 0].figure.axes) == 9 and own[0, 2].get_title() == "c"


def test_labels_are_visible_in_light_and_dark_styles(style):
    figure = Figure()
    axes = reconstruction_grid(X, X, titles=["a", "b", "c"], axes=figure)
    background = figure.get_facecolor()
    texts = [axes[0, 0].title, axes[0, 0].yaxis.label, figure.axes[-1].yaxis.label]
    assert all(text.get_text() and contrast(text.get_color(), background) > 4.5 for text in texts)


def test_constant_images_are_drawn():
    axes = reconstruction_grid(np.ones((1, 8, 8)), np.ones((1, 8, 8)), axes=Figure())
    assert axes.shape == (3, 1)


def test_what_cannot_be_drawn_is_one_sentence(knn):
    with pytest.raises(InvalidInputError, match=r"^reconstruction_grid needs a fitted detector with reconstruct, got"):
        reconstruction_grid(knn, X)
    with pytest.raises(InvalidInputError, match=r"^Reconstructions must have the shape of X, \(3, 1, 8, 8\), got"):
        reconstruction_grid(X[:2], X)
    with pytest.raises(InvalidInputError, match=r"^X must be images of one size, of shape \(n_samples, \[channels,\]"):
        reconstruction_grid(X[0], X[0])
    with pytest.raises(InvalidInputError, match=r"^X must be 1 to 20 images, got 21\. Pass a few of them\.$"):
        reconstruction_grid(np.ones((21, 8, 8)), np.ones((21, 8, 8)))
    with pytest.raises(InvalidInputError, match=r"^titles must be one for each of 3 images, got 1\.$"):
        reconstruction_grid(X, X, titles=["a"])
    with pytest.raises(
        InvalidInputError, match=r"^axes must be an array of Axes of shape \(3, 3\), got shape \(2, 2\)"
    ):
        reconstruction_grid(X, X, axes=Figure().subplots(2, 2))
    with pytest.raises(
        InvalidInputError, match=r"^axes must be a figure of matplotlib or an array of Axes, got str\.$"
    ):
        reconstruction_grid(X, X, axes="new")
