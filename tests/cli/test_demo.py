"""The demo, short, and as it is."""

import numpy as np
import pytest

from egbad.cli import demo


def test_a_short_demo_writes_its_report(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "STEPS", 20)
    done = demo.run(out=tmp_path / "report.html", seed=1)
    assert (tmp_path / "report.html").read_text().count("data:image/png") == 6 * demo.SHOWN
    assert done["base_rate"] == pytest.approx(500 / 600)
    assert 0 <= done["auroc"] <= 1


@pytest.mark.slow
def test_the_demo_tells_fives_from_sevens(tmp_path):
    runs = [demo.run(out=tmp_path / "report.html", seed=seed) for seed in range(3)]
    assert np.mean([run["auroc"] for run in runs]) >= 0.97
    assert max(run["fit_seconds"] for run in runs) < 90
