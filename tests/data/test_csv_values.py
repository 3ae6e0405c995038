"""Text cells of CSV files."""

import datetime

import pyarrow as pa
import pytest

from egbad.data.csv_values import find_notable_marks, parse_cells, parse_required, remove_marks


def text(*cells):
    return pa.array(cells, pa.string())


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        *(
            ("1.5", 1.5),
            (" 7 ", 7.0),
            ("+5", 5.0),
            ("\u22125", -5.0),
            ("1e5", 1e5),
            (".5", 0.5),
            ("-inf", -float("inf")),
        ),
        *(("$1,234.50", 1234.5), ("-$3", -3.0), ("$-3", -3.0), ("€ 5", 5.0), ("5 €", 5.0), ("USD 12.50", 12.5)),
        *(("12%", 0.12), ("100 %", 1.0), ("(12.5)", -12.5), ("($1,000)", -1000.0)),
        *(("1,234,567", 1234567.0), ("1 234.5", 1234.5), ("1\u202f234", 1234.0), ("1'234", 1234.0), ("1_000", 1000.0)),
    ],
)
def test_numbers_are_parsed_as_they_are_meant(cell, number):
    for cells in (text(cell), text(cell, "$1")):
        parsed = parse_cells(cells, "number")
        assert parsed.values[0].as_py() == number and not parsed.invalid.any()


@pytest.mark.parametrize(
    "cell", ["1O5", "1,23", "12,34,5", "1.2.3", "0x10", "--5", "5$5", "1-2", "x1", "12.05.2024", "true"]
)
def test_other_cells_are_no_numbers(cell):
    parsed = parse_cells(text(cell, "1"), "number")
    assert parsed.invalid.tolist() == [True, False] and parsed.values.to_pylist() == [None, 1.0]


def test_a_decimal_comma_makes_points_separate_thousands():
    parsed = parse_cells(text("1,5", "1.234.567,25", "7", "-0,5 %", "1.5"), "number", ",")
    assert parsed.values.to_pylist() == [1.5, 1234567.25, 7.0, -0.005, None]
    assert parsed.invalid.tolist() == [False] * 4 + [True]


@pytest.mark.parametrize("mark", ["", "NA", "null", "None", "nan", "-", "?", "#DIV/0!", " ", "gone"])
@pytest.mark.parametrize(("column_type", "value"), [("number", "$1"), ("time", "2024-01-01"), ("boolean", "true")])
def test_marks_of_missing_values_are_missing(column_type, value, mark):
    parsed = parse_cells(text(mark, None, value), column_type, marks=("gone",))
    assert parsed.missing.tolist() == [True, True, False] and not parsed.invalid.any()


def test_times_with_a_zone_are_instants():
    parsed = parse_cells(text("2024-01-01T00:00:00Z", "2024-01-01 02:00+02:00"), "time")
    assert parsed.values[0] == parsed.values[1] and parsed.values.type.tz == "UTC"
    mixed = parse_cells(text("2024-01-01T00:00:00Z", "2024-01-01"), "time")
    assert mixed.invalid.tolist() == [False, True]


def test_times_may_have_fractions_and_no_time_at_all():
    cells = text("2024-01-01", "2024-01-01 10:00", "2024-01-01T10:00:00.5", "2024-02-30", "x")
    parsed = parse_cells(cells, "time")
    assert parsed.values[2].as_py() == datetime.datetime(2024, 1, 1, 10, 0, 0, 500_000)
    assert parsed.invalid.tolist() == [False, False, False, True, True]


def test_times_of_day_are_parsed():
    parsed = parse_cells(text("12:30", "12:30:01.5", "25:00", None), "time of day")
    assert parsed.values[0].as_py() == datetime.time(12, 30) and parsed.invalid.tolist() == [False, False, True, False]


def test_cells_of_a_required_type_may_be_booleans_instead_of_numbers():
    assert parse_required(text("true", "7", None), "number").values.to_pylist() == [1.0, 7.0, None]
    assert parse_required(text("0", "FALSE"), "boolean").values.to_pylist() == [0.0, 0.0]
    assert parse_required(text("yes", "7"), "number").invalid.tolist() == [True, False]


def test_text_keeps_words_that_mean_nothing_elsewhere():
    cells = text("NA", "null", "-", None, "gone")
    assert parse_required(cells, "category").values.to_pylist() == ["NA", "null", "-", None, "gone"]
    assert parse_required(cells, "category", marks=("gone",)).values.to_pylist() == ["NA", "null", "-", None, None]
    assert remove_marks(cells).to_pylist() == [None, None, None, None, "gone"]


def test_unusual_marks_are_found():
    assert find_notable_marks(text("?", "NA", " - ", "x", None, "?")) == ["-", "?"]
