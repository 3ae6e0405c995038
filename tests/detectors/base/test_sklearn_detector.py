"""scikit-learn's detectors: ours score as they do."""

import numpy as np
import pytest
from sklearn import decomposition, ensemble, kernel_approximation, linear_model, neighbors, svm

from egbad.detectors import KNN, LOF, PCA, IsolationForest, OneClassSVM
from egbad.detectors.isolation_forest import average_path_length
from egbad.detectors.lof import local_reachability_density
from egbad.preprocessing import Preprocessing


def scene(n, seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 2)) @ rng.normal(size=(2, 5)) + rng.normal(scale=0.3, size=(n, 5))


X, NEW = scene(500, 0), scene(80, 1)


def fit(detector):
    """The detector, its encoded training rows and encoded new ones, as scikit-learn meets them."""
    detector.set_params(alpha=0.05, random_state=0, preprocessing__drop_duplicates=False).fit(X)
    kept = np.sort(np.random.default_rng(detector.seed_).permutation(500)[50:])
    return detector, *(detector.encoder_.encode(rows).astype(np.float64) for rows in (X[kept], NEW))


def test_distances_are_scikit_learns():
    detector, train, new = fit(KNN(n_neighbors=3))
    distances, _ = neighbors.NearestNeighbors(n_neighbors=3).fit(train).kneighbors(new)
    assert np.allclose(detector.anomaly_score(NEW), distances.mean(1))


@pytest.mark.parametrize("metric", ["euclidean", "correlation"])
def test_a_known_row_is_at_no_distance_at_all(metric):
    x = 1e3 + np.random.default_rng(0).normal(size=(400, 40))  # so wide that neighbours are found by products
    detector = KNN(
        n_neighbors=1, metric=metric, preprocessing=Preprocessing(scaling="none"), alpha=0.1, random_state=0
    ).fit(x)
    order = np.random.default_rng(detector.seed_).permutation(400)
    assert (detector.anomaly_score(x[order[40:]]) == 0).all()
    assert (detector.anomaly_score(x[order[:40]]) > 0).all()


def test_local_outlier_factors_are_scikit_learns():
    detector, train, new = fit(LOF(n_neighbors=7))
    lof = neighbors.LocalOutlierFactor(n_neighbors=7, novelty=True).fit(train)
    assert np.allclose(detector.anomaly_score(NEW), -lof.score_samples(new))
    assert np.allclose(detector.learned_["density"], lof._lrd)


def test_reachability_by_hand():
    assert local_reachability_density(np.array([[1.0, 2.0]]), np.array([[3.0, 1.0]]))[0] == pytest.approx(1 / 2.5)


def test_path_lengths_are_the_papers():
    # c(2) = 1; c(256) = 2 H(255) - 2 * 255 / 256, about 10.24 as the paper's figure 3 shows.
    assert average_path_length(np.array([1, 2])).tolist() == [0, 1]
    harmonic = sum(1 / i for i in range(1, 256))
    assert average_path_length(np.array(256)) == pytest.approx(2 * harmonic - 2 * 255 / 256, abs=0.005)


def test_isolation_is_scikit_learns():
    detector, train, new = fit(
        IsolationForest(n_estimators=20, max_samples=100, preprocessing=Preprocessing(range_guard=False))
    )
    seeds = np.random.default_rng(detector.seed_)
    seeds.permutation(500)
    state = np.random.RandomState(int(seeds.integers(2**31)))
    forest = ensemble.IsolationForest(n_estimators=20, max_samples=100, random_state=state).fit(train)
    assert np.allclose(detector.anomaly_score(NEW), -forest.score_samples(new))


@pytest.mark.parametrize("n_components", [2, 0.9])
def test_residuals_and_likelihoods_are_scikit_learns(n_components):
    detector, train, new = fit(PCA(n_components=n_components, score_type="residual"))
    pca = decomposition.PCA(n_components).fit(train)
    residual = ((new - pca.inverse_transform(pca.transform(new))) ** 2).sum(1)
    assert np.allclose(detector.anomaly_score(NEW), residual)
    detector, *_ = fit(PCA(n_components=n_components))
    assert np.allclose(detector.anomaly_score(NEW), -pca.score_samples(new))


def test_a_column_that_never_moves_has_no_infinite_likelihood():
    x = np.column_stack([X, np.ones(500)])
    detector = PCA(n_components=6, alpha=0.05, random_state=0).fit(x)
    assert np.isfinite(detector.anomaly_score(x + 0.5)).all()


def test_the_exact_machine_is_scikit_learns():
    detector, train, new = fit(OneClassSVM(nu=0.2, gamma=0.3, preprocessing=Preprocessing(range_guard=False)))
    exact = svm.OneClassSVM(nu=0.2, gamma=0.3).fit(train)
    assert np.allclose(detector.anomaly_score(NEW), -exact.score_samples(new))
    assert detector.describe()["kernel"] == "exact"


def test_the_approximate_machine_is_scikit_learns():
    detector, train, new = fit(
        OneClassSVM(gamma=0.3, max_exact=100, n_components=40, preprocessing=Preprocessing(range_guard=False))
    )
    seeds = np.random.default_rng(detector.seed_)
    seeds.permutation(500)
    state = np.random.RandomState(int(seeds.integers(2**31)))
    kernel = kernel_approximation.Nystroem(gamma=0.3, n_components=40, random_state=state)
    machine = linear_model.SGDOneClassSVM(nu=0.1, random_state=state)
    mapped = kernel.fit_transform(train)
    machine.fit(mapped)
    assert np.allclose(detector.anomaly_score(NEW), -machine.score_samples(kernel.transform(new)))
    assert detector.describe()["kernel"] == "Nystroem on 40 rows"


def test_gamma_is_scikit_learns():
    for gamma in ("scale", "auto"):
        detector, train, new = fit(OneClassSVM(gamma=gamma, preprocessing=Preprocessing(range_guard=False)))
        assert np.allclose(
            detector.anomaly_score(NEW), -svm.OneClassSVM(nu=0.1, gamma=gamma).fit(train).score_samples(new)
        )


def test_the_guard_takes_rows_to_the_edge_and_counts_the_way():
    detector, train, _ = fit(IsolationForest())
    far = X[:1].copy()
    far[0, 2] += 50
    terms, at_edge = detector.score_terms(far), detector.encoder_.encode(far)
    edge = np.clip(at_edge, train.min(0), train.max(0))
    way = np.abs(at_edge - edge).sum()
    assert way > 10
    assert terms["range_penalty"][0] == pytest.approx(detector.range_guard_.spread * way, rel=1e-5)
    assert terms["isolation"][0] == detector._terms(edge.astype(np.float32))["isolation"][0]
    assert (detector.score_terms(X)["range_penalty"] <= detector.range_guard_.spread * 5).all()
