"""Columns of pandas and of Python objects."""

from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from egbad.data.object_columns import from_objects, from_series
from egbad.errors import InvalidInputError

NAIVE, AWARE = datetime(2024, 1, 1, 5), datetime(2024, 1, 1, tzinfo=UTC)


def objects(*values):
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def test_a_series_with_several_chunks_is_one_column():
    parts = pd.concat([pd.Series(["a"], dtype="string[pyarrow]"), pd.Series(["b"], dtype="string[pyarrow]")])
    assert from_series("a", parts).to_pylist() == ["a", "b"]


@pytest.mark.parametrize("values", [[0.0, 1.0], [0, 1], [True, False]])
def test_sparse_columns_are_filled(values):
    assert from_series("a", pd.Series(pd.arrays.SparseArray(values))).to_pylist() == values


def test_missing_objects_are_null():
    assert from_objects("a", objects("x", None, np.nan, pd.NaT)).null_count == 3
    assert from_objects("a", objects(NAIVE, pd.NaT, None)).null_count == 2
    assert from_objects("a", objects(Decimal("1.5"), None)).null_count == 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((1, "x"), "must hold values of one type: .*Convert or drop it"),
        ((True, 2), "must hold values of one type: "),
        ((1.5, Decimal("1.5")), "must hold values of one type: "),
        ((2**70, 1), "must hold values of one type: "),
        ((object(),), "must hold values of one type: "),
        ((NAIVE, AWARE), "got times with and without a zone"),
        ((AWARE, None, NAIVE), "got times with and without a zone"),
        ((date(2024, 1, 1), NAIVE), "got dates and times"),
        ((NAIVE, date(2024, 1, 1)), "got dates and times"),
    ],
)
def test_objects_of_several_types_are_refused(values, message):
    with pytest.raises(InvalidInputError, match=f"Column 'odd' .*{message}"):
        from_objects("odd", objects(*values))
    with pytest.raises(InvalidInputError, match=f"Column 'odd' .*{message}"):
        from_series("odd", pd.Series(objects(*values)))


def test_a_type_that_arrow_does_not_have_is_named():
    with pytest.raises(InvalidInputError, match="got 'odd' of type complex128. Convert or drop it"):
        from_series("odd", pd.Series([1j]))


def test_the_type_of_the_objects_is_kept():
    assert pa.types.is_date(from_objects("a", objects(date(2024, 1, 1))).type)
    assert from_objects("a", objects(AWARE)).type.tz == "UTC"
