"""Fashion-MNIST."""

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np

from egbad import datasets
from egbad.datasets import fashion_mnist

PlaceFiles = Callable[..., None]


def idx_file(values: np.ndarray) -> bytes:
    header = struct.pack(f">BBBB{values.ndim}i", 0, 0, 8, values.ndim, *values.shape)
    return gzip.compress(header + values.tobytes())


def test_training_images_come_first(data_folder: Path, place: PlaceFiles) -> None:
    train, test = np.full((3, 28, 28), 7, np.uint8), np.full((2, 28, 28), 9, np.uint8)
    labels = np.arange(5, dtype=np.uint8)
    place(
        data_folder, fashion_mnist.SOURCE, idx_file(train), idx_file(labels[:3]), idx_file(test), idx_file(labels[3:])
    )
    data = datasets.load(fashion_mnist.SOURCE.name, data_folder)
    assert data.x.dtype == np.uint8
    np.testing.assert_array_equal(data.x, np.concatenate([train, test]))
    np.testing.assert_array_equal(data.labels, labels)
