"""The tables of RESULTS.md, the READMEs and docs/benchmarks.md agree with the recorded lines."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def check(*pages):
    """Run `tables.py --check` and return its exit status and output."""
    command = [sys.executable, str(ROOT / "benchmarks" / "tables.py"), "--check", *map(str, pages)]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", env=environment)
    return done.returncode, done.stdout + done.stderr


def test_tables_agree_with_the_recorded_lines():
    status, output = check()
    assert status == 0, f"Run `python benchmarks/tables.py --write`, then check the text around these tables:\n{output}"


def test_a_changed_figure_and_a_missing_marker_are_found(tmp_path):
    stale, unfinished = tmp_path / "stale.md", tmp_path / "unfinished.md"
    stale.write_text("<!-- table: sampling -->\n| 0 | 0.5 |\n<!-- end of table -->\n")
    unfinished.write_text("<!-- table: sampling -->\n| 0 | 0.5 |\n")
    status, output = check(stale, unfinished)
    assert status == 1
    assert "-| 0 | 0.5 |\n" in output
    assert "+| seed | all rows |" in output
    assert "Each '<!-- table: NAME -->' must be followed by '<!-- end of table -->'" in output
