"""Arrays of rows, some of which are equal."""

import numpy as np
import pytest

from egbad.arrays import ArraySpec, check_arrays, distinct_rows, map_unique_rows
from egbad.errors import InvalidEntryError

SPECS = {
    "rows": ArraySpec("float32", ("n", 2), low=-1, high=1),
    "places": ArraySpec("int64", ("n",), low=0, ascending=True),
    "scale": ArraySpec("float64", low=0),
    "losses": ArraySpec("float32", ("m",), finite=False, empty=True, optional=True),
    "images": ArraySpec("number", ("k", 3), optional=True),
}
ARRAYS = {"rows": np.ones((3, 2), np.float32), "places": np.array([0, 1, 1]), "scale": np.array(2.0)}


def test_equal_rows_are_scored_once_and_get_the_same_score():
    x = np.repeat(np.arange(6.0).reshape(3, 2), 4, axis=0)[::-1]
    n_scored = []

    def score(rows):
        n_scored.append(len(rows))
        return rows.sum(1)

    scores, n_unique = map_unique_rows(score, x)
    assert n_scored == [3] and n_unique == 3
    assert np.array_equal(scores, x.sum(1))


def test_distinct_rows_are_the_first_of_equal_ones():
    x = np.repeat(np.arange(6.0).reshape(3, 2), 4, axis=0)[::-1]
    assert distinct_rows(x).tolist() == [0, 4, 8]
    assert distinct_rows(np.array([[0.0], [-0.0], [np.nan], [np.nan]])).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"scale": np.array([2.0])},
        {"losses": np.array([np.nan, np.inf], np.float32)},
        {"losses": np.empty(0, np.float32)},
        {"images": np.zeros((1, 3), np.uint8)},
        {"images": np.zeros((1, 3), np.float64)},
    ],
    ids=lambda more: " ".join(f"{name}-{array.dtype}-{array.shape}" for name, array in more.items()) or "all",
)
def test_arrays_that_fit_their_specifications_are_accepted(more):
    assert check_arrays(ARRAYS | more, SPECS, {"n": 3})["n"] == 3


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("rows", None, "'rows' is missing."),
        ("other", np.ones(3), "'other' is not an array that such a model has."),
        ("rows", np.ones((3, 2)), "'rows' must hold values of type float32, got float64."),
        ("images", np.array([["a", "b", "c"]]), "'images' must hold values of type number, got <U1."),
        ("rows", np.ones((3, 3), np.float32), "'rows' must have shape (n, 2), got (3, 3)."),
        ("places", np.arange(4), "'places' must have shape (3,), got (4,)."),
        ("scale", np.ones(2), "'scale' must have shape (), got (2,)."),
        ("images", np.empty((0, 3)), "'images' must not be empty, got shape (0, 3)."),
        ("rows", np.full((3, 2), np.nan, np.float32), "'rows' must be finite, got nan at position (0, 0)."),
        ("scale", np.array(np.inf), "'scale' must be finite, got inf."),
        ("scale", np.array(-1.0), "'scale' must be at least 0, got -1.0."),
        (
            "rows",
            np.array([[0, 0], [0, 2], [0, 0]], np.float32),
            "'rows' must be at most 1, got 2.0 at position (1, 1).",
        ),
        (
            "places",
            np.array([0, 2, 1]),
            "'places' must be in ascending order, got 1 at position 2 after a larger value.",
        ),
    ],
    ids=lambda value: value.split(",")[0] if isinstance(value, str) and " " in value else "",
)
def test_an_array_that_does_not_fit_is_named_in_one_sentence(name, array, message):
    arrays = {key: value for key, value in {**ARRAYS, name: array}.items() if value is not None}
    with pytest.raises(InvalidEntryError) as raised:
        check_arrays(arrays, SPECS)
    assert str(raised.value) == message
