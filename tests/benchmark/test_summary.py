"""Tables from records."""

import pytest

from egbad.benchmark.statistics import MetricCell
from egbad.benchmark.summary import metric_value, summarize


def test_means_and_spreads_are_those_of_the_runs(records):
    first, second = summarize(records).tables
    assert [row.label for row in first.rows] == ["good", "bad"]
    assert first.rows[0].cells["average_precision"] == MetricCell(pytest.approx(0.91), pytest.approx(0.01), 3)
    assert first.best == {"average_precision": "good", "auroc": "good", "f1": "good"}
    assert second.rows[-1].failures == ("it <broke>",) and second.rows[-1].n == 0
    assert first.notes == ("a caveat",)
    assert first.facts == {"training_rows": 10, "test_rows": 20, "base_rate": 0.2, "repeats": 3, "top_share": 0.2}


def test_ranks_are_among_detectors_that_finished_all_tasks(records):
    overall = summarize(records).overall
    assert overall[0].label == "good"
    assert overall[0].cells["auroc"].mean == pytest.approx((0.91 + 0.8) / 2)
    assert overall[0].cells["rank_auroc"].mean == 1
    assert "rank_auroc" not in overall[1].cells
    assert overall[1].cells["auroc"].n == 1


def test_a_single_task_has_no_overall_table(records):
    summary = summarize(records[:6])
    assert summary.overall == () and summary.best == {}
    assert summary.versions == {"egbad": "1"} and summary.digests == {"d": "f00"}


def test_records_without_labels_have_no_metrics(unlabelled_records):
    (table,) = summarize(unlabelled_records).tables
    assert table.best == {} and table.published == () and "top_share" not in table.facts
    assert table.rows[0].cells["flagged_1"].mean == 0.1


def test_kinds_of_anomalies_are_summarized_apart(records_with_kinds):
    (table,) = summarize(records_with_kinds).tables
    assert table.anomaly_counts == {"crack": 4, "hole <1>": 2}
    assert table.auroc_by_kind["a"]["crack"].mean == pytest.approx(0.85)


def test_a_missing_metric_is_none(record):
    assert metric_value(record("t", "a", 0, 0.9), "pixel_auroc") is None
    assert metric_value(record("t", "a", 0, 0.9, peak_memory=None), "peak_memory") is None


def test_tables_are_compared_with_the_better_reference(records_of_tables):
    summary = summarize(records_of_tables(8), ["knn-standard", "knn-minmax"])
    assert [comparison.metric for comparison in summary.comparisons] == ["auroc", "average_precision"]
    comparison = summary.comparisons[0]
    assert comparison.baseline == "knn-minmax" and comparison.n_tables == 8
    best, worst = comparison.rows
    assert (best.label, best.difference.wins, best.difference.n) == ("good", 8, 8)
    assert best.difference.mean == pytest.approx(0.05) and worst.difference.mean == pytest.approx(-0.1)
    assert comparison.n_by_kind["training rows"] == {"up to 500": 5, "501 to 1,000": 3}
    assert summary.overall[0].cells["score_seconds"].mean == 0.5


def test_without_references_or_with_one_task_nothing_is_compared(records_of_tables):
    assert summarize(records_of_tables(3)).comparisons == ()
    assert summarize(records_of_tables(1), ["knn-minmax"]).comparisons == ()
    assert summarize(records_of_tables(3), ["unknown"]).comparisons == ()


def test_versions_of_all_packages_are_kept(record):
    records = [record("t", "a", 0, 0.9), record("t", "b", 0, 0.9, versions={"egbad": "2", "pyod": "3"})]
    assert summarize(records).versions == {"egbad": "1", "pyod": "3"}
