"""NumPy files."""

import warnings
import zipfile
from contextlib import suppress

import numpy as np
import pytest

from egbad.data.numpy_files import read_npy, read_npz
from egbad.errors import EgbadError, InvalidInputError, UnreadableFileError


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


def test_objects_that_nobody_asked_for_are_ignored(tmp_path, numbers):
    np.savez(tmp_path / "t.npz", X=numbers, names=np.array(["a", None], dtype=object))
    assert read_npz(tmp_path / "t.npz", None).x.shape == (3, 3)
    np.savez(tmp_path / "t.npz", X=numbers, y=np.array(["a", "b", "c"], dtype=object))
    with pytest.raises(UnreadableFileError, match="'y' holds Python objects, which are never loaded"):
        read_npz(tmp_path / "t.npz", None)


def write_member(path, name, header, content, **options):
    """Write an archive with one array."""
    with zipfile.ZipFile(path, "w", **options) as archive, archive.open(f"{name}.npy", "w") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": header})
        file.write(content)


@pytest.mark.parametrize("shape", [(2**40, 3), (3, 2), (3, 4), (-3, -3), (-3, 3)])
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_headers_that_do_not_fit_are_refused(tmp_path, numbers, shape, compression):
    write_member(tmp_path / "a.npz", "X", shape, numbers.tobytes(), compression=compression)
    with pytest.raises(UnreadableFileError, match=r"cannot be read as .npz: an array of shape .* takes .* got"):
        read_npz(tmp_path / "a.npz", None)
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        (tmp_path / "a.npy").write_bytes(archive.read("X.npy"))
    with pytest.raises(UnreadableFileError, match=r"cannot be read as .npy: an array of shape .* takes .* got"):
        read_npy(tmp_path / "a.npy", None)


def test_archives_that_numpy_does_not_write_are_refused(tmp_path, numbers):
    path = tmp_path / "a.npz"
    write_member(path, "X", (3, 3), numbers.tobytes(), compression=zipfile.ZIP_BZIP2)
    with pytest.raises(UnreadableFileError, match="size or compression of 'X.npy' is not one that NumPy writes"):
        read_npz(path, None)
    write_member(path, "X", (3, 3), numbers.tobytes())
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.find(signature) + offset] |= 1  # encrypted
    path.write_bytes(content)
    with pytest.raises(UnreadableFileError, match=r"encrypted"):
        read_npz(path, None)


def test_an_array_must_be_there_once(tmp_path, numbers):
    write_member(tmp_path / "a.npz", "X", (3, 3), numbers.tobytes())
    with warnings.catch_warnings(), zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
        warnings.simplefilter("ignore")
        archive.writestr("X.npy", archive.read("X.npy"))
    with pytest.raises(UnreadableFileError, match="holds 'X' more than once"):
        read_npz(tmp_path / "a.npz", None)


def test_a_damaged_archive_is_refused(tmp_path, numbers):
    np.savez_compressed(tmp_path / "a.npz", X=np.arange(300.0).reshape(100, 3))
    whole = (tmp_path / "a.npz").read_bytes()
    for position in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[position] ^= 0x55
        (tmp_path / "a.npz").write_bytes(damaged)
        with suppress(EgbadError):
            assert read_npz(tmp_path / "a.npz", None).x.shape == (100, 3)


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_a_damaged_header_is_refused(tmp_path, numbers, version):
    with (tmp_path / "a.npy").open("wb") as file:
        np.lib.format.write_array(file, numbers, version=version)
    whole = (tmp_path / "a.npy").read_bytes()
    for bracket in (b"{", b"}", b"(", b")", b",", b"'", b":"):
        (tmp_path / "a.npy").write_bytes(whole.replace(bracket, b" ", 1))
        with pytest.raises(UnreadableFileError, match=r"a.npy' cannot be read as .npy"):
            read_npy(tmp_path / "a.npy", None)


def test_a_single_value_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.array(1.0))
    with pytest.raises(InvalidInputError, match=r"a.npy' must hold rows or images, got a single value"):
        read_npy(tmp_path / "a.npy", None)


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
