"""Files in folders and patterns: linked folders are searched, and what cannot be read is named or skipped on request."""

import errno
import os

import numpy as np
import pytest

from egbad.data import open_stream, read
from egbad.data.file_search import find_files
from egbad.errors import UnreadableFileError


@pytest.fixture
def days(tmp_path):
    """Three folders with one table each."""
    for name in "abc":
        (tmp_path / name / "deep").mkdir(parents=True)
        (tmp_path / name / "deep" / "t.csv").write_text("x\n1\n")
    return tmp_path


@pytest.fixture
def forbid(monkeypatch):
    """Make a folder unreadable, also for root."""
    scandir = os.scandir

    def forbid(folder):
        def forbidden(path="."):
            if os.path.realpath(path) == os.path.realpath(folder):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
            return scandir(path)

        monkeypatch.setattr(os, "scandir", forbidden)

    return forbid


def relative(found, folder):
    return [path.relative_to(folder).as_posix() for path in found.files]


@pytest.mark.parametrize("pattern", ["", "**/*.csv", "*/deep/*.csv", "[a-c]/*/t.csv"])
def test_a_folder_that_cannot_be_read_is_named(days, forbid, pattern):
    forbid(days / "b" / "deep" if pattern != "[a-c]/*/t.csv" else days / "b")
    for act in (read, open_stream):
        with pytest.raises(UnreadableFileError, match=r"The folder '.*b.*' cannot be read: Permission denied\. Change"):
            act(days / pattern)


@pytest.mark.parametrize("pattern", ["", "**/*.csv"])
def test_a_folder_that_cannot_be_read_is_skipped_and_counted_on_request(days, forbid, pattern):
    forbid(days / "b")
    data, stream = read(days / pattern, skip_unreadable=True), open_stream(days / pattern, skip_unreadable=True)
    assert len(data.x) == sum(len(batch.x) for batch in stream.batches) == 2
    assert [path.rstrip(os.sep) for path in data.unreadable] == [str(days / "b")] and len(stream.unreadable) == 1


def test_a_folder_of_images_that_cannot_be_read_is_named_or_skipped(tmp_path, save_image, forbid):
    for name in ("a/1.png", "b.7/2.png"):
        save_image(name, np.zeros((8, 8), dtype=np.uint8))
    forbid(tmp_path / "b.7")
    with pytest.raises(UnreadableFileError, match="b.7' cannot be read"):
        read(tmp_path)
    data = read(tmp_path, skip_unreadable=True)
    assert data.files == ("a/1.png",) and data.unreadable == (str(tmp_path / "b.7"),)


@pytest.mark.parametrize("pattern", ["", "*", "a/deep/*.csv"])
@pytest.mark.parametrize("name", ["gone.csv", "gone"])
def test_a_broken_link_is_named_or_skipped(days, pattern, name):
    folder = days / "a" / "deep" if pattern == "a/deep/*.csv" else days
    (folder / name).symlink_to(days / "nowhere")
    if pattern == "a/deep/*.csv" and name == "gone":
        assert len(read(days / pattern).x) == 1, "the pattern does not name it"
        return
    (days / "t.csv").write_text("x\n1\n")
    with pytest.raises(UnreadableFileError, match=f"{name}' is a link to a file that does not exist"):
        read(days / pattern)
    assert read(days / pattern, skip_unreadable=True).unreadable == (str(folder / name),)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pipes in the file system")
def test_a_pipe_among_tables_is_named(days):
    os.mkfifo(days / "p.csv")
    with pytest.raises(UnreadableFileError, match=r"p\.csv' is not a file"):
        read(days)


def test_broken_links_that_are_hidden_or_no_data_are_ignored(days):
    (days / ".#t.csv").symlink_to("user@host")
    (days / "notes.txt").symlink_to("nowhere")
    assert len(read(days).x) == 3


def test_files_of_operating_systems_are_ignored_and_an_underscore_hides_tables_only(tmp_path, save_image):
    for folder in ("a", "_a", ".a", "@eaDir", "$RECYCLE.BIN", "__MACOSX"):
        (tmp_path / "tables" / folder).mkdir(parents=True)
        (tmp_path / "tables" / folder / "t.csv").write_text("x\n1\n")
        (tmp_path / "images" / folder).mkdir(parents=True)
        save_image(f"images/{folder}/i.png", np.zeros((8, 8), dtype=np.uint8))
    assert len(read(tmp_path / "tables").x) == 1
    assert read(tmp_path / "images").files == ("_a/i.png", "a/i.png")


def test_linked_folders_are_searched_once(days, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    (other / "t.csv").write_text("x\n1\n")
    (days / "latest").symlink_to("c")
    (days / "a" / "loop").symlink_to(days)
    (days / "z").symlink_to(other)
    (days / "y").symlink_to(other)
    expected = ["a/deep/t.csv", "b/deep/t.csv", "c/deep/t.csv", "y/t.csv"]
    assert relative(find_files(days), days) == expected


def test_a_path_that_may_not_be_looked_at_is_named(days, monkeypatch):
    status = os.stat

    def forbidden(path, **options):
        if os.fspath(path) == str(days / "a"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return status(path, **options)

    monkeypatch.setattr(os, "stat", forbidden)
    with pytest.raises(UnreadableFileError, match=r"a' cannot be read: Permission denied\. Check its permissions"):
        find_files(days / "a")
