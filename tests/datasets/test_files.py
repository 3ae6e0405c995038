"""The downloader, against a server on this machine."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from egbad.datasets.files import Remote, cache, matches, obtain, present
from egbad.errors import DownloadError, UnreadableFileError

CONTENT = bytes(range(256)) * 1_000
SHA256 = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


class Server(ThreadingHTTPServer):
    """Serves CONTENT; `cut` bytes of an answer are sent, then the line goes dead; `ranges` says if it can resume."""

    cut: int | None = None
    ranges = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str | None] = []  # the Range header of each request

    def remote(self, digest: str = SHA256, path: str = "file.bin") -> Remote:
        return Remote(f"set/{path}", f"http://127.0.0.1:{self.server_port}/{path}", digest)


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.asked.append(asked)
        if self.path != "/file.bin":
            self.send_error(int(self.path[1:]))
            return
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and self.server.ranges else 0
        if start >= len(CONTENT):
            self.send_error(416)
            return
        body = CONTENT[start:]
        self.send_response(206 if start else 200)
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


def leave_part(content: bytes) -> Path:
    part = cache() / "set/file.bin.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(content)
    return part


def test_a_missing_file_is_fetched_whole_into_the_cache(server: Server) -> None:
    path = obtain(server.remote())
    assert path == cache() / "set/file.bin"
    assert path.read_bytes() == CONTENT
    assert server.asked == [None]
    assert [*path.parent.iterdir()] == [path]


def test_a_file_in_the_cache_is_not_fetched_again(server: Server) -> None:
    assert obtain(server.remote()) == obtain(server.remote()) == present(server.remote())
    assert len(server.asked) == 1


def test_an_md5_will_do(server: Server) -> None:
    assert matches(obtain(server.remote(f"md5:{hashlib.md5(CONTENT).hexdigest()}")), SHA256)


def test_a_download_goes_on_where_it_stopped(server: Server) -> None:
    part = leave_part(CONTENT[:1_000])
    assert obtain(server.remote()).read_bytes() == CONTENT
    assert server.asked == ["bytes=1000-"]
    assert not part.exists()


def test_a_server_that_cannot_resume_sends_all_again(server: Server) -> None:
    leave_part(CONTENT[:1_000])
    server.ranges = False
    assert obtain(server.remote()).read_bytes() == CONTENT


def test_a_part_that_is_already_whole_is_used(server: Server) -> None:
    leave_part(CONTENT)
    assert obtain(server.remote()).read_bytes() == CONTENT


def test_a_line_that_breaks_midway_is_told_and_resumed(server: Server) -> None:
    server.cut = 100_000
    with pytest.raises(DownloadError, match=r"can't be fetched: .*\. Try again"):
        obtain(server.remote())
    assert (cache() / "set/file.bin.part").stat().st_size == 100_000
    assert present(server.remote()) is None
    server.cut = None
    assert obtain(server.remote()).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=100000-"]


def test_a_wrong_digest_leaves_nothing_behind(server: Server) -> None:
    with pytest.raises(DownloadError, match="must have the digest sha256:000, what came has not"):
        obtain(server.remote("sha256:000"))
    assert [*(cache() / "set").iterdir()] == []


def test_a_damaged_part_is_removed_and_the_next_try_is_right(server: Server) -> None:
    part = leave_part(b"damaged")
    with pytest.raises(DownloadError, match="digest"):
        obtain(server.remote())
    assert not part.exists()
    assert obtain(server.remote()).read_bytes() == CONTENT


@pytest.mark.parametrize("status", [404, 500])
def test_a_server_error_is_one_sentence(server: Server, status: int) -> None:
    with pytest.raises(DownloadError, match=f"/{status} can't be fetched: .+ Try again, or name a local copy"):
        obtain(server.remote(path=str(status)))


def test_no_server_is_one_sentence(server: Server) -> None:
    with pytest.raises(DownloadError, match="http://127.0.0.1:1/x can't be fetched: .*refused"):
        obtain(Remote("x", "http://127.0.0.1:1/x", SHA256))


def test_a_cache_that_cannot_be_written_is_one_sentence(server: Server, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(DownloadError, match="can't be fetched: "):
        obtain(server.remote())


def test_a_local_copy_goes_before_the_cache(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named, environment = tmp_path / "named", tmp_path / "environment"
    for folder in (named, environment):
        (folder / "set").mkdir(parents=True)
        (folder / "set/file.bin").write_bytes(CONTENT)
    monkeypatch.setenv("EGBAD_DATA", str(environment))
    assert obtain(server.remote()) == environment / "set/file.bin"
    assert obtain(server.remote(), named) == named / "set/file.bin"
    assert server.asked == []


def test_a_damaged_local_copy_is_refused(server: Server, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set/file.bin").write_bytes(CONTENT[:-1])
    with pytest.raises(UnreadableFileError, match=r"it is damaged\. Remove it to fetch it anew"):
        obtain(server.remote(), tmp_path)
    assert (tmp_path / "set/file.bin").exists()


def test_a_local_copy_that_is_not_there_is_named(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="The data folder '.*nowhere' must exist, there is none"):
        obtain(server.remote(), tmp_path / "nowhere")
    assert server.asked == []
