"""Fixtures and helpers of the tests of public data sets."""

from collections.abc import Callable
from pathlib import Path

import pytest

from egbad.datasets import DatasetSource, files

PlaceFiles = Callable[..., None]


@pytest.fixture
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty data folder whose files pass for undamaged; no other data are on this machine."""
    monkeypatch.setattr(files, "has_digest", lambda path, digest: True)
    monkeypatch.delenv("EGBAD_DATA", raising=False)
    monkeypatch.setenv("EGBAD_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def place() -> PlaceFiles:
    """Return a function that writes the files of a data set into a folder."""

    def write(folder: Path, source: DatasetSource, *contents: bytes) -> None:
        for remote, content in zip(source.files, contents, strict=True):
            path = folder / remote.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    return write
