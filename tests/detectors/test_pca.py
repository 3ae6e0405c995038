import numpy as np
import pytest
from sklearn import decomposition

from egbad.detectors import PCA


@pytest.mark.parametrize("n_components", [2, 0.9])
def test_residual_equals_that_of_scikit_learn(fit, new_rows, n_components):
    reference = fit(PCA(n_components=n_components, score_type="residual"))
    pca = decomposition.PCA(n_components).fit(reference.train)
    residual = ((reference.new - pca.inverse_transform(pca.transform(reference.new))) ** 2).sum(1)
    assert np.allclose(reference.detector.anomaly_score(new_rows), residual)


@pytest.mark.parametrize("n_components", [2, 0.9])
def test_likelihood_equals_that_of_scikit_learn(fit, new_rows, n_components):
    reference = fit(PCA(n_components=n_components))
    pca = decomposition.PCA(n_components).fit(reference.train)
    assert np.allclose(reference.detector.anomaly_score(new_rows), -pca.score_samples(reference.new))


def test_likelihood_is_finite_where_a_column_is_constant(rows):
    x = np.column_stack([rows, np.ones(len(rows))])
    detector = PCA(n_components=6, alpha=0.05, random_state=0).fit(x)
    assert np.isfinite(detector.anomaly_score(x + 0.5)).all()
