"""The work of `egbad tune`."""

import json

import numpy as np

from egbad.cli.inputs import Source
from egbad.cli.run_tune import TuneRequest, print_result, tune_and_save
from egbad.detectors.registry import create
from egbad.tuning import Trial, TuningResult


def test_unused_labels_are_announced_and_the_model_is_saved(folder, tmp_path, capsys):
    request = TuneRequest(
        source=Source(str(folder / "mixed.npz")),
        normal=None,
        detector="knn",
        settings=["alpha=0.2"],
        trials=1,
        folds=2,
        seconds=None,
        seed=0,
        show_progress=False,
    )
    result = tune_and_save(request, tmp_path / "m.egbad")
    assert result.judged_by == "synthetic anomalies" and len(result.trials) == 1
    assert "The labels of the data are not used" in capsys.readouterr().err
    assert (tmp_path / "m.egbad").exists()


def test_trials_are_printed_by_auroc_with_dotted_names(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    detector = create("knn", alpha=0.3).fit(np.random.default_rng(0).normal(size=(30, 2)))
    trials = (
        Trial({}, (0.8, 0.9), 1.0),
        Trial({"preprocessing__scaling": "minmax"}, (0.9, 1.0), 1.0),
        Trial({"n_neighbors": 0}, (), 1.0, "n_neighbors must be at least 1."),
    )
    result = TuningResult(detector, trials, trials[1], "synthetic anomalies", None)
    print_result(result, tmp_path / "m.egbad", as_json=False)
    out, err = capsys.readouterr()
    lines = out.splitlines()
    where = [next(i for i, line in enumerate(lines) if text in line) for text in ("0.9500", "0.8500", "failed")]
    assert where == sorted(where)
    assert 'preprocessing.scaling="minmax"' in err
    print_result(result, tmp_path / "m.egbad", as_json=True)
    assert json.loads(capsys.readouterr().out)["auroc_of_defaults"] == trials[0].auroc
