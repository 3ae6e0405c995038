"""Graphs of methods without networks against their detectors."""

import numpy as np
import pandas as pd
import pytest
import torch

from egbad.detectors.registry import create
from egbad.export.graph import DetectorGraph

BY_RANK = {"preprocessing__scaling": "rank_normal"}
DETECTORS = [
    ("gaussian", {}),
    ("knn", {"whitening": "local", **BY_RANK}),
    ("knn", {"score_type": "density_ratio", "metric": "euclidean"}),
    ("feature_bagging", {}),
    ("feature_bagging", {"max_features": (2,), "combination": "tail", **BY_RANK}),
    ("column_gap", {}),
    ("column_density", {}),
    ("blend", {}),
]


def table(n, seed):
    rng = np.random.default_rng(seed)
    x = np.column_stack([rng.normal(size=n), rng.integers(0, 4, n), rng.exponential(size=n)])
    return pd.DataFrame(x, columns=[*"abc"]).assign(
        d=rng.choice([*"xyz"], n), e=np.where(rng.random(n) < 0.1, np.nan, x[:, 0])
    )


@pytest.mark.parametrize(("name", "options"), DETECTORS)
def test_graphs_give_the_scores_of_the_detectors(name, options):
    detector = create(name, alpha=0.1, random_state=0, **options).fit(table(300, 0))
    new = table(60, 1)
    new.loc[:4, "a"] = [7.0, -8.0, 1e6, np.nan, 0.0]
    x = detector.check_input(new).x
    graph = DetectorGraph(detector).eval()
    with torch.no_grad():
        score = graph(torch.from_numpy(x.astype(np.float64)))[0].numpy()
    assert score == pytest.approx(detector.anomaly_score(new), rel=1e-4, abs=1e-4)
