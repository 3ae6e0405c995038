"""Output files: written as a whole or not at all, through links and devices, with locks and drafts that do not pile up.

A process that is killed leaves its draft behind. Every process locks the drafts that it writes, and the lock ends with the
process, so that the next one that writes the same file can tell which drafts are abandoned and remove them.
"""

import hashlib
import os
import re
import secrets
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from egbad.errors import EgbadError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_MODE, _PRIVATE_MODE = 0o666, 0o600  # permissions of a new file before the umask, and of a draft before it has its own
_MAX_NAME_BYTES = 230  # leaves room for the token of a draft; file systems allow 255
_STANDARD_STREAM = re.compile(r"/dev/(?:(stdout)|(stderr)|fd/(\d+))|/proc/self/fd/(\d+)")


# -- one file ----------------------------------------------------------------------------------------------------------


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Replace a file atomically: it has its old or its new content, never a part of the new one.

    A link stays a link: the file that it leads to is replaced. A file that is replaced passes on its permissions. A device
    or pipe receives the content once it is complete.

    Parameters
    ----------
    path : path-like

    Yields
    ------
    Path
        Temporary file. Its content is that of `path` when the block ends. It is deleted when the block raises.

    Raises
    ------
    EgbadError
        If the file cannot be written. A file at `path` is unchanged.
    """
    target = Path(path)
    try:
        with _device_draft(target) if is_device(target) else _draft(Path(os.path.realpath(target))) as draft:
            yield draft
    except EgbadError:
        raise
    except OSError as error:
        unchanged = " The existing file is unchanged." if target.is_file() else ""
        raise EgbadError(f"{target} cannot be written: {error.strerror or error}.{unchanged}") from error


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a UTF-8 text file atomically. Characters that UTF-8 cannot encode are escaped.

    Parameters
    ----------
    path : path-like
    text : str

    Raises
    ------
    EgbadError
        If the file cannot be written.
    """
    with atomic_write(path) as draft:
        draft.write_text(text, encoding="utf-8", errors="backslashreplace")


def printable(text: str | os.PathLike[str]) -> str:
    r"""Return a text or path with bytes that are no UTF-8 as \xNN, so that it can be written to any file.

    Parameters
    ----------
    text : str or path-like

    Returns
    -------
    str

    Examples
    --------
    >>> printable(os.fsdecode(b"caf\xe9.png"))
    'caf\\xe9.png'
    """
    try:
        return os.fspath(text).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # surrogates that stand for no byte
        return os.fspath(text).encode("utf-8", "backslashreplace").decode("utf-8")


def is_device(path: str | os.PathLike[str]) -> bool:
    """Return True for a device, a pipe or a standard stream, which have no content to replace.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    bool
    """
    if _STANDARD_STREAM.fullmatch(os.path.abspath(path)):
        return True
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


@contextmanager
def _device_draft(device: Path) -> Iterator[Path]:
    """Yield a temporary file whose content is then written to a device."""
    with TemporaryDirectory(prefix="egbad-") as folder:
        draft = Path(folder, "draft")
        draft.touch()
        yield draft
        with draft.open("rb") as content, _open_device(device) as output:
            shutil.copyfileobj(content, output)


def _open_device(device: Path) -> IO[bytes]:
    """Open a device for writing; standard streams are not opened again, which would truncate a file behind them."""
    match = _STANDARD_STREAM.fullmatch(os.path.abspath(device))
    if match is None:
        return device.open("wb")
    descriptor = 1 if match[1] else 2 if match[2] else int(match[3] or match[4])
    if descriptor == 1:
        sys.stdout.flush()
    return os.fdopen(os.dup(descriptor), "wb")


@contextmanager
def _draft(target: Path) -> Iterator[Path]:
    """Yield a temporary file beside the target that replaces it at the end, after removing those of killed processes."""
    _remove_abandoned_drafts(target)
    prefix, mode = _draft_prefix(target.name), _PRIVATE_MODE if target.exists() else _MODE
    draft, descriptor = _create_locked(lambda: _create_file(target.with_name(prefix + secrets.token_hex(8)), mode))
    try:
        yield draft
        with draft.open("rb") as written:
            os.fsync(written.fileno())
        _copy_permissions(target, draft)
        os.replace(draft, target)
    except BaseException:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise
    finally:
        _close(descriptor)


def _remove_abandoned_drafts(target: Path) -> None:
    """Remove the drafts of a file that killed processes left beside it."""
    drafts = re.compile(re.escape(_draft_prefix(target.name)) + "[0-9a-f]{16}")
    with suppress(OSError), os.scandir(target.parent) as entries:
        for entry in entries:
            if drafts.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                _remove_if_abandoned(Path(entry.path))


def _draft_prefix(name: str) -> str:
    """Return the beginning of the names of all drafts of a file."""
    encoded = os.fsencode(name)
    return f".{name if len(encoded) <= _MAX_NAME_BYTES else hashlib.sha256(encoded).hexdigest()}."


def _create_file(path: Path, mode: int) -> tuple[Path, int]:
    """Create a file, and return its path and an open descriptor, or -1 where there are no locks."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)  # os.open applies the umask
    if fcntl is None:  # Windows replaces no open file
        os.close(descriptor)
        return path, -1
    return path, descriptor


def _copy_permissions(target: Path, draft: Path) -> None:
    """Give a draft the owner and the permissions of the file that it replaces, as far as this process may."""
    try:
        old, new = os.stat(target), os.stat(draft)
    except FileNotFoundError:
        return
    if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
        with suppress(PermissionError):
            os.chown(draft, old.st_uid, old.st_gid)
    with suppress(PermissionError):
        os.chmod(draft, stat.S_IMODE(old.st_mode))


# -- folders -----------------------------------------------------------------------------------------------------------


@contextmanager
def locked_folder(folder: Path, message: str) -> Iterator[None]:
    """Create a folder, and keep other processes from locking it in a `with` block. The lock ends with the process.

    Parameters
    ----------
    folder : Path
    message : str
        Error message if another process holds the lock.

    Raises
    ------
    EgbadError
        If another process holds the lock, or the folder cannot be created.
    """

    def create() -> tuple[Path, int]:
        folder.mkdir(parents=True, exist_ok=True)
        return folder, _open(folder)

    try:
        descriptor = _create_locked(create, message)[1]
    except OSError as error:
        raise EgbadError(
            f"The folder '{folder}' cannot be created: {error.strerror or error}. Choose another folder."
        ) from error
    try:
        yield
    finally:
        _close(descriptor)


@contextmanager
def scratch_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """Create a temporary folder, and remove those that killed processes left.

    Parameters
    ----------
    parent : Path
        Existing folder.
    prefix : str
        Beginning of the names of the temporary folders in it.

    Yields
    ------
    Path
    """
    for path in parent.glob(f"{prefix}*"):
        if path.is_dir():
            _remove_if_abandoned(path)

    def create() -> tuple[Path, int]:
        folder = parent / f"{prefix}{secrets.token_hex(8)}"
        folder.mkdir()
        return folder, _open(folder)

    folder, descriptor = _create_locked(create)
    try:
        yield folder
    finally:
        _close(descriptor)
        shutil.rmtree(folder, ignore_errors=True)


# -- locks -------------------------------------------------------------------------------------------------------------


def _create_locked(create: Callable[[], tuple[Path, int]], message: str | None = None) -> tuple[Path, int]:
    """Create and open a file or folder, and lock it. Return its path and the open descriptor that holds the lock.

    If another process has locked it, raise an error with the message, or create another one if there is none.
    """
    while True:
        path, descriptor = create()
        if not _lock(descriptor, if_unsupported=True):
            _close(descriptor)
            if message is not None:
                raise EgbadError(message)
        elif descriptor < 0 or _is_at(descriptor, path):
            return path, descriptor
        else:  # another process removed it before it was locked
            _close(descriptor)


def _remove_if_abandoned(path: Path) -> None:
    """Remove a draft or temporary folder that no process has locked."""
    with suppress(OSError):
        descriptor = _open(path)
        try:
            if not _lock(descriptor, if_unsupported=False):
                return
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()
        finally:
            _close(descriptor)


def _open(path: Path) -> int:
    """Open a file or folder to lock it. Return -1 where there are no locks."""
    return -1 if fcntl is None else os.open(path, os.O_RDONLY)


def _close(descriptor: int) -> None:
    if descriptor >= 0:
        os.close(descriptor)


def _lock(descriptor: int, *, if_unsupported: bool) -> bool:
    """Lock an open file or folder until it is closed. Return False if it is locked already."""
    if fcntl is None:
        return if_unsupported
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return if_unsupported
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    """Return True if a path still leads to an open file or folder."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False
