"""Encoders of columns of any type."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from egbad.data.column_types import BOOLEAN, CATEGORY, MAX_KNOWN_LEVELS, NUMBER, TIME, TIME_OF_DAY, category_code
from egbad.data.conversion import as_data
from egbad.preprocessing.column_encoder import MAX_BUCKETS, MAX_ONE_HOT_LEVELS, ColumnEncoder, TableEncoder


def test_rare_levels_share_columns():
    codes = np.array([category_code(str(i)) for i in range(100)])
    x = np.repeat(codes, np.arange(100, 0, -1))
    encoder = ColumnEncoder.from_training(CATEGORY, x)
    assert len(encoder.levels) == MAX_ONE_HOT_LEVELS and encoder.n_buckets == MAX_BUCKETS
    assert encoder.width == MAX_ONE_HOT_LEVELS + MAX_BUCKETS + 1
    u = encoder.encode(codes)
    assert (u.sum(axis=1) == 1).all(), "every level is in one column"
    assert u[:, :MAX_ONE_HOT_LEVELS].sum() == MAX_ONE_HOT_LEVELS and u[:, -1].sum() == 0
    assert encoder.encode(np.array([category_code("new")]))[0, -1] == 1
    assert np.array_equal(encoder.decode(u)[:MAX_ONE_HOT_LEVELS], codes[:MAX_ONE_HOT_LEVELS])
    assert np.isnan(encoder.decode(u)[MAX_ONE_HOT_LEVELS:]).all()


def test_a_million_levels_have_no_more_columns():
    rng = np.random.default_rng(0)
    encoder = ColumnEncoder.from_training(CATEGORY, rng.integers(0, 2**48, 1_000_000).astype(np.float64))
    assert encoder.width == MAX_ONE_HOT_LEVELS + MAX_BUCKETS + 1 and len(encoder.known_levels) == 0
    assert "more than 10,000 levels" in encoder.describe() and MAX_KNOWN_LEVELS == 10_000


def test_times_are_periodic():
    noon = datetime(2024, 5, 1, 12, tzinfo=UTC)
    x = as_data(pd.DataFrame({"t": [noon + timedelta(days=7 * i) for i in range(52)]})).x[:, 0]
    u = ColumnEncoder.from_training(TIME, x).encode(x)
    assert u[:, [0, 1, 3, 4]] == pytest.approx(np.repeat(u[:1, [0, 1, 3, 4]], 52, axis=0), abs=1e-6)
    assert u[0, 0] == pytest.approx(0, abs=1e-6) and u[0, 3] == pytest.approx(-1), "noon is half of a day"
    before_1970 = as_data(pd.DataFrame({"t": [datetime(1850, 1, 1)]})).x[:, 0]
    assert before_1970[0] < 0 and np.isfinite(ColumnEncoder.from_training(TIME, x).encode(before_1970)).all()


def test_a_time_of_day_is_a_point_on_one_circle():
    encoder = ColumnEncoder.from_training(TIME_OF_DAY, np.array([0.0, 43_200.0]))
    u = encoder.encode(np.array([0.0, 21_600.0, 86_399.999, np.nan]))
    assert encoder.width == 2 and u[:3] == pytest.approx(np.array([[0, 1], [1, 0], [0, 1]]), abs=1e-6)
    assert np.isnan(u[3]).all() and np.isnan(encoder.decode(u)).all()


@pytest.mark.parametrize("column_type", [NUMBER, BOOLEAN])
def test_missing_numbers_become_the_median_and_are_flagged(column_type):
    encoder = ColumnEncoder.from_training(column_type, np.array([1.0, np.nan, 3.0, 8.0]))
    u = encoder.encode(np.array([5.0, np.nan]))
    assert u.tolist() == [[5, 0], [3, 1]]
    assert np.array_equal(encoder.decode(u), [5, np.nan], equal_nan=True)


def test_a_missing_value_stays_missing_if_training_had_none():
    encoder = ColumnEncoder.from_training(NUMBER, np.array([1.0, 2.0]))
    assert encoder.width == 1 and np.isnan(encoder.encode(np.array([np.nan]))).all()
    category = ColumnEncoder.from_training(CATEGORY, np.array([5.0, 6.0]))
    assert category.encode(np.array([np.nan])).tolist() == [[0, 0, 1]], "like an unknown level"
    flagged = ColumnEncoder.from_training(CATEGORY, np.array([5.0, np.nan]))
    assert flagged.encode(np.array([np.nan, 7.0])).tolist() == [[0, 0, 1], [0, 1, 0]]


def test_a_column_without_any_value_is_encoded():
    for column_type in (NUMBER, CATEGORY, TIME):
        encoder = ColumnEncoder.from_training(column_type, np.full(3, np.nan))
        u = encoder.encode(np.array([np.nan, 4.0]))
        assert u.shape == (2, encoder.width) and np.isfinite(u).all() and u[0, -1] == 1
        assert encoder.describe() == f"{column_type}, all missing" or column_type == TIME


def test_encoded_columns_know_the_column_they_come_from():
    encoder = TableEncoder.from_training([NUMBER, CATEGORY], np.array([[1.0, 5.0], [np.nan, 6.0]]))
    assert encoder.source_columns.tolist() == [0, 0, 1, 1, 1] and encoder.stops.tolist() == [2, 5]
    assert encoder.column_weights() == pytest.approx([1 / 4, 1 / 4, 1 / 6, 1 / 6, 1 / 6])


def test_state_restores_a_table_encoder():
    rng = np.random.default_rng(0)
    x = np.where(rng.random((50, 4)) < 0.1, np.nan, rng.integers(0, 60, (50, 4))).astype(float)
    encoder = TableEncoder.from_training([NUMBER, CATEGORY, "time[Asia/Tokyo]", BOOLEAN], x)
    restored = TableEncoder.from_state(encoder.state(), [NUMBER, CATEGORY, TIME, BOOLEAN])
    u = encoder.encode(x)
    assert np.array_equal(restored.encode(x), u) and restored.width == encoder.width
    assert np.array_equal(restored.decode(u), encoder.decode(u), equal_nan=True)
