"""Column types and the encoding of values as numbers."""

from decimal import Decimal

import pytest

from egbad.data.column_types import (
    BOOLEAN,
    CATEGORY,
    NUMBER,
    TIME,
    TIME_OF_DAY,
    category_code,
    category_text,
    check_column_types,
    column_type_error,
    describe_value,
    labels_from_json,
    labels_to_json,
    unsupported_type_error,
)
from egbad.errors import InvalidInputError


def test_codes_are_the_same_on_every_machine_and_fit_into_a_double():
    assert category_code("tcp") == 88_592_717_339_563
    assert 0 <= category_code("udp") < 2**48
    assert len({category_code(str(i)) for i in range(10_000)}) == 10_000


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"a", "a"),
        (b"\xff", "\\xff"),
        (Decimal("80.00"), "80"),
        (True, "true"),
        (False, "false"),
        (80.0, "80"),
        (0.5, "0.5"),
        (7, "7"),
        ("x", "x"),
    ],
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
        (TIME, 86_400.0, "1970-01-02 00:00:00"),
        ("time[Asia/Tokyo]", 86_400.0, "1970-01-02 00:00:00 Asia/Tokyo"),
        (TIME_OF_DAY, 45_000.0, "12:30:00"),
        (TIME, 1e15, "1,000,000,000,000,000 seconds after 1970"),
    ],
)
def test_values_are_described_by_column_type(column_type, value, text):
    assert describe_value(column_type, value) == text


def test_an_unknown_column_type_gets_the_nearest_one():
    check_column_types(["number", "time", "time of day", "time[Asia/Tokyo]", "time[+09:00]"])
    with pytest.raises(InvalidInputError, match="no column type 'categori'. Did you mean 'category'"):
        check_column_types(["categori"])
    with pytest.raises(InvalidInputError, match="no time zone 'Asia/Tokio'. Give a name such as Europe/Berlin"):
        check_column_types(["time[Asia/Tokio]"])


def test_the_error_for_a_changed_column_type_says_what_it_was():
    error = column_type_error("a", TIME, NUMBER)
    assert str(error) == "Column 'a' must hold times, as it did when the detector was fitted, got numbers."
    assert "must hold times without a zone, as it" in str(column_type_error("a", TIME, "time[UTC]"))
    assert "must hold times with a zone (UTC), as it" in str(column_type_error("a", "time[UTC]", TIME))


def test_the_name_of_an_unsupported_type_is_shortened():
    message = str(unsupported_type_error("deep", "list<" * 1000))
    assert "got 'deep' of type list<" in message and len(message) < 250


def test_labels_survive_json():
    labels = {2: {1.0: "one", 2.0: "two"}, 5: {}}
    assert labels_from_json(labels_to_json(labels)) == labels
