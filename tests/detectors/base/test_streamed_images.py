"""Detectors that learn images one by one, without all of them in memory."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from egbad.data import read
from egbad.data.lazy_images import LazyImage, iterate_images
from egbad.data.ragged import is_lazy
from egbad.detectors.base import Detector, Settings
from egbad.detectors.knn import KNN
from egbad.detectors.tiled import Tiled
from egbad.errors import LearnedRowsWarning
from egbad.preprocessing.image_encoder import IdentityEncoder


@dataclass(kw_only=True, eq=False, repr=False)
class MeanColour(Detector[Settings]):
    """Distance of the mean colour from that of the training images, of any size."""

    name: ClassVar[str] = "mean_colour"
    array_names: ClassVar = frozenset({"mean"})
    settings_type: ClassVar = Settings
    any_size = True
    max_side = 2**15
    min_image_side = 8
    streams_images = True

    def _new_encoder(self, settings):
        return IdentityEncoder()

    def _learn(self, x, rng, context):
        self.was_lazy = is_lazy(x)
        self.mean_ = self._means(x).mean(axis=0)

    def _means(self, x):
        return np.array([image.mean(axis=(1, 2)) for image in iterate_images(x)])

    def _terms(self, x):
        return {"colour": np.linalg.norm(self._means(x) - self.mean_, axis=1)}

    def _state(self):
        return {}, {"mean": self.mean_}

    def _restore(self, state, arrays):
        self.mean_ = arrays["mean"]


@pytest.fixture
def photos(tmp_path):
    """Write 30 dark colour images of different sizes and one bright image."""
    rng = np.random.default_rng(0)
    for i in range(31):
        pixels = rng.integers(200 * (i == 30), 50 + 200 * (i == 30), (20 + i, 50 - i, 3)).astype(np.uint8)
        (tmp_path / "good").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / ("bright.png" if i == 30 else f"good/{i}.png"))
    return tmp_path


def test_a_detector_that_streams_images_learns_lazy_ones(photos, monkeypatch):
    eager = MeanColour(alpha=0.3, calibration_fraction=0.5, random_state=0).fit(read(photos / "good", patch_size=8))
    images = read(photos / "good", lazy=True)
    decoded = []
    decode = LazyImage.__array__
    monkeypatch.setattr(LazyImage, "__array__", lambda x, *a, **k: decoded.append(x.path) or decode(x, *a, **k))
    lazy = MeanColour(alpha=0.3, calibration_fraction=0.5, random_state=0).fit(images)
    assert len(decoded) == len(set(decoded)) == 30, "each image is decoded once: to learn it, or to calibrate with it"
    assert lazy.was_lazy and not eager.was_lazy
    x = read([photos / "bright.png"], patch_size=8).x
    assert lazy.anomaly_score(x) == eager.anomaly_score(x) > lazy.threshold_ == eager.threshold_
    with pytest.warns(LearnedRowsWarning):
        lazy.anomaly_score(images)


@pytest.mark.filterwarnings("ignore::egbad.errors.LearnedRowsWarning")
def test_other_detectors_decode_lazy_images(photos):
    images, eager = read(photos / "good", lazy=True), read(photos / "good", patch_size=8)
    tiled = Tiled(detector="pca", tile_size=16, alpha=0.3, random_state=0)
    scores = [tiled.fit(data).anomaly_score(read([photos / "bright.png"], patch_size=16)) for data in (images, eager)]
    assert scores[0] == scores[1]
    knn = KNN(alpha=0.3, random_state=0)
    scores = [
        knn.fit(data).anomaly_score(read(photos, lazy=lazy, image_size=None if lazy else knn.shape_[1:]))
        for data, lazy in ((images, True), (read(photos / "good"), False))
    ]
    assert np.array_equal(*scores), "they are read at one size, when they are learned and when they are scored"


def test_checkpoints_recognize_lazy_images(photos):
    detector, images = MeanColour(random_state=0), read(photos / "good", lazy=True)
    assert detector.run_identity(images) == detector.run_identity(read(photos / "good", lazy=True))
    Image.open(photos / "good/3.png").rotate(180).save(photos / "good/3.png")
    assert detector.run_identity(images) != detector.run_identity(read(photos / "good", lazy=True))
