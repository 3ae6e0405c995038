"""Result tables as Markdown."""

import numpy as np

from egbad.benchmark.columns import PageHeader
from egbad.benchmark.markdown import to_markdown
from egbad.benchmark.statistics import rank_agreement
from egbad.benchmark.summary import summarize

HEADER = PageHeader("A title", "clean", "what it means", "egbad benchmark x")


def test_every_detector_has_a_row_and_winners_are_bold(records):
    text = to_markdown(HEADER, summarize(records))
    assert "**0.910 ± 0.010**" in text and "| bad |" in text and "it \\<broke\\>" in text
    assert "## All 2 tasks" in text and "- d: digest f00" in text


def test_without_labels_the_table_shows_flagged_shares_and_agreement(unlabelled_records):
    agreement = rank_agreement({"a": np.arange(5.0), "b": np.arange(5.0)[::-1]})
    header = PageHeader("Own", "clean", "", "egbad compare own", agreement, ("x.png", "y.png"))
    text = to_markdown(header, summarize(unlabelled_records))
    assert "flagged at alpha = 0.01" in text and "AUROC" not in text
    assert "| a | 1.00 | -1.00 |" in text
    assert "- a: y.png, x.png" in text


def test_kinds_of_anomalies_have_a_table(records_with_kinds, records):
    text = to_markdown(HEADER, summarize(records_with_kinds))
    assert "| AUROC by kind of anomaly | crack (4) | hole \\<1\\> (2) |" in text
    assert "| a | 0.850 ± 0.071 | 0.500 ± 0.000 |" in text and "pixel AUROC" in text
    assert "by kind" not in to_markdown(HEADER, summarize(records))


def test_published_figures_have_a_table(record):
    text = to_markdown(HEADER, summarize([record("kdd99", "egbad", 0, 0.9)]))
    assert "Published figures and ours:" in text and "unverified" in text


def test_a_comparison_over_tables_comes_first(records_of_tables):
    text = to_markdown(HEADER, summarize(records_of_tables(8), ["knn-standard", "knn-minmax"]))
    assert text.index("## AUROC: difference to knn-minmax") < text.index("## All 8 tasks") < text.index("## t1")
    assert "| good | 8 | 0.7535 | +0.0500 | \\[+0.0500, +0.0500\\] | +0.0500 | 0.016 | 8/0/0 | 2.00 | 0.50 |" in text
    assert "| training rows | up to 500 (5) | 501 to 1,000 (3) |" in text
    assert "+0.050 \\[+0.050, +0.050\\] 5/0/0" in text


def test_many_tables_have_a_row_each_in_place_of_a_section(records_of_tables):
    text = to_markdown(HEADER, summarize(records_of_tables(31), ["knn-standard", "knn-minmax"]))
    assert "## t1\n" not in text and "| t0 | 100 | 20 | 3 |  | 0.20 | 0.750 / 0.750 |" in text
