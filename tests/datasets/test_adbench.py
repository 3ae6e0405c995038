"""Tables of ADBench."""

from pathlib import Path

import numpy as np
import pytest

from egbad import datasets
from egbad.datasets import adbench

ANOMALIES = {
    "2_annthyroid": 534, "5_campaign": 4640, "6_cardio": 176, "7_Cardiotocography": 466, "14_glass": 9,
    "17_InternetAds": 368, "19_landsat": 1333, "21_Lymphography": 6, "23_mammography": 260, "24_mnist": 700,
    "26_optdigits": 150, "28_pendigits": 156, "30_satellite": 2036, "32_shuttle": 3511, "34_smtp": 30,
    "37_Stamps": 31, "38_thyroid": 93, "39_vertebral": 30, "41_Waveform": 100, "43_WDBC": 10, "45_wine": 10,
    "47_yeast": 507,
}  # fmt: skip


def test_pickled_objects_are_never_loaded(data_folder: Path) -> None:
    path = data_folder / "adbench/38_thyroid.npz"
    path.parent.mkdir()
    np.savez(path, X=np.array([[object()]]), y=np.zeros(1))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        datasets.load("adbench/38_thyroid", data_folder)


@pytest.mark.parametrize("name", ANOMALIES)
def test_the_real_tables_have_the_published_counts(data_dir: Path, name: str) -> None:
    data = datasets.load(f"adbench/{name}", data_dir)
    source = adbench.SOURCES[data.name]
    assert (len(data.x), f"{data.x.shape[1]} columns") == (source.rows, source.shape)
    assert np.bincount(data.labels).tolist() == [source.rows - ANOMALIES[name], ANOMALIES[name]]
