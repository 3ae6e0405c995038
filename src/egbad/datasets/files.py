"""Files of public data: found in a local copy or a cache, fetched where missing, checked always."""

import hashlib
import os
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import IO

from egbad.errors import DownloadError, UnreadableFileError
from egbad.progress import Advance, progress

_BLOCK = 1 << 16
_TIMEOUT = 30  # seconds without a byte


@dataclass(frozen=True)
class Remote:
    """One file: where it lies in a data folder, where it comes from, if anywhere, and its digest, "sha256:..." or "md5:..."."""

    path: str
    url: str
    digest: str


def folders(data_dir: str | os.PathLike[str] | None = None) -> list[Path]:
    """Where files are looked for: `data_dir`, else EGBAD_DATA; then the cache, EGBAD_CACHE or ~/.cache/egbad.

    Raises
    ------
    UnreadableFileError
        When a local copy is named that isn't there: fetching instead would hide a mistyped name.
    """
    local = data_dir or os.environ.get("EGBAD_DATA")
    if local and not Path(local).expanduser().is_dir():
        raise UnreadableFileError(
            f"The data folder '{local}' must exist, there is none. Check --data-dir or EGBAD_DATA."
        )
    return [*([Path(local).expanduser()] if local else []), cache()]


def cache() -> Path:
    """The folder that downloads go to."""
    return Path(os.environ.get("EGBAD_CACHE") or Path.home() / ".cache" / "egbad").expanduser()


def present(remote: Remote, data_dir: str | os.PathLike[str] | None = None) -> Path | None:
    """Where the file lies on this machine, if it does."""
    return next((folder / remote.path for folder in folders(data_dir) if (folder / remote.path).is_file()), None)


def obtain(remote: Remote, data_dir: str | os.PathLike[str] | None = None) -> Path:
    """The path of the file, downloaded if need be, its digest checked.

    Raises
    ------
    UnreadableFileError
        When a local copy has another digest.
    DownloadError
        When the file can't be fetched whole.
    """
    found = present(remote, data_dir)
    if found is None and not remote.url:
        raise DownloadError(
            f"'{remote.path}' is published nowhere in this form. Put it into a data folder and name that with --data-dir "
            "or EGBAD_DATA."
        )
    if found is None:
        return download(remote, cache() / remote.path)
    if not matches(found, remote.digest):
        raise UnreadableFileError(
            f"'{found}' must have the digest {remote.digest}, it is damaged. Remove it to fetch it anew."
        )
    return found


def matches(path: Path, digest: str) -> bool:
    """Whether the file has the digest."""
    algorithm, _, expected = digest.partition(":")
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest() == expected


def download(remote: Remote, target: Path) -> Path:
    """Fetch a file to `target`: beside it first, going on where an earlier try stopped, in its place when it is right."""
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _fetch(remote, part)
    except (OSError, HTTPException) as error:  # a broken line, a refusal, a full disk
        reason = getattr(error, "reason", None) or error
        raise DownloadError(
            f"{remote.url} can't be fetched: {reason}. Try again, or name a local copy with --data-dir or EGBAD_DATA."
        ) from error
    if not matches(part, remote.digest):
        part.unlink()
        raise DownloadError(f"{remote.url} must have the digest {remote.digest}, what came has not. Try again later.")
    part.replace(target)
    return target


def _fetch(remote: Remote, part: Path) -> None:
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(remote.url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing is left to fetch
            return
        raise
    with response:
        resumed = response.status == 206
        length = response.headers.get("Content-Length")
        total = int(length) + have * resumed if length else None
        with (
            part.open("ab" if resumed else "wb") as file,
            progress(f"Fetching {Path(remote.path).name}", total, unit="bytes") as advance,
        ):
            _copy(response, file, advance, have if resumed else 0)
        if total is not None and part.stat().st_size < total:
            raise ConnectionError(f"the connection closed after {part.stat().st_size:,} of {total:,} bytes")


def _copy(response: IO[bytes], file: IO[bytes], advance: Advance, have: int) -> None:
    advance(have)
    while block := response.read(_BLOCK):
        file.write(block)
        advance(len(block))
