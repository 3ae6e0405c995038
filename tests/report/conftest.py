"""A real browser, for pages that are to be looked at."""

import os
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync"
)


@pytest.fixture
def greys(tmp_path):
    """A function of a page and a width: how many shades of grey Chromium shows of it."""
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("chromium isn't installed")

    def count(html, width):
        page, shot = tmp_path / "report.html", tmp_path / "shot.png"
        page.write_text(html, encoding="utf-8")
        command = [browser, *FLAGS.split(), f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},900"]
        subprocess.run(
            [*command, f"--screenshot={shot}", page.as_uri()],
            check=True,
            capture_output=True,
            env=os.environ | {"HOME": str(tmp_path)},
            timeout=120,
        )
        return len(np.unique(np.asarray(Image.open(shot).convert("L"))))

    return count
