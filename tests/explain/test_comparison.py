"""Comparisons of several detectors."""

import numpy as np

from egbad.explain.comparison import ChosenComparison, LazyComparison


def comparison(offset):
    """A comparison of three rows of two columns."""
    x = np.arange(6.0).reshape(3, 2)
    return LazyComparison(x, x + offset, lambda x, y: (x + offset, y - 1, y + 1), np.array([0, 1]))


CHOICE = np.array([[0, 1], [1, 1], [0, 0]])


def test_each_value_is_compared_by_the_chosen_detector():
    p, low, high = ChosenComparison((comparison(10), comparison(20)), CHOICE)()
    assert p.tolist() == [[10, 21], [22, 23], [14, 15]]
    assert np.array_equal(low, p - 1) and np.array_equal(high, p + 1)


def test_rows_are_selected_and_batches_concatenated():
    whole = ChosenComparison((comparison(10), comparison(20)), CHOICE)
    parts = [whole.select(np.array([0, 1])), whole.select(np.array([2]))]
    joined = parts[0].concatenate(parts)
    assert all(np.array_equal(one, other) for one, other in zip(joined(), whole(), strict=True))
    assert joined.decimals.tolist() == [0, 1]
