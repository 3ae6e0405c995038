"""What several tests share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data files that EGBAD_DATA names; a test that asks for it is skipped elsewhere."""
    folder = os.environ.get("EGBAD_DATA")
    if not folder:
        pytest.skip("EGBAD_DATA isn't set: it names a folder with the real data files")
    return Path(folder)
