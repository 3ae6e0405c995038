"""Splits are disjoint by construction, and the papers' counts come out on the real files."""

import numpy as np
import pytest

from egbad import datasets
from egbad.benchmark import protocols
from egbad.datasets import Dataset
from egbad.errors import InvalidInputError


def dataset(x, labels):
    return Dataset("made", np.asarray(x), np.asarray(labels), None, "", "", "")


@pytest.fixture
def numbered():
    """Rows that carry their own number, so that every one can be followed."""
    labels = np.array(["normal.", "smurf.", "neptune."])[np.arange(1000) % 3]
    return dataset(np.arange(1000.0)[:, None], labels)


@pytest.mark.parametrize("protocol", [protocols.kdd99, protocols.kdd99_released])
def test_kdd_halves_are_disjoint_and_train_on_attacks_alone(numbered, protocol):
    split = protocol(numbered)
    train, test = split.x_train[:, 0].astype(int), split.x_test[:, 0].astype(int)
    assert not set(train) & set(test)
    assert len(test) == 500
    assert (numbered.labels[train] != "normal.").all()
    assert np.array_equal(split.anomalous, numbered.labels[test] == "normal.")
    assert len(train) + (numbered.labels == "normal.").sum() - split.anomalous.sum() == 500


def test_leaving_one_digit_out_is_disjoint():
    made = dataset(np.arange(1000)[:, None, None], np.arange(1000) % 10)
    split = protocols.leave_one_out(made, 3)
    train, test = split.x_train.ravel(), split.x_test.ravel()
    assert not set(train) & set(test)
    assert len(train) == 720
    assert split.anomalous.sum() == 100
    assert np.array_equal(split.anomalous, test % 10 == 3)
    assert (train % 10 != 3).all()
    with pytest.raises(InvalidInputError, match="must have the label 11"):
        protocols.leave_one_out(made, 11)


def test_fewer_may_be_learned_and_the_same_are_met():
    made = dataset(np.arange(1000)[:, None, None], np.arange(1000) % 10)
    whole, few = protocols.leave_one_out(made, 3), protocols.leave_one_out(made, 3, n_train=5)
    assert np.array_equal(few.x_test, whole.x_test)
    assert len(few.x_train) == 5 and {x.tobytes() for x in few.x_train} <= {x.tobytes() for x in whole.x_train}
    for n in (0, len(whole.x_train) + 1):
        with pytest.raises(InvalidInputError, match=f"n_train must be from 1 to .* got {n}"):
            protocols.leave_one_out(made, 3, n_train=n)


def test_one_against_one_holds_out_what_it_does_not_train_on():
    made = dataset(np.arange(1000)[:, None, None], np.arange(1000) % 10)
    split = protocols.one_against_one(made, 5, 7, 60)
    assert len(split.x_train) == 60
    assert len(split.x_test) == 40 + 100
    assert not set(split.x_train.ravel()) & set(split.x_test.ravel())
    with pytest.raises(InvalidInputError, match="n_train must be below 100"):
        protocols.one_against_one(made, 5, 7, 100)


def test_repeats_are_test_rows_that_equal_a_training_row():
    split = protocols.Split(np.array([[1.0, 2], [3, 4]]), np.array([[3.0, 4], [1, 4]]), np.array([True, False]), ())
    assert protocols.repeats(split).tolist() == [True, False]


def test_the_papers_counts_on_the_real_file(data_dir):
    data = datasets.load("kdd99", data_dir)
    split = protocols.kdd99_released(data)
    assert data.x.shape == (494_021, 121)
    assert len(split.x_train) == 198_361
    assert len(protocols.distinct(split.x_train)) == 34_929
    assert len(split.x_test) == 247_011
    assert split.anomalous.mean() == pytest.approx(0.1969, abs=1e-4)
