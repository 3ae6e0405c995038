"""Splits of ADBench's tables."""

import numpy as np
import pytest

from egbad.benchmark.protocols import Split, duplicates_of_training_rows
from egbad.benchmark.table_protocols import adbench, adbench_released, without_duplicates
from egbad.errors import InvalidInputError


@pytest.fixture
def repeated(dataset):
    """A table whose 60 normal rows have 12 values, and whose 20 anomalies have values of their own."""
    x = np.concatenate([np.arange(60.0) % 12, np.arange(100.0, 120)])[:, None]
    return dataset(x, np.arange(80) >= 60)


def test_test_rows_that_equal_a_training_row_are_removed():
    x_test = np.array([[1.0], [2.0], [3.0], [1.0]])
    split = Split(np.array([[1.0], [5.0]]), x_test, np.array([False, True, False, True]), row_indices=np.arange(4))
    kept = without_duplicates(split)
    assert kept.x_test.tolist() == [[2.0], [3.0]] and kept.anomalous.tolist() == [True, False]
    assert kept.row_indices.tolist() == [1, 2] and kept.top_share == 0.5
    assert kept.notes == ("2 test rows equal a training row and were removed",)


def test_a_split_without_duplicates_stays_as_it_is():
    split = Split(np.array([[1.0]]), np.array([[2.0], [3.0]]), np.array([False, True]))
    assert without_duplicates(split) is split


def test_a_table_whose_normal_rows_all_repeat_is_refused(repeated):
    with pytest.raises(InvalidInputError, match="Test rows of both kinds must differ from all training rows"):
        adbench(repeated)


def test_half_of_the_normal_rows_train_and_no_copy_is_tested(dataset):
    data = dataset(np.concatenate([np.arange(40.0) // 2, np.arange(100.0, 110)])[:, None], np.arange(50) >= 40)
    split = adbench(data, seed=3)
    assert len(split.x_train) == 20 and split.anomalous.sum() == 10
    assert not duplicates_of_training_rows(split).any()
    assert len(split.x_test) < 30 and "were removed" in split.notes[0]
    assert not np.array_equal(split.x_train, adbench(data, seed=4).x_train)


def test_the_released_protocol_draws_small_tables_with_replacement(dataset):
    data = dataset(np.arange(200.0)[:, None], np.arange(200) >= 160)
    split = adbench_released(data, seed=1)
    assert len(split.x_train) + len(split.x_test) == 1000
    drawn = np.random.RandomState(1).choice(200, 1000, replace=True)
    assert sorted([*split.x_train.ravel(), *split.x_test.ravel()]) == sorted(drawn)
    leaked = duplicates_of_training_rows(split)[~split.anomalous].mean()
    assert leaked > 0.8 and split.notes == (f"{leaked:.0%} of the test normals equal a training row",)
    assert np.array_equal(split.x_test.ravel(), split.row_indices)


def test_the_released_protocol_draws_large_tables_without_replacement(dataset):
    split = adbench_released(dataset(np.arange(12_000.0)[:, None], np.arange(12_000) % 4 == 0))
    rows = [*split.x_train.ravel(), *split.x_test.ravel()]
    assert len(rows) == len(set(rows)) == 10_000
    medium = adbench_released(dataset(np.arange(2_000.0)[:, None], np.arange(2_000) % 4 == 0))
    assert sorted([*medium.x_train.ravel(), *medium.x_test.ravel()]) == list(range(2_000))
    assert medium.notes == ("0% of the test normals equal a training row",)
