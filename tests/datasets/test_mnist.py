"""MNIST."""

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np

from egbad import datasets
from egbad.datasets import mnist

PlaceFiles = Callable[..., None]


def idx_file(values: np.ndarray) -> bytes:
    header = struct.pack(f">BBBB{values.ndim}i", 0, 0, 8, values.ndim, *values.shape)
    return gzip.compress(header + values.tobytes())


def test_training_images_come_first(data_folder: Path, place: PlaceFiles) -> None:
    train, test = np.full((3, 28, 28), 7, np.uint8), np.full((2, 28, 28), 9, np.uint8)
    labels = np.arange(5, dtype=np.uint8)
    place(data_folder, mnist.SOURCE, idx_file(train), idx_file(labels[:3]), idx_file(test), idx_file(labels[3:]))
    data = datasets.load(mnist.SOURCE.name, data_folder)
    assert data.x.dtype == np.uint8
    np.testing.assert_array_equal(data.x, np.concatenate([train, test]))
    np.testing.assert_array_equal(data.labels, labels)


def test_the_real_files_have_the_published_counts(data_dir: Path) -> None:
    data = datasets.load("mnist", data_dir)
    assert (data.x.shape, data.x.dtype) == ((70_000, 28, 28), np.uint8)
    train = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    test = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert np.bincount(data.labels[:60_000]).tolist() == train
    assert np.bincount(data.labels[60_000:]).tolist() == test
