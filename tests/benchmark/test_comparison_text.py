"""Text of the comparison of detectors over many tables."""

from egbad.benchmark.comparison_text import comparison_rows, kind_tables, printed_rows, table_rows
from egbad.benchmark.summary import summarize


def test_detectors_that_failed_on_tables_are_compared_on_the_others(records_of_tables):
    failed = {"status": "failed", "reason": "too slow", "dataset": "d", "seed": 0, "label": "good"}
    records = [r for r in records_of_tables(4) if r["task"] != "t3" or r["label"] != "good"]
    summary = summarize([*records, {**failed, "task": "t3"}], ["knn-minmax"])
    comparison = summary.comparisons[0]
    header, baseline, first, _ = comparison_rows(comparison, summary.overall)
    assert baseline[:3] == ["knn-minmax (baseline)", "4", "0.7015"] and len(header) == len(baseline) == len(first)
    assert first[:2] == ["good", "3"]
    assert printed_rows(comparison)[1][:3] == ["good", "3", "+0.0500"]
    row = table_rows(summary)[-1]
    assert row[0] == "t3" and row[-1] in ("", "0.703 / 0.703", "0.603 / 0.603") and "" in row[6:]


def test_kinds_without_a_finished_table_are_empty(records_of_tables):
    records = [r for r in records_of_tables(8) if r["label"] != "good" or r["training_rows"] <= 500]
    table = kind_tables(summarize(records, ["knn-minmax"]).comparisons[0])[0]
    assert table.title == "training rows" and table.headings == ("up to 500 (5)", "501 to 1,000 (3)")
    assert dict(table.rows)["good"] == (("+0.050", "[+0.050, +0.050] 5/0/0"), ("", ""))


def test_a_group_of_a_single_kind_is_left_out(records_of_tables):
    titles = [table.title for table in kind_tables(summarize(records_of_tables(3), ["knn-minmax"]).comparisons[0])]
    assert titles == ["columns"]
