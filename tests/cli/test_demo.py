"""`egbad demo` from the command line."""

import json

from egbad.cli import run_demo


def test_options_reach_the_demo(tmp_path, run, refuse, monkeypatch):
    given = {}
    monkeypatch.setattr(run_demo, "run_demo", lambda **options: given.update(options) or {"auroc": 0.99})
    page = tmp_path / "page.html"
    code, out, _ = run("demo", "--out", page, "--normal", "3", "--seed", "4", "--json")
    assert (code, json.loads(out)["auroc"]) == (0, 0.99)
    assert given == {"normal": 3, "anomaly": 7, "seed": 4, "out": page, "verbose": False}
    assert "must differ" in refuse("demo", "--normal", "7", "--out", page)
