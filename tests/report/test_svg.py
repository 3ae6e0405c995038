"""Axes and elements of SVG charts."""

import pytest
from markupsafe import Markup

from egbad.report.svg import Axis, draw_polyline, format_number, svg_element, x_axis, y_axis


def test_ticks_are_round_and_inside_the_axis():
    assert Axis(0, 1, 0, 100).ticks() == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])
    assert Axis(0.5, 2000, 0, 100, log=True).ticks() == [1, 10, 100, 1000]


@pytest.mark.parametrize("highest", [1, 2, 3, 7, 14, 30, 62, 130, 4_000])
def test_ticks_of_counts_are_whole_numbers(highest):
    ticks = y_axis(0, 1.05 * highest, whole=True).ticks()
    assert all(tick == int(tick) for tick in ticks) and 2 <= len(ticks) <= 8


def test_values_are_placed_linearly_or_by_their_logarithm():
    assert Axis(0, 10, 0, 100).to_pixels(5) == 50
    assert Axis(1, 100, 0, 100, log=True).to_pixels(10) == pytest.approx(50)


def test_an_axis_without_a_range_gets_one():
    assert x_axis(3, 3).high == 4


def test_text_and_attributes_are_escaped_and_markup_is_kept():
    assert svg_element("a", "<b>", title='"&') == '<a title="&#34;&amp;">&lt;b&gt;</a>'
    assert svg_element("a", Markup("<b></b>")) == "<a><b></b></a>"


def test_a_missing_value_breaks_a_line():
    axis = Axis(0, 10, 0, 10)
    assert 'd="M0.0 0.0M2.0 2.0L3.0 3.0"' in draw_polyline(axis, axis, (0, 1, 2, 3), (0, None, 2, 3), "main")


def test_numbers_have_three_significant_digits():
    assert [format_number(v) for v in (1e-15, 0.12345, 1234.5)] == ["0", "0.123", "1,230"]
