"""Model files (`.egbad`): loading and scoring."""

import tempfile
from pathlib import Path

import numpy as np

from egbad import load
from egbad.detectors.isolation_forest import IsolationForest
from egbad.detectors.knn import KNN
from tests.fuzz.harness import Target

X = np.random.default_rng(0).normal(size=(40, 3))
NEW = np.random.default_rng(1).normal(size=(5, 3))


def check(path: Path) -> None:
    """Load a model and score rows with it."""
    assert not np.isnan(load(path).anomaly_score(NEW)).any()


def seeds() -> list[bytes]:
    """Return the files of small fitted detectors."""
    files = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.egbad"
        for detector in (KNN(alpha=0.2, random_state=0), IsolationForest(n_estimators=5, alpha=0.2, random_state=0)):
            detector.fit(X).save(path)
            files.append(path.read_bytes())
    return files


TARGET = Target(check=check, seeds=seeds, suffix=".egbad")
