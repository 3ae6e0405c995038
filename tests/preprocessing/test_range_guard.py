"""The range of training rows, and the penalty outside of it."""

import numpy as np
import pytest

from egbad.preprocessing.range_guard import RangeGuard, excess

X = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)


def guard():
    return RangeGuard.from_training(X, lambda rows: rows.sum(1, dtype=np.float64), seed=0)


def test_rows_in_the_range_are_not_changed():
    assert np.array_equal(guard().clip(X), X)
    assert not excess(X, guard().clip(X)).any()


def test_rows_outside_are_clipped_and_their_distance_is_penalized():
    outside = X[:2].copy()
    outside[0, 1], outside[1, 2] = X[:, 1].max() + 2, X[:, 2].min() - 3
    clipped = guard().clip(outside)
    assert clipped[0, 1] == X[:, 1].max() and clipped[1, 2] == X[:, 2].min()
    distance = excess(outside, clipped).sum(1)
    assert distance == pytest.approx([2, 3], rel=1e-6)
    assert guard().range_penalty(distance) == pytest.approx(guard().score_std * np.array([2, 3]), rel=1e-6)


def test_the_penalty_is_the_deviation_of_scores_in_the_range():
    sides = X.max(0) - X.min(0)
    assert guard().score_std == pytest.approx(np.sqrt((sides**2 / 12).sum()), rel=0.05)


def test_state_restores_the_guard():
    restored = RangeGuard.from_state(guard().state(), len(guard().low))
    assert restored.score_std == guard().score_std
    assert np.array_equal(restored.low, guard().low) and np.array_equal(restored.high, guard().high)
