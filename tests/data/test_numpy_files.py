"""NumPy files."""

import numpy as np
import pytest

from egbad.data.numpy_files import read_npy, read_npz
from egbad.errors import InvalidInputError, UnreadableFileError


def test_arrays_are_read_with_their_labels(tmp_path, numbers):
    np.save(tmp_path / "rows.npy", numbers)
    np.savez(tmp_path / "rows.npz", X=numbers, y=[0, 1, 0])
    assert np.array_equal(read_npy(tmp_path / "rows.npy", None).x, numbers, equal_nan=True)
    data = read_npz(tmp_path / "rows.npz", None)
    assert data.labels.tolist() == [0, 1, 0]
    assert np.array_equal(data.x, numbers, equal_nan=True)


def test_labels_may_have_any_key(tmp_path, numbers):
    np.savez(tmp_path / "rows.npz", x=numbers, kind=[[5], [6], [7]])
    assert read_npz(tmp_path / "rows.npz", None).labels is None
    assert read_npz(tmp_path / "rows.npz", "kind").labels.tolist() == [5, 6, 7]
    with pytest.raises(InvalidInputError, match="no label key 'kinds'. Did you mean 'kind'"):
        read_npz(tmp_path / "rows.npz", "kinds")
    np.save(tmp_path / "rows.npy", numbers)
    with pytest.raises(InvalidInputError, match="A .npy file has no labels, got label column 'y'"):
        read_npy(tmp_path / "rows.npy", "y")


def test_pickled_objects_are_never_loaded(tmp_path):
    objects = np.array([{}], dtype=object)
    np.save(tmp_path / "objects.npy", objects, allow_pickle=True)
    with pytest.raises(UnreadableFileError, match=r"'.*objects.npy' cannot be read as .npy"):
        read_npy(tmp_path / "objects.npy", None)
    np.savez(tmp_path / "objects.npz", X=objects)
    with pytest.raises(UnreadableFileError, match=r"'.*objects.npz' cannot be read as .npz"):
        read_npz(tmp_path / "objects.npz", None)


def test_an_archive_without_rows_or_with_other_labels_is_refused(tmp_path, numbers):
    np.savez(tmp_path / "other.npz", z=numbers)
    with pytest.raises(InvalidInputError, match="must have an array X, x or images, got z"):
        read_npz(tmp_path / "other.npz", None)
    np.savez(tmp_path / "short.npz", X=numbers, y=[0])
    with pytest.raises(InvalidInputError, match="one label per row, got 1 labels for 3 rows"):
        read_npz(tmp_path / "short.npz", None)
    np.savez(tmp_path / "empty.npz", X=numbers[:0])
    with pytest.raises(InvalidInputError, match="at least one row"):
        read_npz(tmp_path / "empty.npz", None)
