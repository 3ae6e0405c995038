"""The result page is complete, loads nothing, and trusts no name."""

import numpy as np

from egbad.benchmark.columns import PageHeader
from egbad.benchmark.html import to_html
from egbad.benchmark.statistics import rank_agreement
from egbad.benchmark.summary import summarize
from egbad.report.curves import chart_data
from egbad.report.image_grid import Reconstructions, render_grid
from egbad.report.serialization import to_jsonable

HEADER = PageHeader("Title & more", "clean", "what it means", "egbad benchmark x")


def test_every_detector_has_a_row_and_names_are_escaped(records):
    html = to_html(HEADER, summarize(records))
    assert "Title &amp; more" in html and "it &lt;broke&gt;" in html and "<broke>" not in html
    assert '<b>0.910 <span class="spread">± 0.010</span></b>' in html
    assert "<details><summary>t2</summary>" in html
    assert "http" not in html


def test_kinds_of_anomalies_have_a_table(records_with_kinds):
    html = to_html(HEADER, summarize(records_with_kinds))
    assert "<th>hole &lt;1&gt; (2)</th>" in html and "0.850 ± 0.071" in html


def test_curves_and_images_of_records_are_drawn(record):
    rng = np.random.default_rng(0)
    curves = to_jsonable(chart_data(rng.random(50), np.arange(50) < 10))
    x = rng.random((2, 4, 4))
    pictures = to_jsonable(render_grid(Reconstructions(x, x, x, x, np.zeros(2), np.ones(2))))
    html = to_html(HEADER, summarize([record("t", "a <b>", 0, 0.9, curves=curves, pictures=pictures)]))
    assert "Score distribution of a &lt;b&gt;" in html and "ROC curves of one run each" in html
    assert "Reconstructions by a &lt;b&gt;" in html and html.count("<img") == 12


def test_without_labels_the_page_shows_the_agreement(unlabelled_records):
    agreement = rank_agreement({"a": np.arange(5.0), "b": np.arange(5.0)[::-1]})
    html = to_html(
        PageHeader("Own", "clean", "", "egbad compare own", agreement, ("x.png", "y.png")),
        summarize(unlabelled_records),
    )
    assert "-1.00</td>" in html and "y.png, x.png" in html and "Average precision" not in html


def test_published_figures_have_a_table(record):
    html = to_html(HEADER, summarize([record("kdd99", "egbad", 0, 0.9)]))
    assert "Published figures and ours" in html and "unverified" in html


def test_a_comparison_over_tables_stands_on_the_page(records_of_tables):
    html = to_html(HEADER, summarize(records_of_tables(8), ["knn-standard", "knn-minmax"]))
    assert "<h2>AUROC: difference to knn-minmax</h2>" in html and "<td>knn-minmax (baseline)</td>" in html
    assert "<td>+0.0500</td>" in html and "<td>8/0/0</td>" in html and "<td>0.016</td>" in html
    assert "<h3>By training rows</h3>" in html and "<th>up to 500 (5)</th>" in html
    assert "<summary>t1</summary>" in html and "<summary>Tables</summary>" not in html


def test_many_tables_have_a_row_each_in_place_of_a_section(records_of_tables):
    html = to_html(HEADER, summarize(records_of_tables(31), ["knn-standard", "knn-minmax"]))
    assert "<summary>Tables</summary>" in html and "<summary>t1</summary>" not in html
    assert html.count("0.750 / 0.750") == 1 and "<td>t30</td>" in html
