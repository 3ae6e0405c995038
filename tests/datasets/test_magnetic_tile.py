"""Magnetic tiles."""

from pathlib import Path

import numpy as np
import pytest

from egbad import datasets
from egbad.datasets import magnetic_tile
from egbad.errors import DownloadError


def test_classes_are_labels_and_defects_have_masks(data_folder: Path) -> None:
    path = data_folder / magnetic_tile.SOURCE.files[0].path
    path.parent.mkdir()
    images, masks = np.arange(3 * 64 * 64).reshape(3, 64, 64).astype(np.uint8), np.zeros((3, 64, 64), np.uint8)
    masks[2, 5, 6] = 1
    np.savez(path, images=images, masks=masks, labels=[0, 0, 1], class_names=["MT_Free", "MT_Crack"])
    data = datasets.load("magnetic_tile", data_folder)
    assert data.labels.tolist() == ["MT_Free", "MT_Free", "MT_Crack"]
    assert np.array_equal(data.x, images)
    assert data.masks is not None and data.masks.dtype == np.bool_ and data.masks.sum() == 1


def test_a_missing_file_is_an_error_that_says_it_is_not_published(data_folder: Path) -> None:
    with pytest.raises(DownloadError, match="is not published in this form. Put it into a data folder"):
        datasets.load("magnetic_tile", data_folder)
