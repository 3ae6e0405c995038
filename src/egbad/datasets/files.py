"""Files of public data sets: found in a local copy or in the cache, downloaded if missing, and always checked."""

import hashlib
import os
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from egbad.errors import DownloadError, UnreadableFileError
from egbad.progress import progress

_BLOCK_BYTES = 1 << 16
_TIMEOUT = 30  # seconds without a byte
_RANGE_NOT_SATISFIABLE = 416
_PARTIAL_CONTENT = 206
_MAX_BYTES = 2**28  # the largest file of a public data set has 170 MB


@dataclass(frozen=True)
class RemoteFile:
    """A file of a public data set.

    Attributes
    ----------
    path : str
        Path relative to a data folder.
    url : str
        Address to download it from; empty if it is not published.
    digest : str
        Expected digest, "sha256:..." or "md5:...".
    max_bytes : int
        A larger download is refused.
    """

    path: str
    url: str
    digest: str
    max_bytes: int = _MAX_BYTES


class _UnusablePartError(OSError):
    """A download that another attempt must not continue."""


def data_folders(data_dir: str | os.PathLike[str] | None = None) -> list[Path]:
    """Return the folders that may hold files: a local copy, if there is one, and the cache.

    Parameters
    ----------
    data_dir : path, optional
        Local copy. By default the environment variable EGBAD_DATA.

    Returns
    -------
    list of Path

    Raises
    ------
    UnreadableFileError
        If the local copy does not exist: a download would hide a mistyped name.
    """
    local = data_dir or os.environ.get("EGBAD_DATA")
    if local and not Path(local).expanduser().is_dir():
        raise UnreadableFileError(
            f"The data folder must exist, got '{local}', which does not. Check --data-dir or EGBAD_DATA."
        )
    return [*([Path(local).expanduser()] if local else []), cache_folder()]


def cache_folder() -> Path:
    """Return the folder of downloads: the environment variable EGBAD_CACHE, or ~/.cache/egbad.

    Returns
    -------
    Path
    """
    return Path(os.environ.get("EGBAD_CACHE") or Path.home() / ".cache" / "egbad").expanduser()


def find_file(remote: RemoteFile, data_dir: str | os.PathLike[str] | None = None) -> Path | None:
    """Find a file on this machine.

    Parameters
    ----------
    remote : RemoteFile
    data_dir : path, optional
        Local copy of the public data sets.

    Returns
    -------
    Path or None
        None if the file is missing.
    """
    paths = (folder / remote.path for folder in data_folders(data_dir))
    return next((path for path in paths if path.is_file()), None)


def obtain(remote: RemoteFile, data_dir: str | os.PathLike[str] | None = None) -> Path:
    """Find a file or download it, and check its digest.

    Parameters
    ----------
    remote : RemoteFile
    data_dir : path, optional
        Local copy of the public data sets.

    Returns
    -------
    Path

    Raises
    ------
    UnreadableFileError
        If a local copy has another digest.
    DownloadError
        If the file is missing and cannot be downloaded completely.
    """
    found = find_file(remote, data_dir)
    if found is None and not remote.url:
        raise DownloadError(
            f"'{remote.path}' is not published in this form. Put it into a data folder and give that with --data-dir or "
            "EGBAD_DATA."
        )
    if found is None:
        return download(remote, cache_folder() / remote.path)
    if not has_digest(found, remote.digest):
        raise UnreadableFileError(
            f"'{found}' must have the digest {remote.digest}, but is damaged. Remove it to download it again."
        )
    return found


def has_digest(path: Path, digest: str) -> bool:
    """Return True if a file has a digest.

    Parameters
    ----------
    path : Path
    digest : str
        "sha256:..." or "md5:...".

    Returns
    -------
    bool
    """
    algorithm, _, expected = digest.partition(":")
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest() == expected


def download(remote: RemoteFile, target: Path) -> Path:
    """Download a file.

    The content goes to a file beside the target, from where a later attempt continues, and is moved once its digest is
    correct.

    Parameters
    ----------
    remote : RemoteFile
    target : Path

    Returns
    -------
    Path
        The target.

    Raises
    ------
    DownloadError
        If the file cannot be downloaded completely, is too large or has another digest.
    """
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _fetch(remote, part)
    except (OSError, HTTPException, ValueError) as error:  # a broken connection, a refusal, a full disk, a wrong header
        if isinstance(error, _UnusablePartError):
            part.unlink(missing_ok=True)
        reason = getattr(error, "reason", None) or error
        raise DownloadError(
            f"{remote.url} cannot be downloaded: {reason}. Try again, or give a local copy with --data-dir or EGBAD_DATA."
        ) from error
    if not has_digest(part, remote.digest):
        part.unlink()
        raise DownloadError(
            f"{remote.url} must have the digest {remote.digest}, but the download has another. Try again later."
        )
    part.replace(target)
    return target


def _fetch(remote: RemoteFile, part: Path) -> None:
    """Download what is missing of a file."""
    present = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(remote.url, headers={"Range": f"bytes={present}-"} if present else {})
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == _RANGE_NOT_SATISFIABLE:  # the file is already complete
            return
        raise
    with response:
        resumed = response.status == _PARTIAL_CONTENT
        start = present if resumed else 0
        if resumed and not response.headers.get("Content-Range", "").startswith(f"bytes {present}-"):
            raise _UnusablePartError("the server sent another part of the file than was asked for")
        length = response.headers.get("Content-Length")
        total = int(length) + start if length else None
        _require_size(remote, total or 0)
        with (
            part.open("ab" if resumed else "wb") as file,
            progress(f"Fetching {Path(remote.path).name}", total, unit="bytes") as advance,
        ):
            advance(start)
            while block := response.read(_BLOCK_BYTES):
                file.write(block)
                advance(len(block))
                _require_size(remote, file.tell())
        if total is not None and part.stat().st_size < total:
            raise ConnectionError(f"the connection closed after {part.stat().st_size:,} of {total:,} bytes")


def _require_size(remote: RemoteFile, n_bytes: int) -> None:
    """Raise if a download has more bytes than the file may have."""
    if n_bytes > remote.max_bytes:
        raise _UnusablePartError(f"it must have at most {remote.max_bytes:,} bytes, got {n_bytes:,} or more")
