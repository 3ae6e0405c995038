"""Checks of rows and images."""

import numpy as np
import pytest

from egbad.data.column_roles import ColumnRoles
from egbad.data.ragged import ragged_array
from egbad.data.stream import MAX_IMAGE_SIDE, Data
from egbad.data.validation import check_column_names, check_data, check_pixel_range, column_names_message
from egbad.errors import InvalidInputError


def refused(data, **options):
    """Return the message with which data are refused."""
    with pytest.raises(InvalidInputError) as error:
        check_data(data, **options)
    return str(error.value)


def test_rows_and_images_with_valid_numbers_are_accepted():
    for shape in ((3, 2), (3, 8, 9), (3, 4, 8, 9)):
        check_data(Data(np.zeros(shape)))
    check_data(Data(np.array([[1.0, np.nan]])))
    check_data(Data(np.zeros((2, 8, 8), dtype=np.uint8)))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros(3), "got 1D array instead of 2D array"),
        (np.zeros((1, 1, 1, 1, 1)), "got 5D array"),
        (np.zeros((2, 2), dtype=complex), "Complex data not supported"),
        (np.zeros((2, 0)), "Found array with 0 feature"),
        (np.zeros((0, 2)), "Found array with 0 sample"),
        (np.zeros((2, 7, 20)), "8 to 128 pixels high and wide, got 7 x 20. Resize them."),
        (np.zeros((2, 200, 20)), "got 200 x 20. Resize them, or use patches"),
    ],
)
def test_wrong_shapes_and_types_are_refused(x, message):
    assert message in refused(Data(x))


def test_larger_images_are_accepted_if_asked_for():
    large = Data(np.zeros((1, MAX_IMAGE_SIDE + 1, 20)))
    check_data(large, max_side=1000)
    assert "8 to 128 pixels" in refused(large)


@pytest.mark.parametrize("columns", [None, ("a", "b")])
def test_infinity_is_named_by_row_and_column(columns):
    x = np.array([[1.0, np.nan], [1.0, np.inf]])
    column = "column 'b'" if columns else "column 1"
    message = refused(Data(x, columns, first_row=40, source="t.parquet"))
    assert f"must be finite or missing, got infinity in row 41, {column}, of 't.parquet'" in message


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_pixel_that_is_not_finite_is_named(value):
    x = np.zeros((2, 8, 8))
    x[1, 2, 3] = value
    assert f"must be finite, got {'NaN' if np.isnan(value) else 'infinity'} in row 1, pixel (2, 3)" in refused(Data(x))


def test_images_of_different_sizes_need_a_detector_of_patches():
    images = ragged_array([np.zeros((8, 8)), np.zeros((9, 12))])
    check_data(Data(images), any_size=True)
    assert "must have the same size, got shapes from (8, 8) to (9, 12)" in refused(Data(images))


def test_images_of_different_sizes_are_checked_one_by_one():
    wrong = np.zeros((9, 12))
    wrong[0, 5] = np.nan
    images = Data(ragged_array([np.zeros((8, 8)), wrong]), first_row=10)
    assert "got NaN in row 11, pixel (0, 5)" in refused(images, any_size=True)
    mixed = Data(ragged_array([np.zeros((8, 8)), np.zeros((3, 9, 9))]))
    assert "same channels, got shape (8, 8) and (3, 9, 9) in image 1" in refused(mixed, any_size=True)


@pytest.mark.parametrize(("low", "high"), [(0, 0), (5e29, 5e29), (0, 255), (-1e30, 1e30), (0, 1e-30), (270.0, 270.01)])
def test_pixel_ranges_that_single_precision_holds_are_accepted(low, high):
    check_pixel_range(low, high)


@pytest.mark.parametrize(("low", "high"), [(0, 1e31), (-1.7e308, 0), (0, 1e-31), (1e12, 1e12 + 1)])
def test_pixel_ranges_that_single_precision_does_not_hold_are_refused(low, high):
    with pytest.raises(
        InvalidInputError, match="Pixel values to learn from .* Rescale the images, or subtract an offset"
    ):
        check_pixel_range(low, high)


def test_different_column_names_are_described_in_scikit_learns_words():
    assert column_names_message(["b"], ["a"]) == (
        "The feature names should match those that were passed during fit.\n"
        "Feature names unseen at fit time:\n- b\n"
        "Feature names seen at fit time, yet now missing:\n- a\n"
    )
    assert "must be in the same order" in column_names_message([], [])
    assert column_names_message([*"gfedcba"], []).endswith("- a\n- b\n- c\n- d\n- e\n- ...\n")


def test_types_and_roles_are_for_columns_that_exist():
    data = Data(np.zeros((2, 1)), columns=("ports",), roles=ColumnRoles(ids=("key",)))
    check_column_names({"ports": "number", "key": "id"}, data)
    check_column_names(["number"], data)
    with pytest.raises(InvalidInputError, match="no column 'port'. Did you mean 'ports'?"):
        check_column_names({"port": "category"}, data)
    with pytest.raises(InvalidInputError, match="no column 'port'"):
        check_column_names({"port": "ignore"}, Data(np.zeros((2, 1))))
