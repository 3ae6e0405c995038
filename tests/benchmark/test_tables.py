"""Tables from lines: means by hand, bold only beyond noise, doubts about what is printed, files that open."""

import json

import numpy as np
import pytest

from egbad.benchmark import columns, html, markdown, write
from egbad.benchmark.published import MEMORY, PublishedFigure, of_task
from egbad.benchmark.summary import MetricCell, ahead, rank_agreement, summarize


def line(task, label, seed, ap, **more):
    return {
        "task": task,
        "dataset": "d",
        "digest": "f00",
        "label": label,
        "seed": seed,
        "status": "ok",
        "training_rows": 10,
        "test_rows": 20,
        "base_rate": 0.2,
        "repeats": 3,
        "notes": ["a fault"],
        "seconds": {"fit": 2.0},
        "scored_per_second": 100.0,
        "flagged": {"0.01": 0.1, "0.05": 0.2},
        "top": [1, 0],
        "versions": {"egbad": "1"},
        "metrics": {"auroc": ap, "average_precision": ap, "top": {"share": 0.2, "f1": ap, "ties": 2}},
    } | more


LINES = [
    *(line("t1", "good", s, 0.9 + s / 100) for s in range(3)),
    *(line("t1", "bad", s, 0.5 + s / 100) for s in range(3)),
    *(line("t2", "good", s, 0.8) for s in range(3)),
    {"task": "t2", "label": "bad", "dataset": "d", "seed": 0, "status": "failed", "reason": "it <broke>"},
]


def test_means_and_spreads_by_hand():
    first, second = summarize(LINES).tables
    assert [row.label for row in first.rows] == ["good", "bad"]
    assert first.rows[0].cells["average_precision"] == MetricCell(pytest.approx(0.91), pytest.approx(0.01), 3)
    assert first.best == {"average_precision": "good", "auroc": "good", "f1": "good"}
    assert second.rows[-1].failures == ("it <broke>",)
    assert first.notes == ("a fault",)


def test_ranks_are_among_those_that_finished_everything():
    overall = summarize(LINES).overall
    assert overall[0].label == "good"
    assert overall[0].cells["auroc"].mean == pytest.approx((0.91 + 0.8) / 2)
    assert overall[0].cells["rank_auroc"].mean == 1
    assert "rank_auroc" not in overall[1].cells
    assert overall[1].cells["auroc"].n == 1


@pytest.mark.parametrize(
    ("a", "b", "winner"),
    [
        ([0.9, 0.91, 0.92], [0.5, 0.52, 0.51], "a"),
        ([0.9, 0.5, 0.7], [0.6, 0.8, 0.6], None),
        ([0.9], [0.1], None),
        ([0.9, 0.9], [0.8, 0.8], "a"),
        ([0.9, 0.9], [0.9, 0.9], None),
    ],
)
def test_a_lead_is_named_only_beyond_noise(a, b, winner):
    assert ahead({"a": dict(enumerate(a)), "b": dict(enumerate(b))}) == winner


def test_doubts_about_printed_figures():
    impossible = PublishedFigure("t", "vae", "average_precision", 0.05, None, "p", MEMORY)
    assert impossible.doubts(0.388) == ["unverified", "impossible at this base rate: no ranking is below 0.225"]
    assert PublishedFigure("t", "vae", "average_precision", 0.3, None, "p", "q").doubts(0.388) == [
        "below chance, 0.388"
    ]
    by_label = {figure.label: figure for figure in of_task("kdd99")}
    assert by_label["dagmm"].doubts(0.1969) == []
    assert "its own precision and recall give 0.853" in by_label["anogan"].doubts(0.1969)
    assert "recall / precision is 1.042" in by_label["egbad-sigma"].doubts(0.1969)[0]


def test_agreement_is_spearmans():
    from scipy.stats import spearmanr

    rng = np.random.default_rng(0)
    scores = {"a": rng.normal(size=50), "b": rng.normal(size=50), "flat": np.zeros(50)}
    found = rank_agreement(scores)
    assert found.correlations[0][1] == pytest.approx(spearmanr(scores["a"], scores["b"]).statistic)
    assert found.correlations[0][2] == 0
    assert rank_agreement({"a": scores["a"]}) is None


def test_every_form_has_every_row(tmp_path):
    head = columns.PageHeader("Title & more", "clean", "what it means", "egbad benchmark x")
    files = write.write_results(tmp_path, head, summarize(LINES))
    assert [file.name for file in files] == ["results.html", "results.md", "results.json"]
    html, text = files[0].read_text(), files[1].read_text()
    assert "Title &amp; more" in html and "it &lt;broke&gt;" in html and "<broke>" not in html
    assert "**0.910 ± 0.010**" in text and "| bad |" in text
    assert "http" not in html.replace("http://www.w3.org", "")
    whole = json.loads(files[2].read_text())
    assert whole["summary"]["tables"][0]["rows"][0]["cells"]["auroc"]["mean"] == pytest.approx(0.91)


def test_without_labels_the_tables_show_what_is_flagged(tmp_path):
    bare = [{k: v for k, v in line("own", name, 0, 0.5).items() if k not in ("metrics", "base_rate", "repeats")}
            for name in ("a", "b")]  # fmt: skip
    found = rank_agreement({"a": np.arange(5.0), "b": np.arange(5.0)[::-1]})
    head = columns.PageHeader("Own", "clean", "", "egbad compare own", agreement=found, names=("x.png", "y.png"))
    text = markdown.to_markdown(head, summarize(bare))
    assert "flagged at alpha 0.01" in text and "AUROC" not in text
    assert "| a | 1.00 | -1.00 |" in text
    assert "- a: y.png, x.png" in text


def test_kinds_of_anomalies_have_a_table():
    def with_kinds(seed, auroc):
        kinds = {"crack": {"auroc": auroc, "n": 4}, "hole <1>": {"auroc": 0.5, "n": 2}}
        metrics = line("t", "a", seed, 0.9)["metrics"] | {"by_kind": kinds, "pixel_auroc": 0.7}
        return line("t", "a", seed, 0.9, metrics=metrics)

    head = columns.PageHeader("Kinds", "clean", "", "egbad benchmark x")
    summary = summarize([with_kinds(0, 0.8), with_kinds(1, 0.9)])
    text = markdown.to_markdown(head, summary)
    assert "| AUROC by kind of anomaly | crack (4) | hole <1> (2) |" in text
    assert "| a | 0.850 ± 0.071 | 0.500 ± 0.000 |" in text and "pixel AUROC" in text
    page = html.to_html(head, summary)
    assert "<th>hole &lt;1&gt; (2)</th>" in page and "0.850 ± 0.071" in page
    assert "by kind" not in markdown.to_markdown(head, summarize(LINES))
