"""Arrhythmia."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from egbad import datasets
from egbad.datasets import arrhythmia
from egbad.errors import UnreadableFileError

PlaceFiles = Callable[..., None]


def test_a_damaged_local_copy_is_refused(tmp_path: Path, place: PlaceFiles) -> None:
    place(tmp_path, arrhythmia.SOURCE, b"not the file")
    with pytest.raises(UnreadableFileError, match=r"arrhythmia.mat' must have the digest sha256:e4d4"):
        datasets.load("arrhythmia", tmp_path)


def test_the_real_file_has_the_published_counts(data_dir: Path) -> None:
    data = datasets.load("arrhythmia", data_dir)
    assert data.x.shape == (452, 274)
    assert np.bincount(data.labels).tolist() == [386, 66]
