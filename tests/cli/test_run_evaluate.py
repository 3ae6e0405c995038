"""The work of `egbad evaluate`."""

import numpy as np
import pandas as pd

from egbad import load
from egbad.cli.inputs import Source
from egbad.cli.run_evaluate import evaluate, write_report
from egbad.scoring import metrics


def test_metrics_are_those_of_the_scores(folder):
    evaluation = evaluate(folder / "m.egbad", Source(str(folder / "mixed.csv"), label_column="y"), None)
    frame = pd.read_csv(folder / "mixed.csv")
    scores, anomalous = load(folder / "m.egbad").anomaly_score(frame.drop(columns="y")), frame["y"].to_numpy() == 1
    assert np.array_equal(evaluation.scores, scores)
    assert evaluation.metrics["auroc"] == metrics.auroc(scores, anomalous)
    flagged = scores > evaluation.scorer.threshold_
    assert evaluation.metrics["flagged_anomalies"] == flagged[anomalous].mean()


def test_a_report_names_the_data_and_the_command(folder, tmp_path):
    evaluation = evaluate(folder / "m.egbad", Source(str(folder / "mixed.csv"), label_column="y"), None)
    write_report(evaluation, tmp_path / "page.html", "egbad evaluate ...")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "m on mixed.csv" in page and "egbad evaluate ..." in page
