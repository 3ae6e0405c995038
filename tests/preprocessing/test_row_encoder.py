"""Columns and pixels to what networks like, and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

from egbad.arrays import distinct_rows, map_unique_rows
from egbad.errors import InvalidInputError
from egbad.preprocessing.image_encoder import ImageEncoder
from egbad.preprocessing.row_encoder import SCALINGS, RowEncoder, log_column_mask

tables = arrays(np.float64, st.tuples(st.integers(2, 20), st.integers(1, 5)), elements=st.floats(-1e6, 1e6))


def test_minmax_is_scikit_learns():
    x = np.random.default_rng(0).normal(size=(50, 3))
    assert RowEncoder("minmax").fit(x).encode(x) == pytest.approx(MinMaxScaler().fit_transform(x), abs=1e-6)


def test_standard_is_scikit_learns():
    x = np.random.default_rng(0).normal(size=(50, 3))
    encoder = RowEncoder().fit(x)
    assert encoder.encode(x) == pytest.approx(StandardScaler().fit_transform(x), abs=1e-5)
    assert np.abs(encoder.encode(x * 1e300)).max() == 1e6


def test_robust_is_scikit_learns_and_a_stray_value_moves_little():
    x = np.random.default_rng(0).normal(size=(500, 2))
    encoder = RowEncoder("robust").fit(x)
    assert encoder.encode(x) == pytest.approx(RobustScaler(unit_variance=True).fit_transform(x), abs=1e-4)
    stray = np.concatenate([x, [[20.0, 20.0]]])
    moved = {
        way: np.abs(RowEncoder(way).fit(stray).encode(x) - RowEncoder(way).fit(x).encode(x)).max() for way in SCALINGS
    }
    assert moved["robust"] < 0.05 < 0.5 < moved["standard"]
    mostly_zero = np.r_[np.zeros(90), np.ones(10)][:, None]
    assert RowEncoder("robust").fit(mostly_zero).encode(mostly_zero).std() == pytest.approx(1, rel=1e-6)


@given(tables, st.sampled_from(SCALINGS))
def test_decoding_undoes_encoding(x, scaling):
    encoder = RowEncoder(scaling).fit(x)
    span = np.abs(x).max() + np.ptp(x) + 1
    assert np.abs(encoder.decode(encoder.encode(x)) - x).max() <= 1e-5 * span


def test_a_constant_column_becomes_zero_and_its_first_move_is_seen():
    x = np.column_stack([np.full(10, 5.0), np.arange(10.0)])
    encoder = RowEncoder().fit(x)
    assert not encoder.encode(x)[:, 0].any()
    assert encoder.encode(np.array([[6.0, 0.0]]))[0, 0] == pytest.approx(50)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.int64, np.uint8, np.longdouble, ">f8"])
@pytest.mark.parametrize("n", [1, 50_000])
def test_each_value_is_encoded_alike_in_any_place_and_of_any_type(dtype, n):
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


def test_log_columns_take_log1p_and_come_back():
    x = np.array([[0.0, 1.0], [1e6, 2.0], [10.0, 3.0]])
    encoder = RowEncoder("minmax", np.array([True, False])).fit(x)
    assert encoder.encode(x)[:, 0] == pytest.approx(np.log1p(x[:, 0]) / np.log1p(1e6), rel=1e-6)
    assert encoder.decode(encoder.encode(x)) == pytest.approx(x, rel=1e-4)


def test_log_columns_are_named_or_numbered():
    assert log_column_mask(["b", 0], ("a", "b", "c"), 3).tolist() == [True, True, False]
    with pytest.raises(InvalidInputError, match="no column 'bb'. Did you mean 'b'"):
        log_column_mask(["bb"], ("a", "b", "c"), 3)
    with pytest.raises(InvalidInputError, match="positions below 3"):
        log_column_mask([3], None, 3)


def test_eight_bit_images_range_over_what_eight_bits_can_be():
    x = np.array([[[0, 255], [51, 102]]], dtype=np.uint8)
    encoder = ImageEncoder().fit(x[:, :1])
    assert encoder.encode(x)[0, 0] == pytest.approx(np.array([[-1, 1], [-0.6, -0.2]]), abs=1e-6)
    assert encoder.decode(encoder.encode(x)) == pytest.approx(x, abs=1e-3)


def test_other_images_range_over_what_training_shows():
    x = np.linspace(2, 6, 16).reshape(1, 1, 4, 4)
    encoder = ImageEncoder().fit(x)
    assert encoder.encode(x).min() == -1
    assert encoder.encode(x).max() == 1


@pytest.mark.parametrize("x", [np.random.default_rng(0).normal(size=(9, 3)), np.ones((3, 8, 8)), np.ones((3, 2, 8, 8))])
def test_state_restores_the_encoder(x):
    make = RowEncoder if x.ndim == 2 else ImageEncoder
    encoder = make().fit(x)
    again = make().restore(encoder.state())
    assert np.array_equal(again.encode(x), encoder.encode(x))
    assert np.array_equal(again.decode(encoder.encode(x)), encoder.decode(encoder.encode(x)))


def test_whole_numbers_with_a_heavy_tail_are_logged_and_nothing_else_is():
    rng = np.random.default_rng(0)
    heavy = np.floor(rng.lognormal(3, 3, size=1000))
    seldom = (np.arange(1000) < 3) * np.array([9.0, 28.0])[:, None]  # seldom more than 0, up to 9 and to 28
    even = np.floor(rng.uniform(0, 1e6, size=1000))
    x = np.column_stack([heavy, heavy + 0.5, heavy - 1, *seldom, even])
    assert RowEncoder().fit(x).log.tolist() == [True, False, False, False, True, False]
    assert not RowEncoder("standard", np.zeros(6, dtype=bool)).fit(x).log.any()


def test_equal_rows_are_scored_once_and_get_the_same_score():
    x = np.repeat(np.arange(6.0).reshape(3, 2), 4, axis=0)[::-1]
    asked = []

    def score(part):
        asked.append(len(part))
        return part.sum(1)

    scores, n = map_unique_rows(score, x)
    assert asked == [3] and n == 3
    assert np.array_equal(scores, x.sum(1))
    assert distinct_rows(x).tolist() == [0, 4, 8]
