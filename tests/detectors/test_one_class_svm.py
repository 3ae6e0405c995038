import numpy as np
import pytest
from sklearn import svm
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import SGDOneClassSVM

from egbad.detectors import OneClassSVM
from egbad.preprocessing import Preprocessing

NO_GUARD = Preprocessing(range_guard=False)


def test_exact_score_equals_that_of_scikit_learn(fit, new_rows):
    reference = fit(OneClassSVM(nu=0.2, gamma=0.3, preprocessing=NO_GUARD))
    exact = svm.OneClassSVM(nu=0.2, gamma=0.3).fit(reference.train)
    assert np.allclose(reference.detector.anomaly_score(new_rows), -exact.score_samples(reference.new))
    assert reference.detector.describe()["kernel"] == "exact"


def test_approximate_score_equals_that_of_scikit_learn(fit, new_rows):
    reference = fit(OneClassSVM(gamma=0.3, max_exact=100, n_components=40, preprocessing=NO_GUARD))
    random_state = reference.random_state
    kernel = Nystroem(gamma=0.3, n_components=40, random_state=random_state)
    approximate = SGDOneClassSVM(nu=0.1, random_state=random_state).fit(kernel.fit_transform(reference.train))
    expected = -approximate.score_samples(kernel.transform(reference.new))
    assert np.allclose(reference.detector.anomaly_score(new_rows), expected)
    assert reference.detector.describe()["kernel"] == "Nystroem on 40 rows"


@pytest.mark.parametrize("gamma", ["scale", "auto"])
def test_gamma_equals_that_of_scikit_learn(fit, new_rows, gamma):
    reference = fit(OneClassSVM(gamma=gamma, preprocessing=NO_GUARD))
    exact = svm.OneClassSVM(nu=0.1, gamma=gamma).fit(reference.train)
    assert np.allclose(reference.detector.anomaly_score(new_rows), -exact.score_samples(reference.new))
