"""Rows with levels, missing values and extremes that a sample lacks."""

import numpy as np

from egbad.data.coverage import RowCoverage


def coverage_of(x, column_types=None, max_rows=100, batch=3, **options):
    coverage = RowCoverage(column_types, x.shape[1], max_rows, **options)
    for start in range(0, len(x), batch):
        coverage.add(x[start : start + batch])
    return coverage


def test_the_first_row_with_each_level_missing_value_and_extreme_is_held():
    x = np.array([[1.0, 5.0], [9.0, 5.0], [2.0, np.nan], [0.0, 6.0], [3.0, 5.0], [9.0, 6.0]])
    coverage = coverage_of(x, ("number", "category"))
    assert sorted(coverage.rows) == [0, 1, 2, 3]
    assert all(np.array_equal(coverage.rows[i], x[i], equal_nan=True) for i in coverage.rows)


def test_only_rows_with_something_new_are_returned():
    x = np.array([[1.0, 5.0], [9.0, 5.0], [2.0, np.nan], [0.0, 6.0], [3.0, 5.0]])
    coverage = coverage_of(x, ("number", "category"))
    missing = coverage.rows_missing_from(x[[0, 1, 4]])
    assert np.array_equal(missing, x[[2, 3]], equal_nan=True)
    assert coverage.rows_missing_from(x).shape == (0, 2)


def test_rows_and_levels_are_bounded():
    x = np.arange(100.0)[:, None]
    assert len(coverage_of(x, ("category",), max_rows=10).rows) == 10
    few = coverage_of(x, ("category",), batch=10, max_levels=25)
    assert len(few.levels[0]) == 30, "levels are no longer tracked after the batch that exceeds the limit"


def test_the_size_of_batches_does_not_matter():
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.normal(size=60), rng.integers(0, 9, 60), np.where(rng.random(60) < 0.1, np.nan, 1)])
    types = ("number", "category", "number")
    sample = x[::7]
    found = [coverage_of(x, types, batch=batch).rows_missing_from(sample) for batch in (1, 7, 60)]
    assert all(np.array_equal(found[0], other, equal_nan=True) for other in found[1:])
