"""Columns, numbers and sentences of tables."""

from egbad.benchmark.columns import (
    AVERAGE_PRECISION,
    COST_COLUMNS,
    PageHeader,
    facts_note,
    format_cell,
    kind_rows,
    most_anomalous_rows,
    overall_note,
    published_rows,
    row_cell,
    table_columns,
)
from egbad.benchmark.statistics import MetricCell
from egbad.benchmark.summary import summarize


def test_only_columns_with_values_are_shown(records, unlabelled_records):
    labelled = {column.metric for column in table_columns(summarize(records).tables[0])}
    assert labelled == {"average_precision", "auroc", "f1", "ties", "fit_seconds", "scored_per_second"}
    unlabelled = {column.metric for column in table_columns(summarize(unlabelled_records).tables[0])}
    assert unlabelled == {"flagged_1", "flagged_5", "fit_seconds", "scored_per_second"}


def test_numbers_are_scaled_and_formatted():
    memory = next(column for column in COST_COLUMNS if column.metric == "peak_memory")
    assert format_cell(MetricCell(1_500_000_000.0, 2e6, 2), memory) == ("1,500", "2")
    assert format_cell(MetricCell(0.5, None, 1), AVERAGE_PRECISION) == ("0.500", "")


def test_a_missing_metric_is_an_empty_cell(records):
    row = summarize(records).tables[1].rows[-1]
    assert row_cell(row, AVERAGE_PRECISION) == ("", "")


def test_the_spread_can_be_left_out(records):
    row = summarize(records).tables[0].rows[0]
    assert row_cell(row, AVERAGE_PRECISION, with_spread=False) == ("0.910", "")
    assert row_cell(row, AVERAGE_PRECISION) == ("0.910", "0.010")


def test_the_split_is_described(records, unlabelled_records):
    note = facts_note(summarize(records).tables[0].facts)
    assert note.startswith("10 training rows, 20 test rows. The base rate is 0.2000")
    assert "3 test rows are duplicates of training rows." in note and "recall / precision is 1.0000" in note
    assert facts_note(summarize(unlabelled_records).tables[0].facts) == "10 training rows, 20 test rows."
    assert facts_note({}) == "No run finished."
    assert "all 7 tasks" in overall_note(7)


def test_published_figures_stand_next_to_ours(record):
    (table,) = summarize([record("kdd99", "egbad", 0, 0.9)]).tables
    header, *rows = published_rows(table)
    ours = {row[0]: row for row in rows}["egbad"]
    assert header[:4] == ["detector", "metric", "published", "ours"]
    assert ours[:4] == ["egbad", "F1 of top share", "0.906 ± 0.069", "0.900"]
    assert published_rows(summarize([record("t", "egbad", 0, 0.9)]).tables[0]) == []


def test_the_most_anomalous_rows_are_named_or_numbered(unlabelled_records):
    (table,) = summarize(unlabelled_records).tables
    assert most_anomalous_rows(table, PageHeader("", "", "", "")) == [("a", ["1", "0"]), ("b", ["1", "0"])]
    named = most_anomalous_rows(table, PageHeader("", "", "", "", row_names=("x.png", "y.png")))
    assert named[0] == ("a", ["y.png", "x.png"])


def test_kinds_of_anomalies_have_a_column_each(records_with_kinds, records):
    header, row = kind_rows(summarize(records_with_kinds).tables[0])
    assert header == ["AUROC by kind of anomaly", "crack (4)", "hole <1> (2)"]
    assert row == ["a", "0.850 ± 0.071", "0.500 ± 0.000"]
    assert kind_rows(summarize(records).tables[0]) == []
