"""Encoder of tables."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

from egbad.data.column_types import COLUMN_TYPES, TIME, TIME_OF_DAY
from egbad.errors import InvalidEntryError, InvalidInputError
from egbad.preprocessing.row_encoder import (
    ENCODED_LIMIT,
    SCALINGS,
    UNSCALED_LIMIT,
    UNSEEN_MISSING_DEVIATIONS,
    RowEncoder,
    log_column_mask,
)

tables = arrays(np.float64, st.tuples(st.integers(2, 20), st.integers(1, 5)), elements=st.floats(-1e6, 1e6))


def test_minmax_scaling_equals_scikit_learns():
    x = np.random.default_rng(0).normal(size=(50, 3))
    assert RowEncoder("minmax").fit(x).encode(x) == pytest.approx(MinMaxScaler().fit_transform(x), abs=1e-6)


def test_rank_normal_scaling_is_normal_and_goes_back():
    x = np.exp(np.random.default_rng(0).normal(size=(500, 2)))
    encoder = RowEncoder("rank_normal").fit(x)
    encoded = encoder.encode(x)
    assert (encoded.mean(0), encoded.std(0)) == (pytest.approx([0, 0], abs=1e-3), pytest.approx([1, 1], abs=0.01))
    assert encoder.decode(encoded) == pytest.approx(x, rel=1e-4)
    low, high = encoder.training_range()
    assert (encoded.min(0), encoded.max(0)) == (pytest.approx(low), pytest.approx(high))
    assert np.array_equal(RowEncoder("rank_normal").restore(encoder.state(), (2,)).encode(2 * x), encoder.encode(2 * x))


def test_ranks_of_a_stored_encoder_must_ascend():
    encoder = RowEncoder("rank_normal").fit(np.random.default_rng(0).normal(size=(50, 2)))
    state = encoder.state()
    with pytest.raises(InvalidEntryError, match="rank_values.*must be ascending"):
        RowEncoder("rank_normal").restore(state | {"rank_values": state["rank_values"][::-1]}, (2,))


def test_standard_scaling_equals_scikit_learns_and_is_clipped():
    x = np.random.default_rng(0).normal(size=(50, 3))
    encoder = RowEncoder().fit(x)
    assert encoder.encode(x) == pytest.approx(StandardScaler().fit_transform(x), abs=1e-5)
    assert np.abs(encoder.encode(x * 1e300)).max() == ENCODED_LIMIT


def test_robust_scaling_equals_scikit_learns_and_resists_outliers():
    x = np.random.default_rng(0).normal(size=(500, 2))
    encoder = RowEncoder("robust").fit(x)
    assert encoder.encode(x) == pytest.approx(RobustScaler(unit_variance=True).fit_transform(x), abs=1e-4)
    with_outlier = np.concatenate([x, [[20.0, 20.0]]])
    change = {}
    for scaling in ("standard", "robust"):
        before, after = (RowEncoder(scaling).fit(rows).encode(x) for rows in (x, with_outlier))
        change[scaling] = np.abs(after - before).max()
    assert change["robust"] < 0.05 < 0.5 < change["standard"]
    mostly_zero = np.r_[np.zeros(90), np.ones(10)][:, None]
    assert RowEncoder("robust").fit(mostly_zero).encode(mostly_zero).std() == pytest.approx(1, rel=1e-6)


@given(tables, st.sampled_from(SCALINGS))
def test_decoding_inverts_encoding(x, scaling):
    encoder = RowEncoder(scaling).fit(x)
    span = np.abs(x).max() + np.ptp(x) + 1
    assert np.abs(encoder.decode(encoder.encode(x)) - x).max() <= 1e-5 * span


def test_a_constant_column_becomes_zero_and_its_first_change_shows():
    x = np.column_stack([np.full(10, 5.0), np.arange(10.0)])
    encoder = RowEncoder().fit(x)
    assert not encoder.encode(x)[:, 0].any()
    assert encoder.encode(np.array([[6.0, 0.0]]))[0, 0] == pytest.approx(50)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.int64, np.uint8, np.longdouble, ">f8"])
@pytest.mark.parametrize("n", [1, 50_000])
def test_a_value_is_encoded_the_same_in_any_row_and_of_any_type(dtype, n):
    x = np.random.default_rng(0).integers(0, 200, (50_000, 3)).astype(dtype)
    x.flags.writeable = False
    encoder = RowEncoder("standard", np.array([True, False, False])).fit(x)
    u = x[:n].astype(np.float64)
    u[:, 0] = np.log1p(u[:, 0])
    exact = (u - encoder.low) / encoder.span
    exact = (exact - encoder.mean) / encoder.scale
    found = encoder.encode(x[:n])
    assert found.dtype == np.float32 and found == pytest.approx(exact, abs=1e-6)
    assert np.array_equal(encoder.encode(x[n - 1 : n]), found[-1:])


def test_columns_far_from_zero_keep_their_differences():
    x = 1.7e18 + np.arange(0, 2**20, 2.0**10)[:, None]  # nanoseconds since 1970, over a millisecond
    assert RowEncoder().fit(x).encode(x) == pytest.approx(StandardScaler().fit_transform(x - x[0]), abs=1e-3)


def test_log_columns_are_transformed_and_decoded():
    x = np.array([[0.0, 1.0], [1e6, 2.0], [10.0, 3.0]])
    encoder = RowEncoder("minmax", np.array([True, False])).fit(x)
    assert encoder.encode(x)[:, 0] == pytest.approx(np.log1p(x[:, 0]) / np.log1p(1e6), rel=1e-6)
    assert encoder.decode(encoder.encode(x)) == pytest.approx(x, rel=1e-4)


def test_log_columns_are_given_by_name_or_position():
    assert log_column_mask(["b", 0], ("a", "b", "c"), 3).tolist() == [True, True, False]
    with pytest.raises(InvalidInputError, match="no column 'bb'. Did you mean 'b'"):
        log_column_mask(["bb"], ("a", "b", "c"), 3)
    with pytest.raises(InvalidInputError, match="positions below 3"):
        log_column_mask([3], None, 3)


def test_only_whole_numbers_with_a_heavy_tail_become_log_columns():
    rng = np.random.default_rng(0)
    heavy = np.floor(rng.lognormal(3, 3, size=1000))
    rare = (np.arange(1000) < 3) * np.array([9.0, 28.0])[:, None]  # rarely above 0, up to 9 and up to 28
    uniform = np.floor(rng.uniform(0, 1e6, size=1000))
    x = np.column_stack([heavy, heavy + 0.5, heavy - 1, *rare, uniform])
    assert RowEncoder().fit(x).log.tolist() == [True, False, False, False, True, False]
    assert not RowEncoder("standard", np.zeros(6, dtype=bool)).fit(x).log.any()


def test_log_columns_must_be_numbers():
    encoder = RowEncoder(log_columns=np.array([True, True]), column_types=["number", "category"])
    with pytest.raises(InvalidInputError, match="log_columns must select numbers, got column 1 of type category"):
        encoder.fit(np.array([[1.0, 5.0], [2.0, 6.0]]))
    with pytest.raises(InvalidInputError, match="log_columns has 'a', but X has no column names"):
        log_column_mask(["a"], None, 2)


def test_an_unknown_scaling_gets_the_nearest():
    with pytest.raises(InvalidInputError, match="no scaling 'robus'. Did you mean 'robust'"):
        RowEncoder("robus")


def test_unscaled_values_are_limited_to_what_single_precision_can_square():
    encoder = RowEncoder("none").fit(np.array([[1.0], [2.0]]))
    assert encoder.encode(np.array([[1e300]]))[0, 0] == np.float32(UNSCALED_LIMIT)


def test_typical_and_missing_values_are_limited_like_unscaled_values():
    encoder = RowEncoder("none").fit(np.array([[1e140], [1e149]]))
    assert encoder.typical_values() == np.float32(UNSCALED_LIMIT)
    assert encoder.encode(np.array([[np.nan]])) == np.float32(UNSCALED_LIMIT)


@pytest.mark.parametrize("scaling", SCALINGS)
def test_columns_whose_sum_overflows_single_precision_are_encoded(scaling):
    x = np.array([[3e38], [-3e38], [3e38], [1e38]], dtype=np.float32)
    assert np.array_equal(RowEncoder(scaling).fit(x).encode(x), RowEncoder(scaling).fit(x * 1.0).encode(x))
    assert np.isfinite(RowEncoder(scaling).fit(np.abs(x)).encode(x)).all()


@pytest.mark.parametrize("scaling", SCALINGS)
def test_typical_values_range_and_deviation_are_those_of_the_encoded_rows(scaling):
    x = np.random.default_rng(0).normal(3, 2, size=(2000, 2))
    encoder = RowEncoder(scaling).fit(x)
    u = encoder.encode(x)
    centre = np.median(u, axis=0) if scaling == "robust" else u.mean(axis=0)
    assert encoder.typical_values() == pytest.approx(centre, abs=1e-4)
    low, high = encoder.training_range()
    assert low == pytest.approx(u.min(axis=0), rel=1e-5, abs=1e-6)
    assert high == pytest.approx(u.max(axis=0), rel=1e-5)
    assert encoder.standard_deviation() == pytest.approx(u.std(axis=0), rel=0.05)


@pytest.mark.parametrize("scaling", SCALINGS)
def test_a_missing_value_lies_far_out_if_training_had_none(scaling):
    x = np.random.default_rng(0).normal(3, 2, size=(1000, 1))
    encoder = RowEncoder(scaling).fit(x)
    u = encoder.encode(x)
    expected = u.max() + UNSEEN_MISSING_DEVIATIONS * u.std()
    assert encoder.encode(np.array([[np.nan]]))[0, 0] == pytest.approx(expected, rel=0.01)


@given(st.lists(st.sampled_from(COLUMN_TYPES), min_size=1, max_size=5), st.integers(0, 2**31), st.floats(0, 1))
def test_a_table_of_any_types_is_encoded_without_missing_values(column_types, seed, missing_fraction):
    rng = np.random.default_rng(seed)
    shape = (30, len(column_types))
    x = np.where(rng.random(shape) < missing_fraction, np.nan, rng.integers(0, 5, shape)).astype(float)
    encoder = RowEncoder(column_types=column_types).fit(x)
    u = encoder.encode(x)
    assert u.shape == (30, encoder.width) and np.isfinite(u).all()
    assert np.array_equal(RowEncoder(column_types=column_types).restore(encoder.state(), shape[1:]).encode(x), u)
    decodable = [j for j, column_type in enumerate(column_types) if column_type not in (TIME, TIME_OF_DAY)]
    assert encoder.decode(u)[:, decodable] == pytest.approx(x[:, decodable], abs=1e-4, nan_ok=True)
    assert np.isfinite(encoder.encode(np.full((2, len(column_types)), np.nan))).all()


def test_state_restores_the_encoder():
    x = np.random.default_rng(0).normal(size=(9, 3))
    encoder = RowEncoder().fit(x)
    restored = RowEncoder().restore(encoder.state(), (3,))
    assert np.array_equal(restored.encode(x), encoder.encode(x))
    assert np.array_equal(restored.decode(encoder.encode(x)), encoder.decode(encoder.encode(x)))
