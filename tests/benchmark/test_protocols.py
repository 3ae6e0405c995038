"""Splits are disjoint, and the papers' counts come out on the real files."""

import numpy as np
import pytest

from egbad import datasets
from egbad.benchmark import protocols
from egbad.errors import InvalidInputError


@pytest.fixture
def kdd(dataset):
    """Rows that hold their own number, so that each can be followed through a split."""
    labels = np.array(["normal.", "smurf.", "neptune."])[np.arange(1000) % 3]
    return dataset(np.arange(1000.0)[:, None], labels)


@pytest.fixture
def digits(dataset):
    """Images that hold their own number, ten classes."""
    return dataset(np.arange(1000)[:, None, None], np.arange(1000) % 10)


@pytest.fixture
def numbered(dataset):
    """A function that returns rows that hold their own number."""
    return lambda labels: dataset(np.arange(float(len(labels)))[:, None], labels)


@pytest.mark.parametrize("protocol", [protocols.kdd99, protocols.kdd99_released])
def test_kdd_halves_are_disjoint_and_train_on_attacks_only(kdd, protocol):
    split = protocol(kdd)
    train, test = split.x_train[:, 0].astype(int), split.x_test[:, 0].astype(int)
    assert not set(train) & set(test)
    assert len(test) == 500
    assert (kdd.labels[train] != "normal.").all()
    assert np.array_equal(split.anomalous, kdd.labels[test] == "normal.")
    assert len(train) + (kdd.labels == "normal.").sum() - split.anomalous.sum() == 500


def test_leaving_one_class_out_is_disjoint(digits):
    split = protocols.leave_one_out(digits, 3)
    train, test = split.x_train.ravel(), split.x_test.ravel()
    assert not set(train) & set(test)
    assert len(train) == 720
    assert split.anomalous.sum() == 100
    assert np.array_equal(split.anomalous, test % 10 == 3)
    assert (train % 10 != 3).all()
    with pytest.raises(InvalidInputError, match="label must be a class of 'made'.* got 11"):
        protocols.leave_one_out(digits, 11)


def test_fewer_training_images_leave_the_test_set_as_it_is(digits):
    whole, few = protocols.leave_one_out(digits, 3), protocols.leave_one_out(digits, 3, n_train=5)
    assert np.array_equal(few.x_test, whole.x_test)
    assert len(few.x_train) == 5 and {x.tobytes() for x in few.x_train} <= {x.tobytes() for x in whole.x_train}
    for n in (0, len(whole.x_train) + 1):
        with pytest.raises(InvalidInputError, match=f"n_train must be from 1 to .* got {n}"):
            protocols.leave_one_out(digits, 3, n_train=n)


def test_one_against_one_tests_on_examples_that_did_not_train(digits):
    split = protocols.one_against_one(digits, 5, 7, 60)
    assert len(split.x_train) == 60
    assert len(split.x_test) == 40 + 100
    assert not set(split.x_train.ravel()) & set(split.x_test.ravel())
    with pytest.raises(InvalidInputError, match="n_train must be below 100"):
        protocols.one_against_one(digits, 5, 7, 100)


def test_duplicates_are_test_rows_that_equal_a_training_row():
    split = protocols.Split(np.array([[1.0, 2], [3, 4]]), np.array([[3.0, 4], [1, 4]]), np.array([True, False]))
    assert protocols.duplicates_of_training_rows(split).tolist() == [True, False]


def test_a_share_of_the_normal_rows_trains_and_all_other_rows_are_tested(numbered):
    data = numbered(np.arange(100) % 4)
    split = protocols.share_of_normals(data, 0, share=0.8, seed=1)
    train, test = split.x_train.ravel().astype(int), split.x_test.ravel().astype(int)
    assert len(train) == 20 and (data.labels[train] == 0).all()
    assert not set(train) & set(test) and len(train) + len(test) == 100
    assert np.array_equal(split.row_indices, test)
    assert split.top_share == split.anomalous.mean() == 75 / 80


def test_a_share_of_normals_needs_rows_of_both_kinds_and_enough_normal_rows(numbered):
    with pytest.raises(InvalidInputError, match="must have rows with the label 9 and rows without it"):
        protocols.share_of_normals(numbered(np.arange(100) % 4), 9)
    with pytest.raises(InvalidInputError, match="enough rows with the label 0 to train and to test on, got 2"):
        protocols.share_of_normals(numbered([0, 0, 1]), 0)


def test_one_normal_class_uses_the_official_sets(numbered):
    split = protocols.one_normal(numbered(np.arange(60) % 3), 1, 30)
    assert (split.x_train.ravel() % 3 == 1).all() and split.x_train.max() < 30
    assert np.array_equal(split.x_test.ravel(), np.arange(30, 60))
    assert np.array_equal(split.anomalous, np.arange(30, 60) % 3 != 1)


def test_the_leak_of_the_released_split_can_be_left_out(digits):
    leaking, disjoint = (protocols.leave_one_out_released(digits, 3, disjoint=own) for own in (False, True))
    assert np.array_equal(leaking.x_train, disjoint.x_train)
    trained = {image.tobytes() for image in leaking.x_train}
    shares = [
        np.mean([image.tobytes() in trained for image in split.x_test[~split.anomalous]])
        for split in (leaking, disjoint)
    ]
    assert shares[0] == pytest.approx(0.8, abs=0.05) and shares[1] == 0
    assert len(leaking.x_test) == len(disjoint.x_test) and not disjoint.notes
    assert leaking.anomalous.sum() == disjoint.anomalous.sum() == (digits.labels == 3).sum()


def test_rows_without_labels_are_halved(numbered):
    split = protocols.unlabelled_half(numbered(np.zeros(9)), seed=3)
    assert len(split.x_train) == 4 and len(split.x_test) == 5 and split.anomalous is None
    assert sorted([*split.x_train.ravel(), *split.x_test.ravel()]) == list(range(9))
    with pytest.raises(InvalidInputError, match="at least 4 rows to compare detectors on, got 3"):
        protocols.unlabelled_half(numbered(np.zeros(3)))


def test_the_rev_task_has_one_attack_in_five(numbered):
    labels = np.where(np.arange(2000) < 400, "normal.", "smurf.")
    split = protocols.kdd99_rev(numbered(labels), seed=0)
    assert (split.x_train < 400).all()
    assert len(split.x_train) + len(split.x_test) + (100 - split.anomalous.sum()) == 500
    assert split.anomalous.mean() == pytest.approx(0.2, abs=0.05)


def test_unique_rows_keep_their_order():
    x = np.array([[2.0, 1], [0, 0], [2, 1], [1, 1]])
    assert protocols.unique_rows(x).tolist() == [[2, 1], [0, 0], [1, 1]]


def test_the_papers_counts_come_out_on_the_real_file(data_dir):
    data = datasets.load("kdd99", data_dir)
    split = protocols.kdd99_released(data)
    assert data.x.shape == (494_021, 121)
    assert len(split.x_train) == 198_361
    assert len(protocols.unique_rows(split.x_train)) == 34_929
    assert len(split.x_test) == 247_011
    assert split.anomalous.mean() == pytest.approx(0.1969, abs=1e-4)
