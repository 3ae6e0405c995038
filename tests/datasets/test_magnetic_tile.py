"""The magnetic tiles and their masks."""

import pytest

from egbad import datasets
from egbad.errors import EgbadError


def test_magnetic_tiles_have_masks(data_dir):
    data = datasets.load("magnetic_tile", data_dir)
    normal = data.labels == "MT_Free"
    assert data.x.shape == data.masks.shape == (1344, 64, 64)
    assert normal.sum() == 952
    assert not data.masks[normal].any()
    assert data.masks[~normal].any((1, 2)).sum() == 388


def test_a_data_set_that_cannot_be_downloaded_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("EGBAD_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("EGBAD_DATA", raising=False)
    with pytest.raises(EgbadError, match="magnetic_tile.* data folder"):
        datasets.load("magnetic_tile", tmp_path)
