"""Conversion of arrays, data frames and Arrow tables."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import dask.dataframe
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy.sparse import csr_matrix

from egbad.data.column_roles import ColumnRoles, ColumnSelection
from egbad.data.column_types import CATEGORY, category_code
from egbad.data.conversion import as_data, from_table, read_in_zones
from egbad.data.ragged import ragged_array
from egbad.data.stream import Data
from egbad.errors import InvalidInputError, InvalidTypeError

# -- data frames -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("convert", [lambda frame: frame, pl.from_pandas, pa.Table.from_pandas])
def test_data_frames_keep_their_column_names(frame, numbers, convert):
    data = as_data(convert(frame))
    assert data.columns == ("a", "b", "ok")
    assert np.array_equal(data.x, numbers, equal_nan=True)


@pytest.mark.parametrize("convert", [lambda frame: frame, pa.table])
def test_columns_have_types(convert):
    frame = pd.DataFrame({"a": [1.0, None], "city": ["Oslo", "Bergen"], "day": pd.to_datetime(["2024-01-01", None])})
    data = as_data(convert(frame))
    assert data.column_types == ("number", "category", "time")
    assert data.x[0, 1] == category_code("Oslo")
    assert data.category_labels == {1: {category_code(city): city for city in ("Oslo", "Bergen")}}
    assert data.x[0, 2] == 1_704_067_200 and np.isnan(data.x[1, [0, 2]]).all()


def test_pandas_columns_without_text_names_have_no_names():
    assert as_data(pd.DataFrame({0: [1.0], 1: [2.0]})).columns is None
    data = as_data(pd.DataFrame({0: [1.0], 1: ["x"]}))
    assert data.columns is None and data.column_types == ("number", "category")


def test_a_column_of_mixed_objects_is_named():
    with pytest.raises(InvalidInputError, match="Column 'b' must hold values of one type"):
        as_data(pd.DataFrame({"a": [1.0, 2.0], "b": [1, "x"]}))


def test_a_time_is_local_to_its_zone():
    tokyo = pd.DataFrame({"t": pd.to_datetime(["2024-01-01 09:00"]).tz_localize("Asia/Tokyo")})
    assert as_data(tokyo).x[0, 0] % 86_400 == 9 * 3600


def test_durations_are_seconds():
    data = as_data(pd.DataFrame({"took": pd.to_timedelta([1.5, None, 60], "s")}))
    assert data.x[:, 0] == pytest.approx([1.5, np.nan, 60], nan_ok=True) and data.column_types is None


def test_times_of_several_zones_are_one_column():
    times = [datetime(2024, 1, 1, tzinfo=zone) for zone in (UTC, timezone(timedelta(hours=9)))]
    assert as_data(pd.DataFrame({"t": times})).column_types == ("time[UTC]",)


def test_times_of_data_are_read_in_other_zones():
    data = as_data(pa.table({"a": [1.0], "t": pa.array([0], pa.timestamp("s", tz="UTC"))}))
    moved = as_data(data, ("number", "time[Asia/Tokyo]"))
    assert moved.x.tolist() == [[1, 9 * 3600]] and moved.column_types == ("number", "time[Asia/Tokyo]")
    assert data.x.tolist() == [[1, 0]] and read_in_zones(data, ("number", "time")) is data


def test_columns_that_no_library_can_pass_on_are_named():
    for column in (pl.Series([1], dtype=pl.Int128), pl.Series([object()], dtype=pl.Object)):
        with pytest.raises(InvalidInputError, match=f"got 'odd' of type {column.dtype}. Convert or drop it"):
            as_data(pl.DataFrame({"a": [1.0], "odd": column}))
    with pytest.raises(InvalidInputError, match=r"got 'odd' of type period\[M\]|extension<pandas.period"):
        as_data(pd.DataFrame({"odd": pd.period_range("2024-01", periods=2, freq="M")}))


def test_a_lazy_frame_is_collected():
    assert as_data(pl.LazyFrame({"a": [1.0, 2.0]})).x.tolist() == [[1], [2]]
    assert as_data(dask.dataframe.from_pandas(pd.DataFrame({"a": [1.0, 2.0]}))).x.tolist() == [[1], [2]]


@pytest.mark.parametrize(
    "column", [pd.Series([1.0]), pl.Series([1.0]), pa.array([1.0]), pa.chunked_array([[1.0]]), pd.Index([1.0])]
)
def test_one_column_is_no_table(column):
    with pytest.raises(InvalidTypeError, match="X must be a table, got one column as"):
        as_data(column)


@pytest.mark.parametrize(
    "table",
    [pd.DataFrame([[1.0, 2.0]], columns=["a", "a"]), pa.table([[1.0], [2.0]], ["a", "a"])],
    ids=["pandas", "Arrow"],
)
def test_column_names_are_unique(table):
    with pytest.raises(InvalidInputError, match="Column names must be unique, got 'a' more than once"):
        as_data(table)


def test_the_index_of_a_frame_is_no_column():
    frame = pd.DataFrame({"a": [1.0, 2.0]}, index=[5, 7])
    assert as_data(pa.Table.from_pandas(frame)).columns == ("a",)
    named = pa.Table.from_pandas(frame.rename_axis("id"))
    assert as_data(named).columns == ("a",)
    assert as_data(named, {"id": "number"}).columns == ("a", "id"), "a column that is asked for is kept"
    assert as_data(named.replace_schema_metadata({"pandas": "{"})).columns == ("a", "id")


# -- Arrow tables ------------------------------------------------------------------------------------------------------


def test_a_label_column_of_a_table_is_left_out():
    labelled = ColumnSelection(ColumnRoles(label="y"), required=("y",))
    data = from_table(pa.table({"a": [1.0, 2.0], "y": ["good", "bad"]}), None, labelled)
    assert data.columns == ("a",) and data.labels.tolist() == ["good", "bad"]
    with pytest.raises(InvalidInputError, match="no label column 'y'"):
        from_table(pa.table({"a": [1.0]}), None, labelled)
    assert from_table(pa.table({"a": [1.0]}), None, replace(labelled, required=())).labels is None


def test_given_column_types_come_before_those_of_the_table():
    table = pa.table({"port": [80, 443], "size": [1.0, 2.0]})
    assert as_data(table).column_types is None
    assert as_data(table, {"port": "category"}).column_types == ("category", "number")
    assert as_data(table, ["category", "number"]).column_types == ("category", "number")
    with pytest.raises(InvalidInputError, match="no column type 'colour'"):
        as_data(table, {"port": "colour"})


def test_a_table_with_labels_only_has_rows_without_columns():
    table = pa.table({"y": [1, 2, 3]})
    assert from_table(table, None, ColumnSelection(ColumnRoles(label="y"))).x.shape == (3, 0)


ROLES = {"key": "id", "note": "ignore", "y": "label", "gone": "ignore"}


@pytest.mark.parametrize(
    "convert", [lambda frame: frame, pl.from_pandas, pa.Table.from_pandas], ids=["pandas", "polars", "Arrow"]
)
def test_columns_with_a_role_are_not_converted_to_numbers(convert):
    frame = pd.DataFrame({"key": ["x", None], "a": [1.0, 2.0], "note": [[1], [2]], "y": [0, 1]})
    data = as_data(convert(frame), ROLES | {"a": "category"})
    assert data.columns == ("a",) and data.column_types == ("category",) and data.labels.tolist() == [0, 1]
    assert data.carried.to_pydict() == {"key": ["x", None]}
    assert data.roles == ColumnRoles(ids=("key",), ignored=("note",), label="y")


def test_ids_may_be_objects_of_different_types_and_categories():
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0], "key": [7, "x", None], "kind": pd.Categorical(["u", "v", "u"])})
    data = as_data(frame, {"key": "id", "kind": "id"})
    assert data.carried.to_pydict() == {"key": ["7", "x", None], "kind": ["u", "v", "u"]}
    assert not any(map(pa.types.is_dictionary, data.carried.schema.types))


def test_roles_of_data_and_of_frames_give_the_same_numbers():
    frame = pd.DataFrame({"key": ["x", "y"], "a": [1.0, 2.0], "b": ["u", "v"]})
    types = {"key": "id"}
    of_frame, of_data = as_data(frame, types), as_data(as_data(frame), types)
    assert np.array_equal(of_frame.x, of_data.x) and of_frame.columns == of_data.columns == ("a", "b")
    assert of_frame.category_labels == of_data.category_labels
    assert of_frame.carried.to_pydict() == of_data.carried.to_pydict() == {"key": ["x", "y"]}


def test_types_in_order_may_hold_roles_if_there_are_names():
    table = pa.table({"key": ["x"], "a": [1.0]})
    assert as_data(table, ["id", "number"]).columns == ("a",)
    with pytest.raises(InvalidInputError, match="must have names, got a list of types for an array"):
        as_data(np.zeros((3, 2)), ["id", "number"])


# -- arrays ------------------------------------------------------------------------------------------------------------


def test_objects_that_are_numbers_become_numbers():
    assert as_data(np.array([[1, 2.5], [3, True]], dtype=object)).x.dtype == np.float64
    with pytest.raises(InvalidInputError, match="got text in row 1, column 0"):
        as_data(np.array([[1, 2], ["x", 3]], dtype=object))
    with pytest.raises(InvalidInputError, match="X must be numbers"):
        as_data(np.array([["x"]]))


def test_an_object_that_is_neither_number_nor_text_is_a_type_error():
    with pytest.raises(InvalidTypeError, match="argument must be a string or a real number"):
        as_data(np.array([[{}]], dtype=object))


def test_booleans_become_numbers():
    assert as_data(np.array([[True, False]])).x.tolist() == [[1.0, 0.0]]


def test_sparse_matrices_are_refused():
    with pytest.raises(InvalidTypeError, match="got a sparse matrix. Convert it with X.toarray"):
        as_data(csr_matrix(np.eye(3)))


@pytest.mark.parametrize("dtype", [float, object])
def test_an_array_with_column_types_has_categories(dtype):
    data = as_data(np.array([[1.5, 80.0], [2.5, np.nan]], dtype=dtype), ["number", "category"])
    assert data.category_labels == {1: {category_code("80"): "80"}} and data.column_types == ("number", CATEGORY)
    assert data.x[0].tolist() == [1.5, category_code("80")] and np.isnan(data.x[1, 1])


def test_an_array_of_text_cannot_have_column_types():
    with pytest.raises(InvalidInputError, match="X must have the column types"):
        as_data(np.array([["a", "b"]]), ["category", "category"])


def test_structured_arrays_and_times_are_refused_with_the_way_to_pass_them():
    with pytest.raises(InvalidInputError, match="structured array with the fields a, b. Pass pandas.DataFrame"):
        as_data(np.zeros(3, dtype=[("a", float), ("b", int)]))
    for dtype in ("datetime64[s]", "timedelta64[s]", "U3", "S3"):
        with pytest.raises(InvalidInputError, match="Pass text and dates as columns of a DataFrame"):
            as_data(np.zeros((2, 2), dtype=dtype))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble, np.int8, np.uint64, bool])
def test_numbers_of_any_precision_are_rows(dtype):
    x = as_data(np.array([[0, 1]], dtype=dtype)).x
    assert x.tolist() == [[0, 1]] and x.dtype in (np.float32, np.float64, dtype)


# -- images ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "expected"), [((5, 9, 8, 3), (5, 3, 9, 8)), ((5, 3, 9, 8), (5, 3, 9, 8)), ((5, 3, 9, 3), (5, 3, 9, 3))]
)
def test_channels_come_first_if_the_shape_is_unambiguous(shape, expected):
    x = as_data(np.zeros(shape)).x
    assert x.shape == expected and x.flags.c_contiguous
    assert as_data(Data(np.zeros(shape))).x.shape == expected


def test_a_list_of_images_may_have_different_sizes():
    images = [np.zeros((9, 8, 3)), np.zeros((12, 10, 3))]
    x = as_data(images).x
    assert x.shape == (2,) and [image.shape for image in x] == [(3, 9, 8), (3, 12, 10)]
    assert as_data([np.zeros((9, 8)), np.zeros((9, 8))]).x.shape == (2, 9, 8)
    objects = np.empty(2, dtype=object)
    objects[:] = [np.zeros((9, 8)), np.ones((9, 8))]
    assert as_data(objects).x.shape == (2, 9, 8), "an array of images of one size becomes an ordinary array"


def test_images_are_native_and_contiguous_in_any_container():
    x = np.random.default_rng(0).integers(0, 999, (3, 9, 8, 3)).astype(">u2")
    sizes = ragged_array([x[0], x[1, :8]])
    for images in (as_data(x).x, as_data(Data(x)).x, *as_data(Data(sizes)).x, *as_data([x[0], x[1, :8]]).x):
        assert images.dtype == np.uint16 and images.dtype.isnative and images.flags.c_contiguous


def test_images_in_a_list_must_have_one_type_of_pixels():
    image = np.zeros((9, 8), np.uint8)
    with pytest.raises(InvalidInputError, match="one type of pixels, got float64 and uint8"):
        as_data([image, image / 255])
