"""Arrays of rows, some of which are equal."""

import numpy as np

from egbad.arrays import distinct_rows, map_unique_rows


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
