"""An evaluation measures scores against labels and becomes JSON."""

import json

import numpy as np
import pytest

from egbad.errors import InvalidInputError
from egbad.report import evaluation_to_json
from egbad.scoring import metrics


def test_the_metrics_are_those_of_the_scores(evaluation):
    report, values = evaluation()
    assert report.metrics.auroc == metrics.auroc(values["scores"], values["anomalous"])
    assert report.metrics.flagged == (values["scores"] > 2).sum()
    assert report.metrics.scored_per_second == 500
    assert report.kind == "images"


def test_times_are_optional(evaluation):
    report, _ = evaluation(fit_seconds=None, score_seconds=None)
    assert report.metrics.fit_seconds is None and report.metrics.scored_per_second is None


def test_scores_and_labels_must_fit_together(evaluation):
    with pytest.raises(InvalidInputError, match="equally long"):
        evaluation(scores=[1.0, 2.0])


def test_json_has_all_numbers_and_no_pixels(evaluation):
    report, values = evaluation()
    parsed = json.loads(evaluation_to_json(report))
    assert parsed["metrics"]["auroc"] == report.metrics.auroc
    assert parsed["images"] == {"normal_scores": [0, 1, 2], "anomaly_scores": [0, 1, 2]}
    assert parsed["command"] == values["command"] and parsed["kind"] == "images"


def test_json_has_no_nan(evaluation):
    report, _ = evaluation(history={"step": [1, 2], "D": np.array([[np.nan], [1.0]])})
    parsed = json.loads(evaluation_to_json(report), parse_constant=pytest.fail)
    assert parsed["losses"]["values"]["D"] == [[None, 1.0]]
