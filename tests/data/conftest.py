"""Fixtures and helpers of the tests of input data."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

SaveImage = Callable[[str, np.ndarray], Path]


@pytest.fixture
def save_image(tmp_path: Path) -> SaveImage:
    """Return a function that writes pixels to a file in the test's folder."""

    def save(name: str, pixels: np.ndarray) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
        return path

    return save


@pytest.fixture
def frame() -> pd.DataFrame:
    """Return a table of numbers and booleans with a missing value."""
    return pd.DataFrame({"a": [1, 2, 3], "b": [0.5, None, 2.5], "ok": [True, False, True]})


@pytest.fixture
def numbers() -> np.ndarray:
    """Return the values of `frame`."""
    return np.array([[1, 0.5, 1], [2, np.nan, 0], [3, 2.5, 1]])


@pytest.fixture
def day_tables(tmp_path: Path) -> pd.DataFrame:
    """Write three tables into folders named by day, as Hive does, and return all of their rows."""
    frames = [pd.DataFrame({"a": np.arange(5) + 10.0 * i, "city": [f"c{i}"] * 5}) for i in range(3)]
    for i, table in enumerate(frames):
        (tmp_path / f"day={i}").mkdir()
        table.to_parquet(tmp_path / f"day={i}" / "part.parquet")
    (tmp_path / "_SUCCESS").write_text("")
    return pd.concat(frames, ignore_index=True).assign(day=[str(i) for i in range(3) for _ in range(5)])
