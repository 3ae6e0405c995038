"""Columns that a detector cannot learn from, or should not."""

import numpy as np
import pandas as pd
import pytest

from egbad.data.conversion import as_data
from egbad.data.quality import UninformativeColumns, find_ids, find_uninformative, is_id_like, warn_of_quality
from egbad.data.stream import Data
from egbad.errors import DataQualityWarning

N = 60
RNG = np.random.default_rng(0)
MEASURED = RNG.normal(size=N)


def test_constant_and_missing_columns_are_found():
    columns = {"a": MEASURED, "one": 1.0, "word": "x", "none": np.nan, "gap": [np.nan] + [1.0] * (N - 1)}
    assert find_uninformative(as_data(pd.DataFrame(columns))) == UninformativeColumns(
        constant=("one", "word"), missing=("none",)
    )


def test_columns_of_arrays_are_named_by_position_and_are_no_ids():
    x = np.column_stack([np.arange(N), MEASURED, np.ones(N)])
    assert find_uninformative(as_data(x)) == UninformativeColumns(constant=("2",)) and find_ids(as_data(x)) == ()
    images = Data(np.zeros((N, 8, 8)))
    assert find_uninformative(images) == UninformativeColumns() and find_ids(images) == ()


def test_a_table_of_constants_gets_one_sentence():
    data = as_data(pd.DataFrame({"a": [2.0] * N, "b": [np.nan] * N}))
    assert find_uninformative(data).all_columns and find_uninformative(data).notes() == []
    with pytest.warns(DataQualityWarning, match="All columns are constant: the detector can only flag"):
        warn_of_quality(data)


def test_ids_are_named_in_a_warning_and_sound_tables_give_none():
    frame = pd.DataFrame({"key": range(N), "a": MEASURED, "one": 1.0, "none": np.nan})
    with pytest.warns(DataQualityWarning, match="look like ids, with a different value in each row: 'key'. New rows"):
        warn_of_quality(as_data(frame))
    warn_of_quality(as_data(frame.drop(columns="key")))


def test_a_column_is_not_constant_if_a_row_beside_the_sample_shows_another_value():
    data = as_data(pd.DataFrame({"a": MEASURED, "b": 1.0}))
    assert find_uninformative(data).constant == ("b",)
    covered = Data(data.x, data.columns, coverage_rows=np.array([[0.0, 2.0]]))
    assert find_uninformative(covered) == UninformativeColumns()


@pytest.mark.parametrize(
    ("name", "x"),
    [
        ("n", np.arange(N)),
        ("n", -np.arange(N)),
        ("n", np.cumsum(RNG.integers(1, 50, N))),
        ("n", RNG.permutation(N) + 1000),
        ("n", RNG.permutation(int(1.9 * N))[:N]),
        ("customerId", RNG.choice(10**9, N, replace=False)),
        ("order_nr", RNG.choice(10**9, N, replace=False)),
        ("ID", RNG.choice(10**9, N, replace=False)),
    ],
)
def test_numbers_that_count_or_name_the_rows_look_like_ids(name, x):
    assert is_id_like(name, "number", x.astype(float))
    assert not is_id_like(name, "time", x.astype(float))
    assert not is_id_like(name, "number", x + 0.5)
    assert not is_id_like(name, "number", x[:19].astype(float))


@pytest.mark.parametrize(
    ("name", "x"),
    [
        ("bytes", RNG.choice(10**9, N, replace=False)),
        ("width_idle", RNG.choice(10**9, N, replace=False)),
        ("n", np.sort(RNG.integers(0, 10**6, N)).repeat(2)),
        ("id", np.arange(N) // 2),
        ("time", np.sort(RNG.random(N))),
    ],
)
def test_measurements_are_no_ids(name, x):
    assert not is_id_like(name, "number", x.astype(float))


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([f"k{i}" for i in range(N)], True),
        ([f"k{i % 59}" for i in range(N)], False),
        ([None, *map(str, range(N))], False),
    ],
)
def test_texts_that_differ_in_all_rows_look_like_ids(texts, expected):
    frame = pd.DataFrame({"text": pd.Series(texts, dtype=object), "a": np.resize(MEASURED, len(texts))})
    assert (find_ids(as_data(frame)) == ("text",)) == expected


def test_few_names_are_listed():
    (note,) = UninformativeColumns(constant=tuple("abcdefgh")).notes()
    assert note == "Columns with one value in all rows: 'a', 'b', 'c', 'd', 'e' and 3 more."
