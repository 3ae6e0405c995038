"""Tasks on tables in `.npz` files."""

import numpy as np
import pytest

from egbad.benchmark.table_tasks import FixedSplitTask, table_tasks
from egbad.errors import InvalidInputError, UnreadableFileError


def test_a_published_split_is_read_as_it_is(tmp_path):
    path = tmp_path / "table.npz"
    train, test = np.arange(6.0).reshape(3, 2), np.arange(8.0).reshape(4, 2)
    np.savez(path, train=train, test=test, test_labels=np.array([0, 1, 0, 1], np.int8))
    split, digest = FixedSplitTask("table", "oddbench/table", "clean", path=path).load(7)
    np.testing.assert_array_equal(split.x_train, train)
    np.testing.assert_array_equal(split.x_test, test)
    assert split.anomalous.tolist() == [False, True, False, True]
    assert split.top_share == 0.5 and len(digest) == 64


@pytest.mark.parametrize("content", [b"", b"no archive", None])
def test_a_file_without_a_split_is_refused(content, tmp_path):
    path = tmp_path / "table.npz"
    if content is None:
        np.savez(path, train=np.ones((3, 2)))
    else:
        path.write_bytes(content)
    with pytest.raises(UnreadableFileError, match="must hold arrays train and test and test_labels"):
        FixedSplitTask("table", "oddbench/table", "clean", path=path).load(0)


def test_a_folder_may_hold_tables_with_and_without_a_published_split(tmp_path):
    metadata = np.array({"source": "objects are never read"}, dtype=object)
    np.savez(tmp_path / "b.npz", train=np.ones((3, 2)), test=np.eye(2), test_labels=np.array([0, 1]), metadata=metadata)
    np.savez(tmp_path / "a.npz", X=np.arange(40.0).reshape(20, 2), y=(np.arange(20) >= 16)[:, None])
    first, second = table_tasks(tmp_path, "clean")
    assert (first.name, second.name) == ("a", "b") and second.dataset == f"{tmp_path.name}/b"
    split, _ = first.load(0)
    assert len(split.x_train) == 8 and len(split.x_test) == 12 and split.anomalous.sum() == 4
    assert second.load(0)[0].anomalous.tolist() == [False, True]
    released, _ = table_tasks(tmp_path, "released")[0].load(0)
    assert len(released.x_train) + len(released.x_test) == 1000


def test_a_folder_without_tables_is_refused(tmp_path):
    with pytest.raises(InvalidInputError, match="must hold tables as .npz files, got none"):
        table_tasks(tmp_path, "clean")
    np.savez(tmp_path / "a.npz", train=np.ones((3, 2)))
    with pytest.raises(UnreadableFileError, match="or X and y, got train"):
        table_tasks(tmp_path, "clean")
    (tmp_path / "a.npz").write_bytes(b"no archive")
    with pytest.raises(UnreadableFileError, match="must be a .npz file"):
        table_tasks(tmp_path, "clean")
