import numpy as np
import pytest
from sklearn.covariance import LedoitWolf

from egbad.detectors import Gaussian
from egbad.detectors.gaussian import shrunken_components
from egbad.errors import InvalidInputError


def test_distance_equals_that_of_scikit_learn(fit, new_rows):
    reference = fit(Gaussian())
    covariance = LedoitWolf().fit(reference.train)
    assert np.allclose(reference.detector.anomaly_score(new_rows), covariance.mahalanobis(reference.new))


def test_distance_equals_that_of_scikit_learn_with_fewer_rows_than_values():
    x, new = (np.random.default_rng(seed).normal(size=(30, 8, 10)) for seed in (0, 1))
    detector = Gaussian(alpha=0.3, random_state=0).fit(x)
    kept = np.sort(np.random.default_rng(0).permutation(30)[3:])
    train, encoded = (detector.encoder_.encode(images).reshape(len(images), -1) for images in (x[kept], new))
    assert detector.learned_["components"].shape == (27, 80)
    expected = LedoitWolf().fit(train.astype(np.float64)).mahalanobis(encoded.astype(np.float64))
    assert np.allclose(detector.anomaly_score(new), expected)


def test_components_of_two_columns():
    centred = np.array([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]])  # variances 2 and 0.5, mu 1.25
    components, variances, noise = shrunken_components(centred, 0.2)
    assert np.allclose(np.abs(components), [[0, 1], [1, 0]])
    assert variances == pytest.approx([0.8 * 0.5 + 0.25, 0.8 * 2 + 0.25])
    assert noise == pytest.approx(0.25)


def test_full_shrinkage_counts_all_directions_alike(fit, new_rows):
    reference = fit(Gaussian(shrinkage=1.0))
    centred = reference.train - reference.train.mean(0)
    expected = ((reference.new - reference.train.mean(0)) ** 2).sum(1) / (centred**2).mean()
    assert np.allclose(reference.detector.anomaly_score(new_rows), expected)


def test_no_shrinkage_gives_the_plain_covariance(fit, new_rows):
    reference = fit(Gaussian(shrinkage=0.0))
    centred = reference.new - reference.train.mean(0)
    precision = np.linalg.inv(np.cov(reference.train.T, bias=True))
    assert np.allclose(reference.detector.anomaly_score(new_rows), ((centred @ precision) * centred).sum(1))


def test_expected_values_are_the_means_given_the_other_columns(fit, new_rows):
    reference = fit(Gaussian(shrinkage=0.0))
    explanation = reference.detector.explain(new_rows)
    covariance, mean = np.cov(reference.train.T, bias=True), reference.train.mean(0)
    others = [1, 2, 3, 4]
    slope = np.linalg.solve(covariance[np.ix_(others, others)], covariance[others, 0])
    first = mean[0] + (reference.new[:, others] - mean[others]) @ slope
    found = reference.detector.encoder_.encode(explanation.expected)[:, 0]
    assert np.allclose(found, first, atol=1e-4)
    assert np.allclose(explanation.shares.sum(1), explanation.score)


def test_distance_is_finite_where_columns_are_constant(rows):
    x = np.column_stack([rows, np.ones(len(rows))])
    for shrinkage in (None, 0.0):
        detector = Gaussian(alpha=0.05, random_state=0, shrinkage=shrinkage).fit(x)
        moved = x[:20] + np.array([0, 0, 0, 0, 0, 0.5])
        assert (detector.anomaly_score(moved) > detector.threshold_).all()


def test_shrinkage_outside_its_range_is_refused(rows):
    with pytest.raises(InvalidInputError, match="shrinkage: input should be less than or equal to 1, got 2"):
        Gaussian(shrinkage=2.0).fit(rows)
