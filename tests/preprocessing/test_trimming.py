"""Trimming: what is unlike all else goes, and nothing else moves."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from egbad.detectors.knn import KNN
from egbad.preprocessing import Preprocessing
from egbad.preprocessing.trimming import inlier_indices


def dirty(n, strange, seed):
    """Rows of two clusters, and at the end some of a third, farther out."""
    rng = np.random.default_rng(seed)
    normal = np.where(rng.random((n, 1)) < 0.5, -3, 3) + rng.normal(size=(n, 4))
    return np.concatenate([normal, rng.normal(loc=9, size=(strange, 4))])


def test_the_strange_go_first():
    kept = inlier_indices(dirty(950, 50, 0), 0.1, seed=0)
    assert len(kept) == 900
    assert (np.diff(kept) > 0).all()
    assert (kept >= 950).sum() <= 5


@pytest.mark.parametrize("shape", [(60, 8, 8), (60, 3, 8, 8)])
def test_images_are_trimmed_too(shape):
    x = np.random.default_rng(0).normal(size=shape)
    x[7] += 9
    assert 7 not in inlier_indices(x, 0.05, seed=0)


def test_a_neighbour_that_learned_anomalies_finds_them_again():
    x, test = dirty(950, 50, 0), dirty(500, 500, 1)
    strange = np.arange(1000) >= 500
    with_them, without = (
        roc_auc_score(
            strange,
            KNN(n_neighbors=1, preprocessing=Preprocessing(trim_fraction=trim), alpha=0.05, random_state=0)
            .fit(x)
            .anomaly_score(test),
        )
        for trim in (0, 0.1)
    )
    assert with_them < 0.9 < 0.99 < without
