"""Arrow columns of any type as numbers."""

from datetime import date, time, timedelta
from decimal import Decimal
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from egbad.data.arrow_columns import carried_cells, check_field, encode_column, plain_values
from egbad.data.column_types import BOOLEAN, CATEGORY, NUMBER, TIME, TIME_OF_DAY, category_code
from egbad.errors import InvalidInputError

BIG = 2**60 + 1  # no double
LEVELS = ["a", "b", None]
NUMBERS = [
    *(pa.array([1, 2, None], t) for t in (pa.int8(), pa.int64(), pa.uint8(), pa.uint64(), pa.float16(), pa.float64())),
    *(
        pa.array([Decimal(1), Decimal(2), None], t(9, 2))
        for t in (pa.decimal32, pa.decimal64, pa.decimal128, pa.decimal256)
    ),
    *(
        pa.array([1, 2, None], pa.int64()).cast(pa.duration("s")).cast(pa.duration(unit))
        for unit in ("s", "ms", "us", "ns")
    ),
    pc.run_end_encode(pa.array([1, 2, None])),
    pa.array([1000, 2000, None], pa.duration("ms")).dictionary_encode(),
]
TEXTS = [
    *(pa.array(LEVELS, t) for t in (pa.string(), pa.large_string(), pa.string_view())),
    *(pa.array([b"a", b"b", None], t) for t in (pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(1))),
    *(
        pa.DictionaryArray.from_arrays(pa.array([0, 1, None], index), pa.array([*values, "unused"], t))
        for index, values, t in [
            (pa.int8(), ["a", "b"], pa.string()),
            (pa.uint32(), ["a", "b"], pa.string_view()),
            (pa.uint64(), ["a", "b"], pa.large_string()),
            (pa.int16(), ["a", "b"], pa.binary()),
        ]
    ),
    pa.DictionaryArray.from_arrays([0, 1, 2], pa.array(LEVELS)),
    pc.run_end_encode(pa.array(LEVELS)),
    pa.array(LEVELS, pa.json_()),
]
WHOLE_NUMBERS = [pa.array([80, 443, None], t) for t in (pa.int32(), pa.uint64(), pa.float16(), pa.float64())]
WHOLE_NUMBERS += [pa.array([Decimal(80), Decimal(443), None]), pc.run_end_encode(pa.array([80, 443, None]))]
INSTANT = 1_700_000_000
TIMES = [
    *(pa.array([INSTANT, None]).cast(pa.timestamp("s")).cast(pa.timestamp(unit)) for unit in ("s", "ms", "us", "ns")),
    pa.array([INSTANT, None]).cast(pa.timestamp("s")).dictionary_encode(),
]
TIMES_OF_DAY = [
    pa.array([time(12, 30), None], t) for t in (pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns"))
]
REFUSED = [
    pa.array([[1]], pa.list_(pa.int8())),
    pa.array([[1]], pa.large_list(pa.int8())),
    pa.array([[1]], pa.list_(pa.int8(), 1)),
    pa.array([[1]], pa.list_view(pa.int8())),
    pa.array([{"x": 1}]),
    pa.array([[("x", 1)]], pa.map_(pa.string(), pa.int8())),
    pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])]),
    pa.array([pa.MonthDayNano([1, 2, 3])]),
    pa.FixedShapeTensorArray.from_numpy_ndarray(np.zeros((1, 2))),
    pa.DictionaryArray.from_arrays([0], pa.array([[1]])),
]


def chunked(array, copies=1):
    return pa.chunked_array([array] * copies)


def name_of(array):
    return str(array.type)


@pytest.mark.parametrize("array", NUMBERS, ids=name_of)
def test_numbers_and_durations_are_numbers(array):
    column_type, values, labels = encode_column("a", chunked(array, 2))
    assert (column_type, labels) == (NUMBER, {})
    assert np.array_equal(values, [1, 2, np.nan] * 2, equal_nan=True)


@pytest.mark.parametrize("array", TEXTS, ids=name_of)
def test_text_bytes_and_dictionaries_are_categories(array):
    for wanted in (None, CATEGORY):
        column_type, values, labels = encode_column("a", chunked(array, 2), wanted)
        assert column_type == CATEGORY and labels == {category_code(text): text for text in "ab"}
        assert np.array_equal(values, [category_code("a"), category_code("b"), np.nan] * 2, equal_nan=True)


@pytest.mark.parametrize("array", WHOLE_NUMBERS, ids=name_of)
@pytest.mark.parametrize("dictionary", [False, True])
def test_categories_of_numbers_have_the_text_of_a_file(array, dictionary):
    if dictionary and not pa.types.is_run_end_encoded(array.type):
        array = array.dictionary_encode()
    _, values, labels = encode_column("a", chunked(array), CATEGORY)
    assert [labels.get(value) for value in values] == ["80", "443", None]


@pytest.mark.parametrize("array", TIMES, ids=name_of)
def test_times_are_seconds_since_1970(array):
    column_type, values, _ = encode_column("a", chunked(array, 2))
    assert column_type == TIME and np.array_equal(values, [INSTANT, np.nan] * 2, equal_nan=True)


def test_dates_are_times():
    for date_type in (pa.date32(), pa.date64()):
        assert encode_column("a", chunked(pa.array([date(1970, 1, 3)], date_type)))[1].tolist() == [2 * 86_400]


@pytest.mark.parametrize("array", TIMES_OF_DAY, ids=name_of)
def test_times_of_day_are_seconds_since_midnight(array):
    for wanted in (None, TIME, TIME_OF_DAY):
        column_type, values, _ = encode_column("a", chunked(array, 2), wanted)
        assert column_type == TIME_OF_DAY and np.array_equal(values, [45_000, np.nan] * 2, equal_nan=True)
    with pytest.raises(InvalidInputError, match="must hold numbers, .* got times of day"):
        encode_column("a", chunked(array), NUMBER)


@pytest.mark.parametrize("array", REFUSED, ids=name_of)
def test_other_types_are_refused_with_the_name_of_the_column_and_its_type(array):
    with pytest.raises(InvalidInputError, match=r"got 'odd' of type .*\. Convert or drop it\.") as caught:
        encode_column("odd", chunked(array))
    assert str(array.type)[:20] in str(caught.value)


def test_extension_types_are_their_values_or_refused():
    one = uuid4()
    assert encode_column("a", chunked(pa.array([one.bytes, None], pa.uuid())))[2] == {category_code(str(one)): str(one)}
    column_type, values, _ = encode_column(
        "a", chunked(pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, 0], pa.int8())))
    )
    assert column_type == BOOLEAN and values.tolist() == [1, 0]
    with pytest.raises(InvalidInputError, match="got 'p' of type extension<pandas.period>"):
        check_field(pa.field("p", pa.int64(), metadata={"ARROW:extension:name": "pandas.period"}))


def test_other_types_of_booleans_and_nulls():
    assert encode_column("a", chunked(pa.array([True, None])))[0] == BOOLEAN
    assert encode_column("a", chunked(pa.nulls(2)))[0] == NUMBER
    assert encode_column("a", pa.chunked_array([], pa.string()))[1].shape == (0,)


def test_integers_beyond_the_precision_of_a_double_are_the_nearest_doubles():
    for array in (pa.array([BIG]), pa.array([BIG], pa.uint64()), pa.array([2**64 - 1], pa.uint64())):
        assert encode_column("a", chunked(array))[1].tolist() == [float(array[0].as_py())]
    assert encode_column("a", chunked(pa.array([BIG])), CATEGORY)[2] == {category_code(str(BIG)): str(BIG)}


def test_nan_is_no_level_of_a_category():
    _, values, labels = encode_column("a", chunked(pa.array([1.0, float("nan")])), CATEGORY)
    assert [*labels.values()] == ["1"] and np.isnan(values[1])


def test_numbers_and_booleans_become_categories_with_the_text_of_a_file():
    column_type, values, labels = encode_column("a", pa.chunked_array([[1.0, 2.5, None]]), CATEGORY)
    assert column_type == CATEGORY and labels == {category_code("1"): "1", category_code("2.5"): "2.5"}
    assert values[:2].tolist() == [*labels] and np.isnan(values[2])
    _, _, labels = encode_column("a", pa.chunked_array([[True, False]]), CATEGORY)
    assert {*labels.values()} == {"true", "false"}


def test_a_column_that_cannot_be_converted_is_refused():
    with pytest.raises(InvalidInputError, match="Column 'a' must hold numbers, .* got categories"):
        encode_column("a", pa.chunked_array([["x"]]), NUMBER)
    assert encode_column("a", pa.chunked_array([[True]]), NUMBER)[0] == NUMBER
    column_type, values, _ = encode_column("a", pa.chunked_array([pa.nulls(2, pa.string())]), TIME)
    assert column_type == TIME and np.isnan(values).all(), "a column without values has any type"


def test_an_instant_is_the_same_number_in_every_zone_and_unit():
    tokyo, utc = (pa.array([0, None], pa.timestamp("s", tz=zone)) for zone in ("Asia/Tokyo", "UTC"))
    column_type, values, _ = encode_column("a", chunked(tokyo))
    assert column_type == "time[Asia/Tokyo]" and np.array_equal(values, [9 * 3600, np.nan], equal_nan=True)
    for array in (utc, tokyo.cast(pa.timestamp("ns", tz="+05:30")), utc.dictionary_encode()):
        column_type, other, _ = encode_column("a", chunked(array), "time[Asia/Tokyo]")
        assert column_type == "time[Asia/Tokyo]" and np.array_equal(other, values, equal_nan=True)
    assert encode_column("a", chunked(utc), TIME)[0] == "time[UTC]"


def test_times_with_and_without_a_zone_are_not_mixed():
    without, utc = (pa.array([0], pa.timestamp("s", tz=zone)) for zone in (None, "UTC"))
    with pytest.raises(InvalidInputError, match=r"must hold times with a zone \(UTC\), .* got times without a zone"):
        encode_column("a", chunked(without), "time[UTC]")
    with pytest.raises(InvalidInputError, match=r"must hold numbers, .* got times with a zone \(UTC\)"):
        encode_column("a", chunked(utc), NUMBER)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([1.5, float("nan"), float("-inf"), None]), [1.5, None, "-inf", None]),
        (pa.array([2**60, None], pa.uint64()), [2**60, None]),
        (pa.array([True, None]), [True, None]),
        (pa.array(["a", None], pa.large_string()), ["a", None]),
        (pa.array([b"a", b"\xff", None]), ["a", "\\xff", None]),
        (pa.array([date(2024, 5, 1), None]), ["2024-05-01", None]),
        (pa.array([timedelta(seconds=90), None]), ["0:01:30", None]),
        (pa.array([[1, 2], None]), ["[1, 2]", None]),
        (pa.array([None, None]), [None, None]),
    ],
    ids=["numbers", "whole numbers", "booleans", "text", "bytes", "dates", "durations", "lists", "nulls"],
)
def test_carried_values_are_plain(column, expected):
    assert carried_cells(pa.chunked_array([column])) == expected


def test_carried_columns_have_no_encoding():
    column = pa.chunked_array([pa.array(["x", "x", None]).dictionary_encode()])
    assert plain_values(column).type == pa.string() and plain_values(column).to_pylist() == ["x", "x", None]
    encoded = pa.chunked_array([pc.run_end_encode(pa.array([1, 1, 2]))])
    assert plain_values(encoded).to_pylist() == [1, 1, 2]
