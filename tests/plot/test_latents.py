"""Tests of `egbad.plot.latents`."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from egbad import EGBAD
from egbad.errors import InvalidInputError
from egbad.plot import latent_scatter
from egbad.plot.latents import principal_components

X = np.random.default_rng(1).uniform(size=(30, 8, 8))


def points(ax):
    return [collection.get_offsets().data for collection in ax.collections]


def test_points_are_the_principal_components_of_the_latents(ax, egbad_images):
    latent_scatter(egbad_images, X, ax=ax)
    pca = PCA(2).fit(egbad_images.transform(X))
    assert np.allclose(np.abs(points(ax)[0]), np.abs(pca.transform(egbad_images.transform(X))))
    share = pca.explained_variance_ratio_[0]
    assert ax.get_xlabel() == f"first principal component ({share:.0%} of the variance)"


def test_signs_do_not_depend_on_the_decomposition():
    z = np.random.default_rng(0).normal(size=(50, 4)) * [3, 2, 1, 0.5]
    found, _ = principal_components(z)
    turned, _ = principal_components(z[::-1])
    assert np.allclose(found, turned[::-1])
    directions = np.linalg.lstsq(z - z.mean(axis=0), found, rcond=None)[0]
    assert (directions[np.abs(directions).argmax(axis=0), [0, 1]] > 0).all()


def test_one_latent_lies_on_a_line(ax):
    latent_scatter(np.array([[1.0], [3.0]]), ax=ax)
    assert points(ax)[0].tolist() == [[-1.0, 0.0], [1.0, 0.0]]


def test_equal_latents_have_no_variance(ax):
    latent_scatter(np.ones((5, 3)), ax=ax)
    assert ax.get_xlabel() == "first principal component (0% of the variance)"


def test_groups_have_entries_in_the_order_of_their_labels(ax):
    latent_scatter(np.random.default_rng(0).normal(size=(6, 3)), labels=[10, 9, 9, 10, 10, 2], ax=ax)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["2", "9", "10"]
    assert [len(group) for group in points(ax)] == [1, 2, 3]


def test_what_cannot_be_drawn_is_one_sentence(ax, knn, egbad_images):
    with pytest.raises(InvalidInputError, match=r"^latent_scatter needs a fitted detector with transform, got KNN"):
        latent_scatter(knn, X, ax=ax)
    with pytest.raises(InvalidInputError, match=r"^latent_scatter needs a fitted detector with calibration_scores_"):
        latent_scatter(EGBAD(), X, ax=ax)
    with pytest.raises(InvalidInputError, match=r"^latent_scatter needs rows or images X with a detector, got none\.$"):
        latent_scatter(egbad_images, ax=ax)
    with pytest.raises(InvalidInputError, match=r"^X must come with a fitted detector, got latent vectors\."):
        latent_scatter(np.ones((3, 2)), X, ax=ax)
    with pytest.raises(
        InvalidInputError, match=r"^Latent vectors must be finite numbers of shape .*, got shape \(3,\)"
    ):
        latent_scatter(np.ones(3), ax=ax)
    with pytest.raises(InvalidInputError, match=r"^labels must have shape \(3,\), one for each row, got \(2,\)\.$"):
        latent_scatter(np.ones((3, 2)), labels=[1, 2], ax=ax)
    with pytest.raises(InvalidInputError, match=r"^labels must have at most 24 different values, got 25\.$"):
        latent_scatter(np.ones((25, 2)), labels=np.arange(25), ax=ax)
