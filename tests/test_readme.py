"""Every block of Python in the READMEs and in the guides to backbones and reviews runs."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", ["README.md", "README.ja.md", "docs/backbones.md", "docs/reviews.md"])
def test_python_in_documents_runs(name, tmp_path, monkeypatch):
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / name).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert blocks, f"{name} shows no Python"
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in blocks:
        exec(compile(block, name, "exec"), names)
