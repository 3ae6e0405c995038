"""Selection of the columns that a detector was fitted on."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from egbad.data.column_selection import drop_extra_columns
from egbad.data.conversion import as_data

FRAME = pd.DataFrame({"id": [7, 8], "b": ["x", "y"], "a": [1.0, 2.0]})


@pytest.mark.parametrize(
    "convert",
    [lambda frame: frame, pl.from_pandas, pa.Table.from_pandas, as_data],
    ids=["pandas", "polars", "Arrow", "Data"],
)
def test_extra_columns_are_dropped_and_the_others_put_in_order(convert):
    selected, extra = drop_extra_columns(convert(FRAME), ("a", "b"))
    expected = as_data(FRAME[["a", "b"]])
    assert extra == ["id"]
    assert as_data(selected).columns == ("a", "b") and as_data(selected).column_types == expected.column_types
    assert as_data(selected).category_labels == expected.category_labels
    assert np.array_equal(as_data(selected).x, expected.x)


@pytest.mark.parametrize("columns", [None, ("a", "c"), ("a", "b", "id"), ("b", "id", "a")])
def test_other_tables_are_left_as_they_are(columns):
    assert drop_extra_columns(FRAME, columns)[0] is FRAME
    array = np.zeros((2, 3))
    assert drop_extra_columns(array, ("a", "b"))[0] is array
