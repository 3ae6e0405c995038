import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from egbad.detectors import KNN
from egbad.detectors.knn import distance_shares, standardize_rows
from egbad.preprocessing import Preprocessing


def test_score_equals_mean_distance_of_scikit_learn(fit, new_rows):
    reference = fit(KNN(n_neighbors=3))
    distances, _ = NearestNeighbors(n_neighbors=3).fit(reference.train).kneighbors(reference.new)
    assert np.allclose(reference.detector.anomaly_score(new_rows), distances.mean(1))


@pytest.mark.parametrize("metric", ["euclidean", "correlation"])
def test_training_rows_have_distance_zero(metric):
    x = 1e3 + np.random.default_rng(0).normal(size=(400, 40))  # so many columns that neighbours are found by products
    detector = KNN(
        n_neighbors=1, metric=metric, preprocessing=Preprocessing(scaling="none"), alpha=0.1, random_state=0
    ).fit(x)
    order = np.random.default_rng(detector.seed_).permutation(400)
    assert (detector.anomaly_score(x[order[40:]]) == 0).all()
    assert (detector.anomaly_score(x[order[:40]]) > 0).all()


def test_standardized_rows_have_mean_zero_and_length_one():
    x = standardize_rows(np.array([[1.0, 2.0, 6.0], [4.0, 4.0, 4.0]]))
    assert np.allclose(x.mean(1), 0)
    assert np.linalg.norm(x, axis=1) == pytest.approx([1, 0])


@pytest.mark.parametrize(("metric", "order"), [("euclidean", 2), ("correlation", 2), ("manhattan", 1)])
def test_distance_shares_add_up_to_the_distance(metric, order):
    differences = np.random.default_rng(0).normal(size=(4, 3, 5))
    differences[0, 0] = 0
    shares = distance_shares(differences, metric)
    assert (shares >= 0).all()
    assert np.allclose(shares.sum(2), np.linalg.norm(differences, ord=order, axis=2))
