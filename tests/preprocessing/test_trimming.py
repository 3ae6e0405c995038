"""Trimming of training data with unnoticed anomalies."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from egbad.data.ragged import ragged_array
from egbad.detectors.knn import KNN
from egbad.errors import InvalidInputError
from egbad.preprocessing import Preprocessing
from egbad.preprocessing.trimming import inlier_indices, trim


def contaminated(n, n_anomalies, seed):
    """Return normal rows of two clusters, followed by anomalies of a third cluster farther out."""
    rng = np.random.default_rng(seed)
    normal = np.where(rng.random((n, 1)) < 0.5, -3, 3) + rng.normal(size=(n, 4))
    return np.concatenate([normal, rng.normal(loc=9, size=(n_anomalies, 4))])


def test_anomalies_are_trimmed_first_and_the_order_stays():
    kept = inlier_indices(contaminated(950, 50, 0), 0.1, seed=0)
    assert len(kept) == 900
    assert (np.diff(kept) > 0).all()
    assert (kept >= 950).sum() <= 5


@pytest.mark.parametrize("shape", [(60, 8, 8), (60, 3, 8, 8)])
def test_images_are_trimmed(shape):
    x = np.random.default_rng(0).normal(size=shape)
    x[7] += 9
    assert 7 not in inlier_indices(x, 0.05, seed=0)


def test_trimming_repairs_a_detector_that_was_fitted_on_anomalies():
    x, test = contaminated(950, 50, 0), contaminated(500, 500, 1)
    is_anomaly = np.arange(1000) >= 500
    untrimmed, trimmed = (
        roc_auc_score(
            is_anomaly,
            KNN(n_neighbors=1, preprocessing=Preprocessing(trim_fraction=trim), alpha=0.05, random_state=0)
            .fit(x)
            .anomaly_score(test),
        )
        for trim in (0, 0.1)
    )
    assert untrimmed < 0.9 < 0.99 < trimmed


def test_rows_with_missing_values_are_trimmed_by_their_encoding():
    x = contaminated(950, 50, 0)
    x[::10, 1] = np.nan
    kept = trim(x, 0.1, seed=0)
    assert kept.shape == (900, 4)
    assert (kept[:, 0] > 6).sum() <= 5
    assert trim(x, 0.0, seed=0) is x


def test_images_of_different_sizes_are_refused():
    with pytest.raises(InvalidInputError, match="images of one size"):
        trim(ragged_array([np.zeros((8, 8)), np.zeros((9, 9))]), 0.1, seed=0)
