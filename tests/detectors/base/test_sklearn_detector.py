from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from egbad.arrays import ArraySpec
from egbad.detectors.base import Settings, SklearnDetector, flatten_rows


@dataclass(kw_only=True, eq=False, repr=False)
class DistanceToMean(SklearnDetector[Settings]):
    """A method in a few lines, which notes the shape of every chunk that it scores."""

    name: ClassVar[str] = "distance_to_mean"
    settings_type: ClassVar = Settings
    learned_specs: ClassVar = {"mean": ArraySpec("float64", ("n_values",))}

    def _fit_rows(self, x, rng):
        self.chunk_shapes_ = []
        return {"mean": x.mean(0)}

    def _score_rows(self, x):
        self.chunk_shapes_.append(x.shape)
        return {"distance": np.linalg.norm(x - self.learned_["mean"], axis=1)}


def test_images_are_flattened_to_vectors_of_doubles():
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2)
    flat = flatten_rows(x)
    assert flat.shape == (2, 12) and flat.dtype == np.float64
    assert flat[1].tolist() == list(range(12, 24))


@pytest.mark.parametrize("parallel", [False, True])
def test_rows_are_scored_in_chunks_of_one_shape(monkeypatch, parallel, rows):
    monkeypatch.setattr(DistanceToMean, "parallel_batches", parallel)
    detector = DistanceToMean(alpha=0.1, random_state=0).fit(rows)
    detector.chunk_shapes_.clear()
    scores = detector.anomaly_score(rows[:300])
    assert detector.chunk_shapes_ == [(256, 5)] * 2
    expected = np.linalg.norm(detector.encoder_.encode(rows[:300]) - detector.learned_["mean"], axis=1)
    assert scores == pytest.approx(expected)
    assert np.array_equal(detector.anomaly_score(rows[299:300]), scores[299:])


def test_a_few_rows_are_scored_without_padding(rows):
    detector = DistanceToMean(alpha=0.1, random_state=0).fit(rows)
    scores = detector.anomaly_score(rows[:20])
    detector.anomaly_score(rows[:1]), detector.anomaly_score(rows[:9])  # decide on the sizes
    detector.chunk_shapes_.clear()
    assert np.array_equal(detector.anomaly_score(rows[:1]), scores[:1])
    assert np.array_equal(detector.anomaly_score(rows[:9]), scores[:9])
    assert detector.chunk_shapes_ == [(1, 5), (16, 5)]


def test_a_size_that_rounds_otherwise_is_not_used(rows, monkeypatch):
    detector = DistanceToMean(alpha=0.1, random_state=0).fit(rows)
    score_rows = detector._score_rows
    rounded = {1: np.float32, 16: np.float64, 256: np.float64}
    monkeypatch.setattr(detector, "_score_rows", lambda x: score_rows(x.astype(rounded[len(x)])))
    detector.anomaly_score(rows[:1])
    detector.chunk_shapes_.clear()
    assert np.array_equal(detector.anomaly_score(rows[:1]), detector.anomaly_score(rows[:300])[:1])
    assert detector.chunk_shapes_[0] == (16, 5)


def test_learned_arrays_are_the_state_of_the_model_file(rows):
    detector = DistanceToMean(alpha=0.1, random_state=0).fit(rows)
    again = DistanceToMean.from_file(*detector.content())
    assert list(again.learned_) == ["mean"]
    assert np.array_equal(again.learned_["mean"], detector.learned_["mean"])
