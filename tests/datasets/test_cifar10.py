"""CIFAR-10, from an archive and from folders of images."""

import io
import tarfile

import numpy as np
import pytest
from PIL import Image

from egbad import datasets
from egbad.datasets import cifar10
from egbad.errors import UnreadableFileError

RNG = np.random.default_rng(0)
TRAIN = RNG.integers(0, 256, (10, 3, 32, 32)).astype(np.uint8)
TEST = RNG.integers(0, 256, (4, 3, 32, 32)).astype(np.uint8)


def write_archive(folder, batches):
    path = folder / cifar10.SOURCE.files[0].path
    path.parent.mkdir(parents=True)
    with tarfile.open(path, "w:gz") as tar:
        for name, (labels, images) in batches.items():
            content = np.column_stack([labels, images.reshape(len(images), -1)]).astype(np.uint8).tobytes()
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def test_an_archive_has_the_training_images_first(data_folder):
    halves = {f"data_batch_{i}.bin": (np.array([i, 9]), TRAIN[2 * i - 2 : 2 * i]) for i in range(1, 6)}
    write_archive(data_folder, halves | {"test_batch.bin": (np.arange(4), TEST)})
    data = datasets.load("cifar10", data_folder)
    assert np.array_equal(data.x, np.concatenate([TRAIN, TEST]))
    assert data.labels.tolist() == [1, 9, 2, 9, 3, 9, 4, 9, 5, 9, 0, 1, 2, 3]


def test_an_incomplete_archive_is_refused(data_folder):
    write_archive(data_folder, {"test_batch.bin": (np.arange(4), TEST)})
    with pytest.raises(UnreadableFileError, match="cannot be read as the archive of CIFAR-10"):
        datasets.load("cifar10", data_folder)


def test_folders_of_images_are_read_instead_of_the_archive(data_folder):
    for half, images in (("train", TRAIN), ("test", TEST)):
        for i, image in enumerate(images):
            path = data_folder / "cifar10" / half / cifar10.CLASSES[i % 3] / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.moveaxis(image, 0, -1)).save(path)
    data = datasets.load("cifar10", data_folder)
    assert data.x.shape == (14, 3, 32, 32)
    assert (data.labels[:10] == 0).sum() == 4 and (data.labels[10:] == 0).sum() == 2
    assert np.array_equal(data.x[:10][data.labels[:10] == 1], TRAIN[[1, 4, 7]])
    assert len(data.digest) == 64
    (data_folder / "cifar10" / "test" / "sofa").mkdir()
    Image.fromarray(np.moveaxis(TEST[0], 0, -1)).save(data_folder / "cifar10" / "test" / "sofa" / "0.png")
    with pytest.raises(UnreadableFileError, match="must have the folders airplane, .* got sofa"):
        datasets.load("cifar10", data_folder)
