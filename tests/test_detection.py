"""Anomalies among the rows of one data set."""

import numpy as np
import pytest
from sklearn.base import clone

from egbad import Preprocessing, detect
from egbad.detectors import KNN
from egbad.errors import InvalidInputError


def contaminated(n, n_anomalies, seed):
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.uniform(-9, 9, size=(n_anomalies, 5)), rng.normal(size=(n - n_anomalies, 5))])


def test_obvious_anomalies_are_found_although_models_learn_from_them():
    found = detect(contaminated(600, 30, 0), contamination=0.05)
    assert found.labels_.sum() == 30 and found.labels_[:30].sum() >= 28
    assert np.array_equal(found.labels_ == 1, found.p_values_ <= 0.05)
    assert np.array_equal(found.labels_ == 1, found.decision_scores_ > found.threshold_)


def test_anomalies_that_resemble_each_other_are_found():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(loc=6, scale=0.3, size=(30, 5)), rng.normal(size=(570, 5))])
    assert detect(x, contamination=0.05).labels_[:30].sum() >= 25
    untrimmed = KNN(random_state=0, preprocessing=Preprocessing(trim_fraction=0))
    assert detect(x, untrimmed, contamination=0.05).labels_[:30].sum() < 25


def test_each_row_is_scored_by_a_model_that_did_not_learn_it():
    x = contaminated(100, 5, 0)
    found = detect(x, "knn", n_folds=4)
    assert sorted(np.concatenate([fold.rows for fold in found.folds_])) == [*range(100)]
    for fold in found.folds_:
        alone = KNN(random_state=0, alpha=0.5, preprocessing=Preprocessing(trim_fraction=0.2))
        alone.fit(np.delete(x, fold.rows, axis=0))
        assert np.array_equal(found.decision_scores_[fold.rows], alone.anomaly_score(x[fold.rows]))


def test_normal_rows_have_a_p_value_of_at_most_a_with_probability_at_most_a():
    detector = KNN(random_state=0, preprocessing=Preprocessing(trim_fraction=0))  # fast
    for n_anomalies in (0, 30):
        shares = [
            np.mean(detect(contaminated(200, n_anomalies, seed), detector).p_values_[n_anomalies:] <= 0.1)
            for seed in range(20)
        ]
        assert np.mean(shares) <= 0.1 / (1 - n_anomalies / 200) + 1e-9


def test_a_detector_with_parameters_stays_as_it_is_and_keeps_its_seed():
    x, detector = contaminated(100, 5, 0), KNN(n_neighbors=1, random_state=3)
    found = detect(x, detector)
    assert not hasattr(detector, "encoder_")
    assert np.array_equal(detect(x, clone(detector), random_state=9).decision_scores_, found.decision_scores_)
    assert {fold.detector.n_neighbors for fold in found.folds_} == {1}


def test_errors_are_sentences():
    x = contaminated(20, 2, 0)
    with pytest.raises(InvalidInputError, match=r"contamination must be in \(0, 1\), got 2."):
        detect(x, "knn", contamination=2)
    with pytest.raises(InvalidInputError, match="n_folds must be at least 2, got 1."):
        detect(x, "knn", n_folds=1)
    with pytest.raises(InvalidInputError, match="need at least three rows, got n_samples = 2."):
        detect(x[:2], "knn")
    with pytest.raises(InvalidInputError, match="There is no detector 'knm'. Did you mean 'knn'?"):
        detect(x, "knm")


def test_there_are_at_most_as_many_folds_as_rows():
    assert len(detect(contaminated(4, 1, 0), "knn", n_folds=9).folds_) == 4
