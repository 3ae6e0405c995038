"""Tests of columns against the rows that a model keeps."""

import numpy as np
import pytest
from scipy import stats

from egbad.scoring.column_drift import ColumnTests, chi_square, kolmogorov_smirnov


def column_result(reference, new, column_type="number", parts=1):
    """Return the result of one column whose new values come in parts."""
    tests = ColumnTests(np.asarray(reference, dtype=float)[:, None], ["a"], [column_type])
    for part in np.array_split(np.asarray(new, dtype=float)[:, None], parts):
        tests.add(part)
    return tests.results()[0]


@pytest.mark.parametrize("decimals", [0, 8], ids=["ties", "no ties"])
@pytest.mark.parametrize("parts", [1, 7])
def test_counts_give_the_statistic_of_kolmogorov_and_smirnov(decimals, parts):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=80).round(decimals), rng.normal(loc=0.3, size=50).round(decimals)
    found, expected = column_result(a, b, parts=parts), stats.ks_2samp(a, b, method="asymp")
    assert (found.statistic, found.p_value) == pytest.approx((expected.statistic, expected.pvalue))
    assert found.test == "kolmogorov-smirnov"


def test_counts_of_levels_give_pearsons_statistic():
    a, b = np.repeat([1.0, 2.0, 3.0], [20, 30, 50]), np.repeat([1.0, 2.0, 3.0], [30, 30, 20])
    found = column_result(a, b, "category")
    assert found.p_value == pytest.approx(stats.chi2_contingency([[20, 30, 50], [30, 30, 20]]).pvalue)
    assert found.statistic == pytest.approx((abs(0.2 - 0.375) + abs(0.3 - 0.375) + abs(0.5 - 0.25)) / 2)


def test_levels_that_were_never_seen_are_drift():
    assert column_result(np.repeat([1.0, 2.0], 50), np.arange(100.0) + 5, "category").p_value < 1e-9


@pytest.mark.parametrize("column_type", ["number", "category"])
def test_a_change_in_the_share_missing_is_drift(column_type):
    rng = np.random.default_rng(1)
    reference, new = rng.integers(4, size=(2, 300)).astype(float)
    assert column_result(reference, new, column_type).p_value > 0.01
    new[::4] = np.nan
    assert column_result(reference, new, column_type).p_value < 1e-9


def test_a_column_without_values_is_no_drift_by_itself():
    assert column_result(np.full(50, np.nan), np.full(50, np.nan)).p_value == 1
    assert column_result(np.full(50, 3.0), np.full(50, 3.0), "category").p_value == 1
    assert kolmogorov_smirnov(np.array([3, 4]), np.array([0, 0])) == (0, 1)
    assert chi_square(np.array([3, 4]), np.array([0, 0])) == (0, 1)


def test_columns_of_times_are_left_out():
    x = np.random.default_rng(2).normal(size=(60, 3))
    tests = ColumnTests(x, ["at", "hour", "b"], ["time[UTC]", "time_of_day", "boolean"])
    assert [result.column for result in tests.results()] == ["hour", "b"]


@pytest.mark.parametrize("column_type", ["number", "category"])
def test_false_alarms_are_as_rare_as_the_level_says(column_type):
    rng = np.random.default_rng(3)
    values = rng.poisson(3, size=(400, 150)) if column_type == "category" else rng.normal(size=(400, 150))
    alarms = sum(column_result(row[:60], row[60:], column_type).p_value <= 0.05 for row in values)
    assert alarms <= stats.binom.ppf(0.999, 400, 0.05)
