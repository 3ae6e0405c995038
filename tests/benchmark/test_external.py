"""Detectors of other packages."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from egbad.benchmark.external import EXTERNAL, External, ExternalDetector, create_any, is_available
from egbad.benchmark.jobs import Job
from egbad.benchmark.measurement import measure
from egbad.benchmark.suites import VARIANTS
from egbad.data import Data
from egbad.detectors import KNN
from egbad.errors import InvalidInputError, MissingExtraError

PYOD = [name for name in EXTERNAL if name.startswith("pyod")]


@pytest.fixture
def scene():
    """300 normal rows for training, and 40 test rows of which the last 10 are anomalies."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(300, 3)), np.concatenate([rng.normal(size=(30, 3)), 7 + rng.normal(size=(10, 3))])


@pytest.mark.parametrize("name", PYOD)
def test_detectors_of_pyod_find_plain_anomalies(name, scene):
    pytest.importorskip("pyod", reason="needs the extra 'bench'")
    train, test = scene
    parameters = {"epochs": 3} if name == "pyod-deep-svdd" else {"n_epochs": 3} if name == "pyod-lunar" else {}
    detector = create_any(name, random_state=0, **parameters).fit(Data(train))
    scores = detector.anomaly_score(test)
    assert scores.shape == (40,) and scores.dtype == np.float64
    assert np.median(scores[30:]) > np.quantile(scores[:30], 0.9)
    assert len(detector.calibration_scores_) == 30 and detector.n_train_ == 270
    assert detector.fit_versions_["pyod"] and detector.fit_seconds_ > 0


def test_pyods_nearest_neighbours_are_those_of_knn(scene):
    pytest.importorskip("pyod", reason="needs the extra 'bench'")
    train, test = scene
    detector = ExternalDetector("pyod-knn", 0, n_neighbors=1).fit(Data(train))
    held_out = np.isin(np.arange(300), np.random.default_rng(0).permutation(300)[:30])
    differences = (test[:, None] - train[~held_out]) / np.ptp(train[~held_out], axis=0)
    np.testing.assert_allclose(detector.anomaly_score(test), np.linalg.norm(differences, axis=2).min(axis=1))


def test_a_run_of_another_package_is_measured_like_ours(task):
    pytest.importorskip("pyod", reason="needs the extra 'bench'")
    record = measure(Job(task, VARIANTS["pyod-ecod"], 0))
    assert record["status"] == "ok" and record["metrics"]["auroc"] > 0.7
    assert record["columns"] == 4 and record["training_rows_used"] == 180


@pytest.mark.skipif(is_available("pyod-knn"), reason="PyOD is installed")
def test_a_missing_package_is_named(scene):
    with pytest.raises(MissingExtraError, match=r"pyod-knn needs pyod.*egbad\[bench\]"):
        create_any("pyod-knn", random_state=0).fit(Data(scene[0]))


PACKAGE = """
import numpy as np
import torch


class Recorder:
    def __init__(self, random_state):
        self.random_state = random_state

    def fit(self, x):
        self.noise = np.random.rand() + float(torch.rand(()))
        return self

    def decision_function(self, x):
        return x[:, 0] + self.noise

    def score_samples(self, x):
        return np.exp(-x[:, 0])
"""


@pytest.fixture
def recorder(tmp_path, monkeypatch):
    """The name of a detector that scores by the first column, and uses the global generators."""
    (tmp_path / "made_package.py").write_text(PACKAGE)
    (tmp_path / "made_package-1.0.dist-info").mkdir()
    (tmp_path / "made_package-1.0.dist-info" / "METADATA").write_text("Name: made_package\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(EXTERNAL, "recorder", External("made_package", "Recorder", takes_seed=True))
    return "recorder"


def test_columns_are_scaled_and_missing_values_filled_by_the_training_rows(recorder):
    x = np.column_stack([np.arange(100.0), np.full(100, 3.0), np.full(100, np.nan)])
    x[50, 0] = np.nan
    detector = create_any(recorder, random_state=0).fit(Data(x))
    known = np.sort(np.delete(x[:, 0], 50))
    scores = detector.anomaly_score(np.array([[0.0, 3, 1], [99.0, 3, np.nan], [np.nan, 3, 0]]))
    assert scores[1] - scores[0] == pytest.approx(99 / np.ptp(known), rel=0.1)
    assert scores[2] - scores[0] == pytest.approx(0.5, abs=0.1)


def test_densities_become_scores(recorder, monkeypatch):
    monkeypatch.setitem(EXTERNAL, "density", replace(EXTERNAL[recorder], is_density=True))
    x = np.arange(100.0)[:, None]
    detector = create_any("density", random_state=0).fit(Data(x))
    scores = detector.anomaly_score(np.array([[0.0], [99.0]]))
    assert scores[1] - scores[0] == pytest.approx(1, abs=0.1) and detector.fit_versions_["made_package"] == "1.0"


def test_global_generators_are_seeded_and_restored(recorder):
    x = np.arange(30.0)[:, None]
    before, torch_before = np.random.get_state()[1].copy(), torch.get_rng_state()
    first = create_any(recorder, random_state=3).fit(Data(x)).anomaly_score(x)
    assert np.array_equal(np.random.get_state()[1], before) and torch.equal(torch.get_rng_state(), torch_before)
    np.testing.assert_array_equal(create_any(recorder, random_state=3).fit(Data(x)).anomaly_score(x), first)
    assert not np.array_equal(create_any(recorder, random_state=4).fit(Data(x)).anomaly_score(x), first)


def test_images_and_parameters_of_egbad_are_refused(recorder):
    with pytest.raises(InvalidInputError, match="must learn rows of numbers"):
        create_any(recorder, random_state=0).fit(Data(np.zeros((4, 8, 8))))
    with pytest.raises(InvalidInputError, match="got 'preprocessing__scaling' of egbad"):
        create_any("pyod-knn", random_state=0, preprocessing__scaling="minmax")


def test_detectors_of_egbad_are_created_by_name():
    assert isinstance(create_any("knn", random_state=0), KNN)
    with pytest.raises(InvalidInputError, match="There is no detector 'kn'"):
        create_any("kn", random_state=0)
