"""Columns of tables in files."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from egbad.data.conversion import as_data
from egbad.data.options import ReadOptions
from egbad.data.table_columns import add_folder_columns, convert_batches, convert_table, match_columns
from egbad.errors import InvalidInputError


def test_batches_count_the_rows_of_the_file():
    batches = pa.table({"a": np.arange(10.0)}).to_batches(4)
    converted = [*convert_batches(Path("t.csv"), [batches[0].slice(0, 0), *batches], ReadOptions(), 100)]
    assert [data.first_row for data in converted] == [100, 104, 108]
    with pytest.raises(InvalidInputError, match="at least one row"):
        list(convert_batches(Path("t.csv"), [], ReadOptions()))


def test_folder_names_become_categories():
    data = convert_table(Path("year=2024/other/day=/=x/city=Oslo/t.csv"), pa.table({"city": ["Rome"]}), ReadOptions())
    assert data.columns == ("city", "year", "day") and data.column_types == ("category",) * 3
    assert [[*labels.values()] for labels in data.category_labels.values()] == [["Rome"], ["2024"], [""]]
    unchanged = as_data(pa.table({"a": [1.0]}))
    assert add_folder_columns(Path("folder/t.csv"), unchanged) is unchanged


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"a": [1.0], "town": ["x"]}, "got 'one' and 'two': 'city' is in one of them only"),
        ({"city": ["x"], "a": [1.0]}, "got 'one' and 'two': their order differs"),
        (
            {"a": ["x"], "city": ["y"]},
            "Column 'a' must have the same type in all files, got numbers in 'one' and categ",
        ),
    ],
)
def test_tables_must_have_the_same_columns(other, message):
    first = as_data(pa.table({"a": [1.0], "city": ["x"]}))
    with pytest.raises(InvalidInputError, match=message):
        match_columns(Path("one"), first, Path("two"), as_data(pa.table(other)))


def test_a_column_without_values_takes_the_type_of_the_first_table():
    first = as_data(pa.table({"a": [1.0], "city": ["x"]}))
    empty = as_data(pa.table({"a": [1.0], "city": pa.nulls(1)}))
    assert empty.column_types is None
    assert match_columns(Path("one"), first, Path("two"), empty).column_types == ("number", "category")
