"""Loading of a detector from a file of either kind."""

import numpy as np
import pytest

from egbad import load
from egbad.detectors.knn import KNN
from egbad.errors import UnreadableFileError

X = np.random.default_rng(0).normal(size=(60, 3))


def test_a_saved_detector_is_loaded_with_its_class_and_scores(tmp_path):
    detector = KNN(alpha=0.2, random_state=0).fit(X)
    detector.save(tmp_path / "model.egbad")
    loaded = load(tmp_path / "model.egbad")
    assert isinstance(loaded, KNN)
    assert (loaded.anomaly_score(X) == detector.anomaly_score(X)).all()


def test_the_suffix_of_an_onnx_file_may_be_upper_case(tmp_path):
    (tmp_path / "MODEL.ONNX").write_bytes(b"no graph")
    with pytest.raises(UnreadableFileError, match="was not exported by egbad"):
        load(tmp_path / "MODEL.ONNX")


def test_a_missing_file_is_reported(tmp_path):
    with pytest.raises(UnreadableFileError, match="cannot be read"):
        load(tmp_path / "missing.egbad")
