"""Digests of training rows: equal rows, chance repeats, and what may be held out of later training."""

import numpy as np
import pytest

from egbad.data.ragged import ragged_array
from egbad.scoring.learned_rows import LearnedRows, row_digests


def normal(n, seed, d=3):
    return np.random.default_rng(seed).normal(size=(n, d))


def levels(n, seed, n_levels):
    return np.random.default_rng(seed).integers(0, n_levels, (n, 2)).astype(float)


def learned(x, held_out):
    return LearnedRows.from_digests(row_digests(x)).with_held_out(held_out)


def test_equal_rows_have_equal_digests_in_any_type_and_layout():
    x = np.array([[1, 2, 0], [2, 1, 0], [0, 1, 2], [1, 2, 0]], dtype=np.int64)
    digests = row_digests(x)
    assert len(np.unique(digests)) == 3 and digests[0] == digests[3]
    for same in (x.astype(np.float32), x.astype(np.uint8), np.asfortranarray(x), x * -1.0 * -1.0):
        assert np.array_equal(row_digests(same), digests)
    assert np.array_equal(
        row_digests(np.where(x == 2, np.nan, x)[[0, 3]]), row_digests(np.where(x == 2, -np.nan, x)[[3, 0]])
    )


def test_digests_do_not_depend_on_the_other_rows():
    x = normal(3000, 0, d=1000)
    assert np.array_equal(row_digests(x)[1500:1510], row_digests(x[1500:1510]))


@pytest.mark.parametrize("d", [1, 2, 20])
def test_rows_of_few_values_have_different_digests(d):
    x = np.unique(
        np.random.default_rng(0).integers(0, 50_000 if d == 1 else 3 if d == 20 else 500, (50_000, d)), axis=0
    )
    assert len(np.unique(row_digests(x))) == len(x)


def test_images_of_one_size_and_of_different_sizes_have_digests_of_their_own():
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 9)).astype(np.uint8)
    digests = row_digests(images)
    assert len(set(digests.tolist())) == 5
    assert np.array_equal(row_digests(images.astype(float)), digests)
    assert np.array_equal(row_digests(ragged_array([*images])), digests)
    zeros = row_digests(ragged_array([np.zeros((8, 9)), np.zeros((9, 8))]))
    assert zeros[0] != zeros[1]


def test_training_rows_are_found_among_others():
    known = learned(normal(900, 0), normal(100, 1))
    assert known.include(row_digests(normal(900, 0)[:1]))
    assert not known.include(row_digests(normal(5000, 2)))
    assert known.include(row_digests(np.concatenate([normal(2000, 2), normal(900, 0)[:150]])))


@pytest.mark.parametrize("n_levels", [2, 10, 40])
def test_rows_that_repeat_training_rows_by_chance_are_not_taken_for_them(n_levels):
    rows = levels(1000, 0, n_levels)
    known = learned(rows[:900], rows[900:])
    for seed in range(1, 20):
        assert not known.include(row_digests(levels(2000, seed, n_levels)))
        assert not known.include(row_digests(levels(1, seed, n_levels)))
    assert known.include(row_digests(rows)) == (n_levels == 40)  # fewer levels: new rows are the same rows


def test_rows_that_may_be_held_out_are_new_ones_and_as_many_repeats_as_there_are_by_chance():
    rng = np.random.default_rng(0)
    old, new = normal(900, 0), normal(200, 1)
    known = learned(old, normal(100, 2))
    assert np.array_equal(known.new_rows(row_digests(np.concatenate([old, new])), rng), np.arange(1100) >= 900)
    assert known.new_rows(row_digests(new), rng).all()
    assert not known.new_rows(row_digests(old), rng).any()

    rows, later = levels(1000, 0, 40), levels(1000, 1, 40)
    known = learned(rows[:900], rows[900:])
    natural = known.contains(row_digests(later)).mean()
    both = row_digests(np.concatenate([rows, later]))
    selected = known.new_rows(both, rng)
    assert 0.1 < natural < 0.9
    assert known.contains(both[selected]).mean() == pytest.approx(natural, abs=0.15)


def test_of_many_rows_a_sample_is_kept_that_answers_the_same_questions():
    old = normal(4000, 0)
    known = LearnedRows.from_digests(row_digests(old), max_digests=500).with_held_out(normal(400, 1))
    assert len(known.digests) == 500 and 20 < known.n_held_out < 100
    assert known.include(row_digests(old)) and not known.include(row_digests(normal(4000, 2)))
    both = row_digests(np.concatenate([old, normal(800, 3)]))
    selected = known.new_rows(both, np.random.default_rng(0))
    assert not selected[:4000].any() and 60 < selected[4000:].sum() < 140

    more = LearnedRows.from_digests(row_digests(normal(4000, 4)), known, max_digests=500).with_held_out(normal(900, 6))
    assert len(more.digests) == 500 and more.limit < known.limit
    assert more.include(row_digests(old)) and more.include(row_digests(normal(4000, 4)))
    again = LearnedRows.from_digests(row_digests(normal(10, 5)), known)  # the limit of the earlier fit stays
    assert again.limit == known.limit


def test_a_restored_record_equals_the_stored_one():
    known = LearnedRows.from_digests(row_digests(normal(50, 0)), max_digests=20).with_held_out(normal(50, 0))
    again = LearnedRows.from_state(known.state())
    assert np.array_equal(again.digests, known.digests)
    assert (again.limit, again.n_held_out, again.n_repeats) == (known.limit, 20, 20)


def test_without_training_rows_nothing_is_known():
    assert not LearnedRows.from_digests(row_digests(np.empty((0, 3)))).include(row_digests(normal(5, 0)))
