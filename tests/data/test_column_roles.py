"""Roles of table columns."""

from dataclasses import replace

import pytest

from egbad.data.column_roles import NO_ROLES, ColumnRoles, ColumnSelection, list_names, split_roles
from egbad.errors import InvalidInputError


def test_a_later_role_takes_the_place_of_an_earlier_one():
    earlier = ColumnRoles(ids=("a", "b"), ignored=("c",), label="y")
    later = earlier.updated(ColumnRoles(ids=("c",), ignored=("a",)))
    assert later == ColumnRoles(ids=("b", "c"), ignored=("a",), label="y")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (ColumnRoles(label="z"), ColumnRoles(ignored=("y",), label="z")),
        (ColumnRoles(label="y"), ColumnRoles(label="y")),
        (ColumnRoles(ids=("y",)), ColumnRoles(ids=("y",))),
        (ColumnRoles(ids=("y",), label="z"), ColumnRoles(ids=("y",), label="z")),
    ],
)
def test_the_label_of_before_is_not_scored(change, expected):
    assert ColumnRoles(label="y").updated(change) == expected


def test_a_label_that_is_not_asked_for_is_ignored():
    assert ColumnRoles(ids=("a",), ignored=("b",), label="y").without_label() == ColumnRoles(("a",), ("b", "y"))
    assert ColumnRoles(ids=("a",)).without_label() == ColumnRoles(ids=("a",))


def test_roles_are_kept_of_columns_that_exist():
    roles = ColumnRoles(ids=("a", "b"), ignored=("c",), label="y")
    assert roles.among(["b", "y", "z"]) == ColumnRoles(ids=("b",), label="y")
    assert roles.among([]) == NO_ROLES


def test_roles_are_restored_from_json():
    roles = ColumnRoles(ids=("a",), ignored=("c", "d"), label="y")
    assert ColumnRoles.from_json(roles.to_json()) == roles
    assert NO_ROLES.to_json() is None and ColumnRoles.from_json(None) == NO_ROLES


def test_types_in_order_have_roles_by_the_names():
    assert split_roles(["id", "number"], ["a", "b"]) == ({"b": "number"}, ColumnRoles(ids=("a",)))
    assert split_roles(["number", "time"]) == (["number", "time"], NO_ROLES)
    with pytest.raises(InvalidInputError, match="must have names"):
        split_roles(["id", "number"], ["a"])


def test_one_column_at_most_is_the_label():
    with pytest.raises(InvalidInputError, match="At most one column must be the label, got 'y' and 'z'"):
        split_roles({"y": "label", "z": "label"})


def test_all_columns_without_a_role_are_scored_by_default():
    columns = ColumnSelection(ColumnRoles(ids=("key",), label="y"))
    assert columns.features_among(["b", "key", "a", "y"]) == ["b", "a"]
    assert columns.carried_among(["b", "key", "a", "y"]) == ["key"]
    assert columns.describe_unused(["b", "key"]) is None and not columns.is_reordered(["b", "a"])


def test_features_are_scored_in_their_order():
    columns = ColumnSelection(ColumnRoles(ids=("key",)), features=("a", "b"))
    assert columns.features_among(["b", "x", "key", "a"]) == ["a", "b"]
    assert columns.is_reordered(["b", "x", "a"]) and not columns.is_reordered(["a", "x", "b"])
    assert "fitted without them: 'x'." in columns.describe_unused(["b", "x", "key", "a"])
    assert columns.describe_unused(["a", "b", "key"]) is None


def test_without_one_of_the_features_all_columns_without_a_role_are_read():
    columns = ColumnSelection(ColumnRoles(ignored=("b",)), features=("a", "b"))
    assert columns.features_among(["x", "b", "a"]) == ["x", "a"]
    assert not columns.is_reordered(["b", "a"])


def test_columns_that_are_not_needed_are_not_read():
    columns = ColumnSelection(ColumnRoles(("key",), ("note",), "y"), features=("a", "b"), kept=("k",), required=("r",))
    names = ["note", "b", "k", "x", "a", "y", "key", "r"]
    assert columns.read_among(names) == ["b", "k", "a", "y", "key", "r"]
    assert replace(columns, features=None).read_among(names) is None, "roles of columns are remembered if they exist"


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        (ColumnSelection(), ["a", "b"]),
        (ColumnSelection(features=("a", "b")), ["a", "x"]),
        (ColumnSelection(features=("a",), required=("b",)), ["a", "x"]),
        (ColumnSelection(features=("a",)), ["a", "x", "x"]),
        (ColumnSelection(features=("a",), kept=None), ["a", "x"]),
    ],
    ids=["no features", "missing feature", "missing column", "not unique", "kept"],
)
def test_otherwise_all_columns_are_read(columns, names):
    assert columns.read_among(names) is None


@pytest.mark.parametrize(
    ("kept", "expected"), [((), ["key"]), (("x", "key"), ["key", "x"]), (None, ["key", "a", "x", "y"])]
)
def test_kept_columns_are_carried_after_the_ids(kept, expected):
    columns = ColumnSelection(ColumnRoles(ids=("key",), label="y"), features=("a",), kept=kept)
    assert columns.carried_among(["a", "x", "key", "y"]) == expected


def test_required_columns_must_exist():
    columns = ColumnSelection(ColumnRoles(ignored=("a",), label="y"), required=("a", "y"))
    columns.check(["y", "a"])
    with pytest.raises(InvalidInputError, match="There is no label column 'y'"):
        columns.check(["a"])
    with pytest.raises(InvalidInputError, match="There is no column 'a'"):
        columns.check(["y"])


def test_few_names_are_listed():
    assert list_names(["a"]) == "'a'" and list_names([*map(str, range(1006))]).endswith("'4' and 1,001 more")
