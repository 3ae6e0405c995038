"""The table that `egbad detect` writes."""

import numpy as np
import pytest

from egbad.cli.run_detect import detection_columns
from egbad.data import as_data
from egbad.detection import detect


@pytest.mark.parametrize("n_folds", [2, 7])
def test_rows_come_in_their_order_with_the_scores_of_their_folds(n_folds):
    x = np.random.default_rng(0).normal(size=(40, 3))
    found = detect(x, "knn", n_folds=n_folds)
    columns = detection_columns(as_data(x), found, terms=True, n_reasons=None)
    assert [*columns] == ["row", "score", "p_value", "anomaly", "distance"]
    assert columns["row"].tolist() == [*range(40)]
    assert np.array_equal(columns["score"], found.decision_scores_)
    assert np.array_equal(columns["anomaly"], found.labels_ == 1)
    assert np.array_equal(columns["p_value"], found.p_values_)
