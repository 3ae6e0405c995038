import numpy as np
import pytest
from sklearn.neighbors import LocalOutlierFactor

from egbad.detectors import LOF
from egbad.detectors.lof import local_reachability_density


def test_score_equals_the_outlier_factor_of_scikit_learn(fit, new_rows):
    reference = fit(LOF(n_neighbors=7))
    lof = LocalOutlierFactor(n_neighbors=7, novelty=True).fit(reference.train)
    assert np.allclose(reference.detector.anomaly_score(new_rows), -lof.score_samples(reference.new))
    assert np.allclose(reference.detector.learned_["density"], lof._lrd)


def test_local_reachability_density_by_hand():
    assert local_reachability_density(np.array([[1.0, 2.0]]), np.array([[3.0, 1.0]]))[0] == pytest.approx(1 / 2.5)
