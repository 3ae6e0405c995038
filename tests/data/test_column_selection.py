"""Selection of the columns of tables in memory."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from egbad.data.column_roles import ColumnRoles, ColumnSelection
from egbad.data.column_selection import (
    column_names,
    select_columns,
    select_features,
    separate_roles,
    without_columns,
)
from egbad.data.conversion import as_data
from egbad.errors import InvalidInputError

FRAME = pd.DataFrame({"id": [7, 8], "b": ["x", "y"], "a": [1.0, 2.0]})
CONVERTERS = {
    "pandas": lambda frame: frame,
    "polars": pl.from_pandas,
    "Arrow": pa.Table.from_pandas,
    "Data": as_data,
}
of_every_library = pytest.mark.parametrize("convert", CONVERTERS.values(), ids=CONVERTERS)


@of_every_library
def test_extra_columns_are_dropped_and_the_others_put_in_order(convert):
    selected, extra = select_features(convert(FRAME), ("a", "b"))
    expected = as_data(FRAME[["a", "b"]])
    assert extra == ["id"]
    assert as_data(selected).columns == ("a", "b") and as_data(selected).column_types == expected.column_types
    assert as_data(selected).category_labels == expected.category_labels
    assert np.array_equal(as_data(selected).x, expected.x)


@of_every_library
def test_columns_in_another_order_are_put_in_order(convert):
    selected, extra = select_features(convert(FRAME), ("a", "b", "id"))
    assert extra == [] and column_names(selected) == ["a", "b", "id"]


@pytest.mark.parametrize("columns", [None, ("a", "c"), ("id", "b", "a")])
def test_other_tables_are_left_as_they_are(columns):
    assert select_features(FRAME, columns)[0] is FRAME
    array = np.zeros((2, 3))
    assert select_features(array, ("a", "b"))[0] is array


def test_names_are_those_of_a_frame_with_a_column_of_the_name_of_an_attribute():
    assert column_names(pd.DataFrame({"column_names": [1.0], "select": [2.0]})) == ["column_names", "select"]


@pytest.mark.parametrize("names", [[0, 1], ["a", "a"], ["a", 1]])
def test_there_are_no_names_unless_all_are_different_texts(names):
    assert column_names(pd.DataFrame(np.zeros((1, 2)), columns=names)) is None


def test_columns_to_leave_out_need_not_exist_and_other_names_may_be_numbers():
    frame = pd.DataFrame([[1.0, 2.0]], columns=["a", 1])
    assert [*without_columns(frame, {"a", "z"}).columns] == [1]
    assert without_columns(frame, {"z"}) is frame


def test_selected_data_keep_the_coverage_rows_of_their_columns():
    data = as_data(FRAME)
    covered = select_columns(as_data(FRAME), ["a"])
    assert covered.coverage_rows is None
    both = select_columns(as_data(data), ["a", "id"])
    assert both.x.tolist() == [[1.0, 7.0], [2.0, 8.0]]


def test_roles_of_data_are_separated_in_the_terms_of_the_user():
    frame = FRAME.assign(when=pd.to_datetime(["2024-05-01", None]), y=["good", "bad"])
    roles = ColumnRoles(ids=("id", "b", "when"), label="y")
    data = separate_roles(as_data(frame), ColumnSelection(roles))
    assert data.columns == ("a",) and data.x.tolist() == [[1.0], [2.0]]
    assert data.labels.tolist() == ["good", "bad"] and data.roles == roles
    assert data.carried.to_pydict() == {"id": [7, 8], "b": ["x", "y"], "when": ["2024-05-01 00:00:00", None]}


def test_a_required_column_that_data_lack_is_named():
    columns = ColumnSelection(ColumnRoles(ignored=("bb",)), required=("bb",))
    with pytest.raises(InvalidInputError, match="There is no column 'bb'. Did you mean 'b'?"):
        separate_roles(as_data(FRAME), columns)
