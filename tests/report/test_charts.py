"""Charts are escaped, stay inside their frame, and keep labels apart."""

import re
from xml.etree import ElementTree

import pytest

from egbad.report.charts import (
    Bar,
    Dot,
    bars_chart,
    histogram_chart,
    loss_chart,
    rate_chart,
    scatter_chart,
)
from egbad.report.curves import Curve, Histogram, Losses
from egbad.report.svg import WIDTH

TEXT = re.compile(r'<text class="tick" x="([\d.]+)" y="([\d.]+)" text-anchor="(start|end)">([^<]*)</text>')
HOSTILE = """</title><script>alert("&'")</script>"""
DIAGONAL = Curve((0, 1), (0, 1))
HISTOGRAM = Histogram((0.0, 1.0, 2.0), (3, 1), (0, 2), log=False)
LOSSES = Losses((1.0, 2.0, 3.0), {"D": ((0.5, None, 0.25), (0.4, 0.3, 0.2))})


def test_labels_of_dots_stay_inside_the_chart_and_apart():
    dots = [Dot("quick", 0.1, 0.9), Dot("a detector with a long name", 900.0, 0.8), Dot("another of them", 880.0, 0.8)]
    labels = {
        name: (float(x), float(y), anchor) for x, y, anchor, name in TEXT.findall(scatter_chart("t", dots, "s", "q"))
    }
    assert labels["quick"][2] == "start"
    for name, (x, _, anchor) in labels.items():
        left, right = (x - 6 * len(name), x) if anchor == "end" else (x, x + 6 * len(name))
        assert left > 0 and right < WIDTH
    assert abs(labels["a detector with a long name"][1] - labels["another of them"][1]) >= 11


@pytest.mark.parametrize(
    "chart",
    [
        rate_chart(HOSTILE, [DIAGONAL], HOSTILE, HOSTILE, DIAGONAL),
        histogram_chart(HOSTILE, HISTOGRAM, 1.5, x_label=HOSTILE, y_label=HOSTILE, threshold_label=HOSTILE),
        loss_chart(HOSTILE, LOSSES, "D", x_label=HOSTILE, y_label=HOSTILE),
        bars_chart(HOSTILE, [HOSTILE], [[Bar(0.5, 0.1)], [None]], HOSTILE),
        scatter_chart(HOSTILE, [Dot(HOSTILE, 1.0, 0.5)], HOSTILE, HOSTILE),
    ],
)
def test_every_chart_escapes_its_text_and_is_well_formed(chart):
    assert "<script" not in chart
    root = ElementTree.fromstring(chart)
    assert root.get("aria-label") == root.find("title").text == HOSTILE


def test_a_missing_loss_breaks_the_line():
    first, second = re.findall(r'd="([^"]*)"', loss_chart("t", LOSSES, "D"))
    assert first.count("M") == 2 and second.count("M") == 1


def test_the_threshold_is_drawn_inside_the_bins_only():
    assert 'class="threshold"' in histogram_chart("t", HISTOGRAM, 1.5)
    assert 'class="threshold"' not in histogram_chart("t", HISTOGRAM, 5.0)
    assert 'class="threshold"' not in histogram_chart("t", HISTOGRAM)


def test_each_series_has_its_own_colour():
    chart = rate_chart("t", [DIAGONAL] * 3, "x", "y", DIAGONAL)
    assert re.findall(r'class="line series (c\d)"', chart) == ["c0", "c1", "c2"]
