"""Windows of time series."""

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from egbad.data.windows import Windows
from egbad.detectors.knn import KNN
from egbad.errors import InvalidInputError

START = datetime(2024, 1, 1)


def frame():
    """Two machines whose rows are mixed, in no order of time."""
    hours = [2, 0, 1, 3, 0, 1, 2]
    machines = ["a", "b", "a", "a", "a", "b", "b"]
    return pd.DataFrame(
        {
            "machine": machines,
            "when": [START + timedelta(hours=hour) for hour in hours],
            "heat": [10.0 * (machine == "b") + hour for machine, hour in zip(machines, hours, strict=True)],
            "state": [f"{machine}{hour}" for machine, hour in zip(machines, hours, strict=True)],
        }
    )


@pytest.mark.parametrize(
    "convert", [lambda x: x, pa.Table.from_pandas, pl.from_pandas, lambda x: pl.from_pandas(x).lazy()]
)
def test_windows_are_cut_by_series_in_the_order_of_time(convert):
    found = Windows(length=2, by="machine", time="when").cut(convert(frame()))
    table = found.table.to_pydict()
    assert list(table) == ["heat[-1]", "heat[0]", "state[-1]", "state[0]"]
    assert table["heat[-1]"] == [0, 1, 2, 10, 11] and table["heat[0]"] == [1, 2, 3, 11, 12]
    assert table["state[0]"] == ["a1", "a2", "a3", "b1", "b2"]
    assert found.positions.tolist() == [[4, 2], [2, 0], [0, 3], [1, 5], [5, 6]] and found.n_rows == 7


def test_arrays_have_numbered_columns_and_are_in_order():
    found = Windows(length=3, stride=2).cut(np.arange(14.0).reshape(7, 2))
    assert found.table.column_names == [f"column_{i}[{step}]" for i in (1, 2) for step in (-2, -1, 0)]
    assert found.positions.tolist() == [[0, 1, 2], [2, 3, 4], [4, 5, 6]]
    assert found.table["column_2[0]"].to_pylist() == [5.0, 9.0, 13.0]


def test_several_columns_tell_series_apart_and_missing_names_are_a_series():
    table = pa.table({"site": ["x", "x", "y", "x", None, None], "unit": [1, 1, 1, 2, 2, 2], "v": range(6)})
    assert Windows(length=2, by=["site", "unit"]).cut(table).positions.tolist() == [[0, 1], [4, 5]]


def test_windows_with_a_gap_are_left_out():
    when = [START + timedelta(minutes=minutes) for minutes in (0, 1, 2, 10, 11, 12)]
    table = pa.table({"when": when, "v": range(6)})
    windows = Windows(length=3, time="when", max_gap=timedelta(minutes=1))
    assert windows.cut(table).positions.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert len(Windows(length=3, time="when", max_gap=np.timedelta64(8, "m")).cut(table).positions) == 4
    numbered = pa.table({"t": [0, 1, 5, 6], "v": range(4)})
    assert Windows(length=2, time="t", max_gap=1).cut(numbered).positions.tolist() == [[0, 1], [2, 3]]


def test_values_return_to_time_steps():
    found = Windows(length=3, by="s").cut(pa.table({"s": ["a"] * 4 + ["b"] * 2 + ["c"] * 3, "v": range(9)}))
    values = np.array([1.0, 3.0, 7.0])
    assert str(found.to_rows(values).tolist()) == "[nan, nan, 1.0, 3.0, nan, nan, nan, nan, 7.0]"
    assert str(found.to_rows(values, "max").tolist()) == "[1.0, 3.0, 3.0, 3.0, nan, nan, 7.0, 7.0, 7.0]"
    assert str(found.to_rows(values, "mean").tolist()) == "[1.0, 2.0, 2.0, 3.0, nan, nan, 7.0, 7.0, 7.0]"


@given(st.data())
def test_windows_match_their_definition(data):
    n = data.draw(st.integers(2, 40))
    series = data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n))
    times = data.draw(st.permutations(range(n)))
    length, stride = data.draw(st.integers(2, 5)), data.draw(st.integers(1, 4))
    expected = []
    for one in sorted({*series}, key=series.index):
        rows = sorted((row for row in range(n) if series[row] == one), key=lambda row: times[row])
        expected += [rows[i : i + length] for i in range(0, len(rows) - length + 1, stride)]
    table = pa.table({"s": series, "t": times, "v": range(n)})
    windows = Windows(length=length, stride=stride, by="s", time="t")
    if not expected:
        with pytest.raises(InvalidInputError, match="no series has"):
            windows.cut(table)
        return
    found = windows.cut(table)
    assert sorted(found.positions.tolist()) == sorted(expected)
    assert found.table["v[0]"].to_pylist() == found.positions[:, -1].tolist()


def test_the_later_part_comes_after_the_earlier_one_in_all_series():
    table = frame()
    earlier, later = Windows(length=2, by="machine", time="when").split(table, 0.4)
    assert sorted([*earlier, *later]) == list(range(7))
    assert table["when"][earlier].max() < table["when"][later].min()
    without_times = Windows(length=2, by="machine").split(table, 0.5)
    assert [part.tolist() for part in without_times] == [[0, 1, 2], [3, 4, 5, 6]]


def test_a_detector_finds_a_change_of_course():
    rng = np.random.default_rng(0)
    wave = np.sin(np.arange(1200) / 5)[:, None] + 0.05 * rng.normal(size=(1200, 1))
    wave[1000:1010] = wave[1000]  # values that are usual one by one
    windows = Windows(length=12)
    detector = KNN(alpha=0.05, random_state=0).fit(windows.cut(wave[:800]).table)
    found = windows.cut(wave[800:])
    scores = found.to_rows(detector.anomaly_score(found.table))
    assert np.isnan(scores[:11]).all() and 1000 <= 800 + np.nanargmax(scores) < 1022


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"length": 1}, "length must be a whole number of at least 2, got 1"),
        ({"length": 2.5}, "length must be a whole number"),
        ({"length": 2, "stride": 0}, "stride must be a whole number of at least 1, got 0"),
        ({"length": 2, "max_gap": 3}, "max_gap needs the column of times"),
    ],
)
def test_wrong_options_are_refused(options, words):
    with pytest.raises(InvalidInputError, match=words):
        Windows(**options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"time": "hour"}, "There is no column 'hour'. Columns are: machine, when, heat, state"),
        ({"by": "site"}, "There is no column 'site'"),
        ({"time": "state"}, "'state' must hold times or numbers, got"),
        ({"time": "when"}, "'when' must have every time once in a series"),
        ({"time": "when", "by": "machine", "max_gap": "long"}, "max_gap must be a timedelta"),
        ({"by": "machine", "length": 5}, "no series has 5 time steps"),
    ],
)
def test_wrong_tables_are_refused(options, words):
    with pytest.raises(InvalidInputError, match=words):
        Windows(**{"length": 2, **options}).cut(frame())


def test_wrong_values_are_refused():
    found = Windows(length=2).cut(np.zeros((4, 1)))
    with pytest.raises(InvalidInputError, match=r"one value for each of 3 windows, got shape \(4,\)"):
        found.to_rows(np.zeros(4))
    with pytest.raises(InvalidInputError, match="reduction"):
        found.to_rows(np.zeros(3), "sum")
    with pytest.raises(InvalidInputError, match="two dimensions"):
        Windows(length=2).cut(np.zeros(4))
    with pytest.raises(InvalidInputError, match=r"in \(0, 1\)"):
        Windows(length=2).split(np.zeros((4, 1)), 1.0)
    with pytest.raises(InvalidInputError, match="time in every row, and 1 have none"):
        Windows(length=2, time="t").cut(pa.table({"t": [0, None], "v": [1, 2]}))
    with pytest.raises(InvalidInputError, match="time in every row, and 1 have none"):
        Windows(length=2, time="t").cut(pa.table({"t": [0.5, float("nan")], "v": [1, 2]}))
    with pytest.raises(InvalidInputError, match="2 time steps without a gap"):
        Windows(length=2, time="t", max_gap=0).cut(pa.table({"t": [0, 1], "v": [1, 2]}))
