"""Tasks: rows of a user, and tables that are published with their split."""

import numpy as np
import pytest

from egbad.benchmark.tasks import FixedSplitTask, user_task
from egbad.data import Data
from egbad.errors import UnreadableFileError


def test_a_users_task_is_loaded_from_its_store(task, labelled_rows, tmp_path):
    x, anomalous = labelled_rows
    split, digest = task.load(0)
    assert len(split.x_train) == 200 and split.anomalous.sum() == anomalous.sum() and digest == task.digest
    unlabelled = user_task("rows.csv", Data(x), None, tmp_path / "unlabelled.npz")
    assert unlabelled.load(0)[0].anomalous is None and unlabelled.identity != task.identity


def test_a_published_split_is_read_as_it_is(tmp_path):
    path = tmp_path / "table.npz"
    train, test = np.arange(6.0).reshape(3, 2), np.arange(8.0).reshape(4, 2)
    np.savez(path, train=train, test=test, test_labels=np.array([0, 1, 0, 1], np.int8))
    split, digest = FixedSplitTask("table", "oddbench/table", "clean", path=path).load(7)
    np.testing.assert_array_equal(split.x_train, train)
    np.testing.assert_array_equal(split.x_test, test)
    assert split.anomalous.tolist() == [False, True, False, True]
    assert len(digest) == 64


@pytest.mark.parametrize("content", [b"", b"no archive", None])
def test_a_file_without_a_split_is_refused(content, tmp_path):
    path = tmp_path / "table.npz"
    if content is None:
        np.savez(path, train=np.ones((3, 2)))
    else:
        path.write_bytes(content)
    with pytest.raises(UnreadableFileError, match="must hold arrays train, test and test_labels"):
        FixedSplitTask("table", "oddbench/table", "clean", path=path).load(0)
