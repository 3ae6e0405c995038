"""The module of a fitted detector, and detectors that have none."""

import numpy as np
import pytest
import torch

from egbad.errors import InvalidInputError
from egbad.export.graph import DetectorGraph, NegativeLogTailGraph
from egbad.scoring.calibration import NegativeLogTail

REFUSED = ["adgan", "anogan", "isolation_forest", "lof", "one_class_svm", "pca"]


def test_score_is_the_sum_of_the_terms_and_the_reconstruction_comes_last(fit_quickly, correlated_table):
    detector = fit_quickly("egbad", correlated_table(100, 0))
    graph = DetectorGraph(detector).eval()
    x = torch.from_numpy(correlated_table(5, 1))
    with torch.no_grad():
        score, *terms, reconstruction = graph(x)
    assert torch.allclose(score, sum(terms))
    assert score.numpy() == pytest.approx(detector.anomaly_score(x.numpy()), rel=1e-5)
    assert np.allclose(reconstruction.numpy(), detector.reconstruct(x.numpy()), atol=1e-3)


def test_a_detector_without_reconstruction_has_score_and_terms_only(fit_quickly, correlated_table):
    detector = fit_quickly("knn", correlated_table(100, 0))
    outputs = DetectorGraph(detector)(torch.from_numpy(correlated_table(5, 1)))
    assert len(outputs) == 2 and not DetectorGraph(detector).reconstructs


@pytest.mark.parametrize("n_calibration", [1, 9, 400])
def test_the_negative_log_tail_agrees_with_that_of_the_library(n_calibration):
    rng = np.random.default_rng(0)
    tail = NegativeLogTail(rng.exponential(size=n_calibration))
    scores = np.r_[tail.values, rng.exponential(size=50) * 3, -1.0]
    graph = NegativeLogTailGraph(tail, weight=0.5)
    assert graph(torch.from_numpy(scores)).numpy() == pytest.approx(0.5 * tail(scores), rel=1e-9)


@pytest.mark.parametrize("name", REFUSED)
def test_a_detector_without_a_graph_is_refused(name, fit_quickly, correlated_table):
    with pytest.raises(InvalidInputError, match="cannot be exported") as error:
        DetectorGraph(fit_quickly(name, correlated_table(100, 0), members=1))
    assert len(str(error.value).splitlines()) == 1


def test_a_blend_with_a_part_without_a_graph_is_refused(fit_quickly, correlated_table):
    with pytest.raises(InvalidInputError, match="LOF cannot be exported"):
        DetectorGraph(fit_quickly("blend", correlated_table(100, 0), parts=("nearest", "lof")))


def test_other_metrics_of_nearest_neighbours_are_refused(fit_quickly, correlated_table):
    with pytest.raises(InvalidInputError, match="metric must be 'euclidean' or 'correlation'"):
        DetectorGraph(fit_quickly("knn", correlated_table(100, 0), metric="manhattan"))
