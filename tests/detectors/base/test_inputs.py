"""Input of detectors: the scale and the memory of images."""

import numpy as np
import pytest
from PIL import Image

from egbad import load
from egbad.data import read
from egbad.detectors.blend import Blend
from egbad.detectors.knn import KNN
from egbad.detectors.tiled import Tiled
from egbad.errors import InvalidInputError
from egbad.export import export

PICTURES = np.random.default_rng(0).integers(0, 256, (30, 16, 16)).astype(np.uint8)


def knn(x):
    return KNN(alpha=0.3, random_state=0).fit(x)


@pytest.mark.parametrize("kind", [">u2", ">f4", ">i4", ">f8", "f2", "longdouble", "bool", "i8"])
def test_images_of_any_type_give_a_file_with_the_same_scores(kind, tmp_path):
    x = PICTURES.astype(kind)
    detector = knn(x)
    detector.save(tmp_path / "m.egbad")
    native = x.astype(np.dtype(kind).newbyteorder("="))
    for other in (x, native, np.asfortranarray(native), native[::-1][::-1]):
        assert np.array_equal(load(tmp_path / "m.egbad").anomaly_score(other), detector.anomaly_score(x))
    assert np.array_equal(knn(native).anomaly_score(x), detector.anomaly_score(x))


def test_rows_of_any_byte_order_give_a_file_with_the_same_scores(tmp_path):
    x = np.random.default_rng(0).normal(size=(40, 3)).astype(">f4")
    detector = knn(x)
    detector.save(tmp_path / "m.egbad")
    assert np.array_equal(load(tmp_path / "m.egbad").anomaly_score(x.astype("<f4")), detector.anomaly_score(x))


@pytest.mark.parametrize(
    "detector",
    [
        KNN(alpha=0.3, random_state=0),
        Tiled(detector="pca", tile_size=8, alpha=0.3, random_state=0),
        Blend(parts=["pca", "knn"], alpha=0.3, random_state=0),
    ],
)
def test_a_picture_has_one_score_in_any_type_of_pixels(detector, tmp_path):
    detector.fit(PICTURES)
    expected = detector.anomaly_score(PICTURES[:2])
    for i, pixels in enumerate(PICTURES[:2]):
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
        (tmp_path / "deep").mkdir(exist_ok=True)
        Image.fromarray(pixels * np.uint16(257)).save(tmp_path / "deep" / f"{i}.tif")
    detector.save(tmp_path / "m.egbad")
    for x in (PICTURES[:2] / 255, PICTURES[:2] * np.uint16(257), read(tmp_path).x[:2], read(tmp_path / "deep").x):
        assert np.array_equal(detector.anomaly_score(x), expected)
        assert np.array_equal(load(tmp_path / "m.egbad").anomaly_score(x), expected)
    assert np.array_equal(detector.explain(PICTURES[:2] / 255).observed, PICTURES[:2].astype(np.float32))
    with pytest.raises(InvalidInputError, match="got values from -1 to 1 in image 0"):
        detector.anomaly_score(PICTURES[:2] / 127.5 - 1)


def test_an_exported_detector_converts_pixels(tmp_path):
    export(knn(PICTURES), tmp_path / "m.onnx")
    scorer = load(tmp_path / "m.onnx")
    assert np.array_equal(scorer.anomaly_score(PICTURES / 255), scorer.anomaly_score(PICTURES))
