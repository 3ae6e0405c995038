"""CIFAR-10 from a made archive and from a made folder: the same images, the same order of halves."""

import io
import tarfile

import numpy as np
import pytest
from PIL import Image

from egbad import datasets
from egbad.datasets import cifar10, files
from egbad.errors import UnreadableFileError

RNG = np.random.default_rng(0)
TRAIN = RNG.integers(0, 256, (10, 3, 32, 32)).astype(np.uint8)
TEST = RNG.integers(0, 256, (4, 3, 32, 32)).astype(np.uint8)


@pytest.fixture
def made(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "matches", lambda path, digest: True)
    monkeypatch.delenv("EGBAD_DATA", raising=False)
    monkeypatch.setenv("EGBAD_CACHE", str(tmp_path / "cache"))
    return tmp_path


def archive(folder, batches):
    path = folder / cifar10.SOURCE.files[0].path
    path.parent.mkdir(parents=True)
    with tarfile.open(path, "w:gz") as tar:
        for name, (labels, images) in batches.items():
            content = np.column_stack([labels, images.reshape(len(images), -1)]).astype(np.uint8).tobytes()
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def test_the_official_archive(made):
    halves = {f"data_batch_{i}.bin": (np.array([i, 9]), TRAIN[2 * i - 2 : 2 * i]) for i in range(1, 6)}
    archive(made, halves | {"test_batch.bin": (np.arange(4), TEST)})
    data = datasets.load("cifar10", made)
    assert np.array_equal(data.x, np.concatenate([TRAIN, TEST]))
    assert data.labels.tolist() == [1, 9, 2, 9, 3, 9, 4, 9, 5, 9, 0, 1, 2, 3]


def test_an_archive_without_its_files_is_refused(made):
    archive(made, {"test_batch.bin": (np.arange(4), TEST)})
    with pytest.raises(UnreadableFileError, match="can't be read as CIFAR-10's archive"):
        datasets.load("cifar10", made)


def test_a_folder_of_images(made):
    for half, images in (("train", TRAIN), ("test", TEST)):
        for i, image in enumerate(images):
            path = made / "cifar10" / half / cifar10.CLASSES[i % 3] / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.moveaxis(image, 0, -1)).save(path)
    data = datasets.load("cifar10", made)
    assert data.x.shape == (14, 3, 32, 32)
    assert (data.labels[:10] == 0).sum() == 4 and (data.labels[10:] == 0).sum() == 2
    assert np.array_equal(data.x[:10][data.labels[:10] == 1], TRAIN[[1, 4, 7]])
    assert len(data.digest) == 64
    (made / "cifar10" / "test" / "sofa").mkdir()
    Image.fromarray(np.moveaxis(TEST[0], 0, -1)).save(made / "cifar10" / "test" / "sofa" / "0.png")
    with pytest.raises(UnreadableFileError, match="must have the folders airplane, .* got sofa"):
        datasets.load("cifar10", made)
