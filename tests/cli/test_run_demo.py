"""The work of `egbad demo`."""

import numpy as np
import pytest

from egbad.cli.run_demo import run_demo


def test_a_short_demo_writes_its_report(tmp_path):
    result = run_demo(out=tmp_path / "report.html", seed=1, steps=20, n_shown=3)
    assert (tmp_path / "report.html").read_text(encoding="utf-8").count("data:image/png") == 6 * 3
    assert result["base_rate"] == pytest.approx(500 / 600)
    assert 0 <= result["auroc"] <= 1


@pytest.mark.slow
def test_the_demo_separates_fives_from_sevens(tmp_path):
    results = [run_demo(out=tmp_path / "report.html", seed=seed) for seed in range(3)]
    assert np.mean([result["auroc"] for result in results]) >= 0.97
