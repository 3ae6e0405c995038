"""Columns of tables in files."""

from pathlib import Path

import numpy as np
import pandas as pd
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
    unchanged = pa.table({"a": [1.0]})
    assert add_folder_columns(Path("folder/t.csv"), unchanged) is unchanged


def test_the_index_of_a_frame_is_read_only_if_it_is_asked_for():
    table = pa.Table.from_pandas(pd.DataFrame({"a": [1.0, 2.0]}, index=pd.Index([5, 7], name="id")))
    assert convert_table(Path("t.parquet"), table, ReadOptions()).columns == ("a",)
    data = convert_table(Path("t.parquet"), table, ReadOptions(label_column="id"))
    assert data.columns == ("a",) and data.labels.tolist() == [5, 7]
    assert convert_table(Path("t.parquet"), table, ReadOptions(column_types={"id": "number"})).columns == ("a", "id")


def test_folder_names_are_read_as_hive_writes_them():
    path = Path("city=S%C3%A3o%20Paulo/a%2Fb=x%3Dy/gap=__HIVE_DEFAULT_PARTITION__/t.parquet")
    data = convert_table(path, pa.table({"v": [1.0, 2.0]}), ReadOptions())
    assert data.columns == ("v", "city", "a/b", "gap") and np.isnan(data.x[:, 3]).all()
    assert [[*labels.values()] for labels in data.category_labels.values()] == [["São Paulo"], ["x=y"]]


def test_folder_names_have_the_types_that_are_asked_for():
    types = {"year": "number", "day": "time", "at": "time[Asia/Tokyo]", "ok": "boolean"}
    path = Path("year=2024/day=1970-01-02/at=1970-01-01T00:00:00Z/ok=true/t.csv")
    data = convert_table(path, pa.table({"v": [1.0]}), ReadOptions(column_types=types))
    assert data.x.tolist() == [[1, 2024, 86_400, 9 * 3600, 1]]
    assert data.column_types == ("number", "number", "time", "time[Asia/Tokyo]", "boolean")
    with pytest.raises(InvalidInputError, match="Column 'year' must hold numbers, got the folder name 'x'"):
        convert_table(Path("year=x/t.csv"), pa.table({"v": [1.0]}), ReadOptions(column_types=types))


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"a": [1.0], "town": ["x"]}, "got 'one' and 'two': 'city' is in one of them only"),
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


def test_times_of_all_files_are_read_in_the_zone_of_the_first():
    tokyo, utc, without = (
        as_data(pa.table({"t": pa.array([0], pa.timestamp("s", tz=z))})) for z in ("Asia/Tokyo", "UTC", None)
    )
    found = match_columns(Path("one"), tokyo, Path("two"), utc)
    assert found.column_types == ("time[Asia/Tokyo]",) and found.x.tolist() == [[9 * 3600]]
    with pytest.raises(
        InvalidInputError, match=r"times with a zone \(UTC\) in 'one' and times without a zone in 'two'"
    ):
        match_columns(Path("one"), utc, Path("two"), without)
    with pytest.raises(InvalidInputError, match="got times in 'one' and numbers in 'two'"):
        match_columns(Path("one"), without, Path("two"), as_data(pa.table({"t": [1.0]})))
