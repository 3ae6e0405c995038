"""Rows of the tables of a report."""

from egbad.report.facts import fact_rows, health_messages, metric_rows


def test_metrics_are_named_for_rows_or_images(evaluation):
    images = dict(metric_rows(evaluation()[0]))
    assert images["Images scored per second"] == "500" and images["Training time"] == "3.0 s"
    assert images["Base rate"] == "0.2000 (50 anomalies in 250 images)"
    rows = dict(metric_rows(evaluation(description={}, fit_seconds=None, score_seconds=None)[0]))
    assert "Normal rows flagged" in rows and "Training time" not in rows


def test_facts_are_flat_and_leave_out_health():
    description = {"detector": "egbad", "settings": {"n_latent": 32, "unset": None}, "health": ["It collapsed."]}
    rows = fact_rows({"left_out": []}, description | {"nested": {"types": {"a": "number", "b": "time"}}})
    assert rows == [
        ("left out", "none"),
        ("detector", "egbad"),
        ("settings: n_latent", "32"),
        ("nested: types", "a: number; b: time"),
    ]


def test_health_is_empty_without_problems():
    assert health_messages({}) == health_messages({"health": []}) == []
    assert health_messages({"health": ["It collapsed."]}) == ["It collapsed."]
