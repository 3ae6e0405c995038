"""KDD Cup 1999."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np

from egbad import datasets
from egbad.datasets import kdd99

PlaceFiles = Callable[..., None]


def test_numeric_columns_come_before_one_hot_columns(data_folder: Path, place: PlaceFiles) -> None:
    rows = ["0,tcp,http,SF,181,5450,0,0,0,0,0,1", "2,udp,private,S0,105,693375640,1,0,0,0,0,0"]
    rest = [",0" * 10 + ",1,8" + ",0.5" * 17, ",0" * 10 + ",0,9" + ",0" * 17]
    text = "".join(f"{a}{b},{label}\n" for a, b, label in zip(rows, rest, ["normal.", "smurf."], strict=True))
    place(data_folder, kdd99.SOURCE, gzip.compress(text.encode()))
    data = datasets.load("kdd99", data_folder)
    assert data.columns is not None
    assert data.columns[:3] == ("duration", "src_bytes", "dst_bytes")
    assert data.columns[34:38] == ("protocol_type=tcp", "protocol_type=udp", "service=http", "service=private")
    one = dict(zip(data.columns, data.x.T.tolist(), strict=True))
    assert one["dst_bytes"] == [5450, 693375640]
    assert one["service=http"] == [1, 0]
    assert one["land=1"] == [0, 1]
    assert one["dst_host_srv_rerror_rate"] == [0.5, 0]
    assert data.labels.tolist() == ["normal.", "smurf."]


def test_the_real_file_has_the_published_counts(data_dir: Path) -> None:
    data = datasets.load("kdd99", data_dir)
    assert data.x.shape == (494_021, 121)
    assert data.columns is not None and len({*data.columns}) == 121
    assert {"duration", "service=http", "is_guest_login=1"} <= {*data.columns}
    classes, counts = np.unique(data.labels, return_counts=True)
    assert len(classes) == 23
    assert dict(zip(classes.tolist(), counts.tolist(), strict=True))["normal."] == 97_278
    assert (data.x[:, 34:].sum(1) == 7).all()  # one value in each of the seven one-hot columns
    assert np.isfinite(data.x).all()
