"""Files of public data sets, downloaded from a server on this machine."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from egbad.datasets.files import RemoteFile, cache_folder, find_file, has_digest, obtain
from egbad.errors import DownloadError, UnreadableFileError

CONTENT = bytes(range(256)) * 1_000
SHA256 = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


class Server(ThreadingHTTPServer):
    """Server of `CONTENT` that closes the connection after `cut` bytes and supports ranges if `ranges` is True.

    It tells the length if `says_length` is True, and misses the start of a range by `misses_start_by` bytes.
    """

    cut: int | None = None
    ranges = says_length = True
    misses_start_by = 0

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.ranges_asked: list[str | None] = []  # Range header of each request

    def remote(self, digest: str = SHA256, path: str = "file.bin", max_bytes: int = len(CONTENT)) -> RemoteFile:
        return RemoteFile(f"set/{path}", f"http://127.0.0.1:{self.server_port}/{path}", digest, max_bytes)


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.ranges_asked.append(asked)
        if self.path != "/file.bin":
            self.send_error(int(self.path[1:]))
            return
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and self.server.ranges else 0
        if start >= len(CONTENT):
            self.send_error(416)
            return
        start += self.server.misses_start_by
        body = CONTENT[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        if self.server.says_length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.server.cut])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("EGBAD_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("EGBAD_DATA", raising=False)
    with Server() as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.02,))
        thread.start()
        yield http
        http.shutdown()
        thread.join()


def write_part(content: bytes) -> Path:
    """Write the beginning of a file that an earlier download left."""
    part = cache_folder() / "set/file.bin.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(content)
    return part


def test_a_missing_file_is_downloaded_into_the_cache(server: Server) -> None:
    path = obtain(server.remote())
    assert path == cache_folder() / "set/file.bin"
    assert path.read_bytes() == CONTENT
    assert server.ranges_asked == [None]
    assert [*path.parent.iterdir()] == [path]


def test_a_file_in_the_cache_is_not_downloaded_again(server: Server) -> None:
    assert obtain(server.remote()) == obtain(server.remote()) == find_file(server.remote())
    assert len(server.ranges_asked) == 1


def test_a_digest_may_be_md5(server: Server) -> None:
    assert has_digest(obtain(server.remote(f"md5:{hashlib.md5(CONTENT).hexdigest()}")), SHA256)


def test_a_download_continues_where_it_stopped(server: Server) -> None:
    part = write_part(CONTENT[:1_000])
    assert obtain(server.remote()).read_bytes() == CONTENT
    assert server.ranges_asked == ["bytes=1000-"]
    assert not part.exists()


def test_a_server_without_ranges_sends_the_whole_file(server: Server) -> None:
    write_part(CONTENT[:1_000])
    server.ranges = False
    assert obtain(server.remote()).read_bytes() == CONTENT


def test_a_complete_part_is_used(server: Server) -> None:
    write_part(CONTENT)
    assert obtain(server.remote()).read_bytes() == CONTENT


def test_a_broken_connection_is_an_error_and_the_next_call_continues(server: Server) -> None:
    server.cut = 100_000
    with pytest.raises(DownloadError, match=r"cannot be downloaded: .*\. Try again"):
        obtain(server.remote())
    assert (cache_folder() / "set/file.bin.part").stat().st_size == 100_000
    assert find_file(server.remote()) is None
    server.cut = None
    assert obtain(server.remote()).read_bytes() == CONTENT
    assert server.ranges_asked == [None, "bytes=100000-"]


def test_a_download_with_a_wrong_digest_is_removed(server: Server) -> None:
    with pytest.raises(DownloadError, match="must have the digest sha256:000, but the download has another"):
        obtain(server.remote("sha256:000"))
    assert [*(cache_folder() / "set").iterdir()] == []


def test_a_damaged_part_is_removed_and_the_next_call_succeeds(server: Server) -> None:
    part = write_part(b"damaged")
    with pytest.raises(DownloadError, match="digest"):
        obtain(server.remote())
    assert not part.exists()
    assert obtain(server.remote()).read_bytes() == CONTENT


@pytest.mark.parametrize("says_length", [True, False])
def test_a_file_that_is_too_large_is_refused_and_removed(server: Server, says_length: bool) -> None:
    server.says_length = says_length
    with pytest.raises(DownloadError, match=r"must have at most 100,000 bytes, got 1\d\d,\d\d\d or more|got 256,000"):
        obtain(server.remote(max_bytes=100_000))
    assert [*(cache_folder() / "set").iterdir()] == []


def test_another_part_than_the_one_asked_for_is_refused_and_removed(server: Server) -> None:
    part = write_part(CONTENT[:1_000])
    server.misses_start_by = 256
    with pytest.raises(DownloadError, match="another part of the file"):
        obtain(server.remote())
    assert not part.exists()
    server.misses_start_by = 0
    assert obtain(server.remote()).read_bytes() == CONTENT


@pytest.mark.parametrize("status", [404, 500])
def test_a_server_error_is_a_download_error(server: Server, status: int) -> None:
    with pytest.raises(DownloadError, match=f"/{status} cannot be downloaded: .+ Try again, or give a local copy"):
        obtain(server.remote(path=str(status)))


def test_a_missing_server_is_a_download_error(server: Server) -> None:
    with pytest.raises(DownloadError, match="http://127.0.0.1:1/x cannot be downloaded: .*refused"):
        obtain(RemoteFile("x", "http://127.0.0.1:1/x", SHA256))


def test_a_cache_that_cannot_be_written_is_a_download_error(server: Server, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(DownloadError, match="cannot be downloaded: "):
        obtain(server.remote())


def test_a_local_copy_comes_before_the_cache(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named, environment = tmp_path / "named", tmp_path / "environment"
    for folder in (named, environment):
        (folder / "set").mkdir(parents=True)
        (folder / "set/file.bin").write_bytes(CONTENT)
    monkeypatch.setenv("EGBAD_DATA", str(environment))
    assert obtain(server.remote()) == environment / "set/file.bin"
    assert obtain(server.remote(), named) == named / "set/file.bin"
    assert server.ranges_asked == []


def test_a_damaged_local_copy_is_refused(server: Server, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set/file.bin").write_bytes(CONTENT[:-1])
    with pytest.raises(UnreadableFileError, match=r"but is damaged\. Remove it to download it again"):
        obtain(server.remote(), tmp_path)
    assert (tmp_path / "set/file.bin").exists()


def test_a_missing_local_copy_is_named(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="The data folder must exist, got '.*nowhere', which does not"):
        obtain(server.remote(), tmp_path / "nowhere")
    assert server.ranges_asked == []
