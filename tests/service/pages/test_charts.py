"""Charts of the pages."""

import re
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from egbad.report.svg import BOTTOM, HEIGHT, TOP
from egbad.service.pages.charts import calibration_chart, daily_chart, evidence_chart, score_chart, share_chart
from egbad.service.pages.texts import Texts
from egbad.service.store import Period

TEXT = Texts("en")
START = datetime(2026, 5, 1, tzinfo=UTC)
SCORES = np.random.default_rng(0).gamma(2.0, size=200)


def ticks(chart):
    """The numbers beside the vertical axis."""
    return [float(text.replace(",", "")) for text in re.findall(r'text-anchor="end">([\d.,]+)<', str(chart))]


@pytest.mark.parametrize("flagged", [1, 2, 3, 7, 14])
def test_numbers_of_items_are_whole(flagged):
    day = Period(scored=20, flagged=flagged, confirmed=0, dismissed=0, missed=0, start=START)
    found = ticks(daily_chart([day], 30, TEXT))
    assert found and all(tick == int(tick) for tick in found) and found == sorted({*found})


def test_one_calibration_score_in_each_bar_gives_whole_numbers():
    found = ticks(calibration_chart(np.arange(40.0), 50.0, 39.0, TEXT))
    assert [tick for tick in found if tick != int(tick)] == []


def test_the_chosen_and_the_current_threshold_are_drawn():
    chart = str(score_chart(SCORES, SCORES + 1, 3.0, 4.0, TEXT))
    assert "threshold 3<" in chart and "now 4<" in chart and chart.count("<path") == 1
    same = str(score_chart(SCORES, np.empty(0), 3.0, 3.0, TEXT))
    assert "now" not in same and "<path" not in same


def test_equal_scores_are_drawn():
    assert "<rect" in score_chart(np.ones(20), np.empty(0), 1.0, 1.0, TEXT)


def test_evidence_and_its_alarm_are_inside_the_chart():
    chart = str(evidence_chart([(0, 0.0), (50, -1.5), (100, 8.0)], np.log10(200), TEXT))
    heights = [float(y) for y in re.findall(r'y1="([\d.]+)"', chart)]
    assert all(TOP <= y <= HEIGHT - BOTTOM for y in heights) and "alarm" in chart


@pytest.mark.parametrize("high", [0.1, 1.0])
def test_shares_are_percentages_inside_the_chart(high):
    days = [Period(10, 1, 0, 0, 0, START + timedelta(days=i)) for i in range(3)]
    chart = str(share_chart(days, [(0.0, high)] * 3, 30, 0.05, TEXT))
    assert chart.count("<circle") == 3 and max(ticks(chart)) <= 100
    assert all(TOP <= float(y) <= HEIGHT - BOTTOM for y in re.findall(r'class="interval"[^>]* y1="([\d.]+)"', chart))
