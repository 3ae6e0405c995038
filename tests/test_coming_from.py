"""The pages for users of other libraries: egbad's code runs, and PyOD's where it is installed."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

PAGES = Path(__file__).parents[1] / "docs" / "coming_from"
CODE = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


def runnable_blocks(name):
    """Return the blocks of a page. Those of anomalib, which needs a download and minutes, are left out."""
    missing = ["anomalib", *(["pyod"] if find_spec("pyod") is None else [])]
    foreign = re.compile(rf"^from ({'|'.join(missing)})\b", re.MULTILINE)
    blocks = CODE.findall((PAGES / f"{name}.md").read_text(encoding="utf-8"))
    return [block for block in blocks if not foreign.search(block)]


@pytest.mark.filterwarnings("ignore::egbad.errors.CalibrationWarning")
@pytest.mark.parametrize("name", ["scikit_learn", "pyod", "anomalib"])
def test_the_code_of_a_page_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = runnable_blocks(name)
    assert sum("egbad" in block for block in blocks) >= 2
    names = {}
    for block in blocks:
        exec(compile(block, f"{name}.md", "exec"), names)
