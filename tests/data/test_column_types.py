"""Column types and the encoding of values as numbers."""

import numpy as np
import pyarrow as pa
import pytest

from egbad.data.column_types import (
    BOOLEAN,
    CATEGORY,
    NUMBER,
    TIME,
    category_code,
    category_text,
    check_column_types,
    column_type_error,
    describe_value,
    encode_column,
    labels_from_json,
    labels_to_json,
)
from egbad.errors import InvalidInputError


@pytest.mark.parametrize(
    ("values", "column_type"),
    [
        ([1, 2], NUMBER),
        ([1.5, None], NUMBER),
        ([True, None], BOOLEAN),
        (["a", "b"], CATEGORY),
        ([b"a", b"b"], CATEGORY),
        (pa.array(["a", "b"]).dictionary_encode(), CATEGORY),
        (pa.array(["a", "b"], pa.large_string()), CATEGORY),
        (pa.array([0, 1], pa.timestamp("ns")), TIME),
        (pa.array([0, 1], pa.date32()), TIME),
        (pa.array([0, 1], pa.duration("ms")), NUMBER),
        (pa.nulls(2), NUMBER),
    ],
)
def test_arrow_types_have_a_column_type(values, column_type):
    column = pa.chunked_array([values if isinstance(values, pa.Array) else pa.array(values)])
    assert encode_column("a", column)[0] == column_type


def test_an_unsupported_type_is_refused_with_its_name():
    with pytest.raises(InvalidInputError, match=r"got 'pair' of type list.* Drop it"):
        encode_column("pair", pa.chunked_array([[[1.0, 2.0]]]))


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


def test_durations_and_times_are_seconds():
    durations = pa.chunked_array([pa.array([1500, None], pa.duration("ms"))])
    assert encode_column("a", durations)[1] == pytest.approx([1.5, np.nan], nan_ok=True)
    times = pa.chunked_array([pa.array([1_500_000, None], pa.timestamp("us"))])
    assert encode_column("a", times)[1] == pytest.approx([1.5, np.nan], nan_ok=True)
    assert encode_column("a", pa.chunked_array([pa.array([2], pa.date32())]))[1].tolist() == [2 * 86_400]


def test_a_time_with_a_zone_is_local_time():
    nine = pa.array([0], pa.timestamp("s", tz="Asia/Tokyo"))  # 09:00 in Tokyo
    assert encode_column("a", pa.chunked_array([nine]))[1].tolist() == [9 * 3600]


def test_codes_are_the_same_on_every_machine_and_fit_into_a_double():
    assert category_code("tcp") == 88_592_717_339_563
    assert 0 <= category_code("udp") < 2**48
    assert len({category_code(str(i)) for i in range(10_000)}) == 10_000


@pytest.mark.parametrize(
    ("value", "text"), [(b"a", "a"), (True, "true"), (False, "false"), (80.0, "80"), (0.5, "0.5"), (7, "7"), ("x", "x")]
)
def test_levels_have_the_text_of_a_file(value, text):
    assert category_text(value) == text


@pytest.mark.parametrize(
    ("column_type", "value", "text"),
    [
        (NUMBER, 3.0, "3"),
        (NUMBER, 12_345.678, "12,346"),
        (NUMBER, 1e13, "1e+13"),
        (BOOLEAN, 0.2, "false"),
        (CATEGORY, "tcp", "'tcp'"),
        (TIME, 86_400.0, "1970-01-02 00:00:00 UTC"),
        (TIME, 1e15, "1,000,000,000,000,000 seconds after 1970"),
    ],
)
def test_values_are_described_by_column_type(column_type, value, text):
    assert describe_value(column_type, value) == text


def test_an_unknown_column_type_gets_the_nearest_one():
    check_column_types(["number", "time"])
    with pytest.raises(InvalidInputError, match="no column type 'categori'. Did you mean 'category'"):
        check_column_types(["categori"])


def test_the_error_for_a_changed_column_type_says_what_it_was():
    error = column_type_error("a", TIME, NUMBER)
    assert str(error) == "Column 'a' must hold times, as it did when the detector was fitted, got numbers."


def test_labels_survive_json():
    labels = {2: {1.0: "one", 2.0: "two"}, 5: {}}
    assert labels_from_json(labels_to_json(labels)) == labels
