"""Files in a folder or that match a pattern. Nothing that cannot be read is left out without a word."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path

from egbad.errors import UnreadableFileError

_SYSTEM_FOLDERS = ("__MACOSX", "@eaDir", "$RECYCLE.BIN")  # copies and previews that other systems put beside images


@dataclass(frozen=True)
class UnreadablePath:
    """A folder that cannot be listed, or a path that leads to no regular file.

    Attributes
    ----------
    path : Path
    error : str
        Sentence that says what is wrong with it.
    is_folder : bool
    """

    path: Path
    error: str
    is_folder: bool


@dataclass(frozen=True)
class FoundFiles:
    """Files at a path.

    Attributes
    ----------
    path : Path
        The folder, file or pattern.
    files : tuple of Path
        Regular files in ascending order.
    unreadable : tuple of UnreadablePath
        Everything else that is there and not a folder, and folders that cannot be read.
    """

    path: Path
    files: tuple[Path, ...]
    unreadable: tuple[UnreadablePath, ...] = ()


def find_files(path: Path) -> FoundFiles:
    """Find the files at a path.

    Parameters
    ----------
    path : Path
        A folder, searched at any depth; a file; or a pattern with * or ?. Linked folders are searched, too, but no folder
        twice.

    Returns
    -------
    FoundFiles

    Raises
    ------
    UnreadableFileError
        If this process may not look at the path.
    """
    try:
        if path.is_file():
            return FoundFiles(path, (path,))
        found = [*(_walk(path) if path.is_dir() else _match(path))]
    except OSError as error:
        raise UnreadableFileError(
            f"'{path}' cannot be read: {error.strerror or error}. Check its permissions."
        ) from error
    files = sorted(entry for entry in found if isinstance(entry, Path))
    return FoundFiles(path, tuple(files), tuple(entry for entry in found if isinstance(entry, UnreadablePath)))


def is_hidden(path: Path, signs: str = ".") -> bool:
    """Return True if a part of a path is a hidden file or a folder of an operating system.

    Parameters
    ----------
    path : Path
    signs : str
        Names that begin with one of these characters are hidden.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_hidden(Path("a/._b.png")), is_hidden(Path("__MACOSX/b.png")), is_hidden(Path("../b.png"))
    (True, True, False)
    """
    return any((part[0] in signs and part not in (".", "..")) or part in _SYSTEM_FOLDERS for part in path.parts)


def _walk(folder: Path) -> Iterator[Path | UnreadablePath]:
    """Yield what a folder holds at any depth. Linked folders are searched last, unless they have been searched already."""
    folders, links, searched = [folder], list[Path](), set[tuple[int, int]]()
    while folders or links:
        current = folders.pop() if folders else links.pop(0)
        try:
            status = os.stat(current)
            if (status.st_dev, status.st_ino) in searched:
                continue
            searched.add((status.st_dev, status.st_ino))
            with os.scandir(current) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            yield _unreadable_folder(current, error)
            continue
        for entry in found:
            path = current / entry.name
            if entry.is_dir(follow_symlinks=False):
                folders.append(path)
            elif entry.is_symlink() and os.path.isdir(path):
                links.append(path)
            else:
                yield path if entry.is_file() else _check_file(path)


def _match(pattern: Path) -> Iterator[Path | UnreadablePath]:
    """Yield what matches a pattern, without folders, and the folders on the way that cannot be read."""
    folders = dict[str, None]()
    for i, part in enumerate(pattern.parts):
        if has_magic(part):
            parents = os.path.join("", *pattern.parts[: i + (part == "**")])
            folders |= dict.fromkeys(glob(os.path.join(parents, ""), recursive=True) if parents else ["."])
    for folder in folders:
        try:
            os.scandir(folder).close()
        except OSError as error:
            yield _unreadable_folder(Path(folder), error)
    for name in dict.fromkeys(glob(str(pattern), recursive=True)):
        if not os.path.isdir(name):
            yield _check_file(Path(name))


def _check_file(path: Path) -> Path | UnreadablePath:
    """Return the path of a regular file, or what is wrong with it."""
    if os.path.isfile(path):
        return path
    wrong = "is a link to a file that does not exist" if os.path.islink(path) else "is not a file"
    error = f"'{path}' {wrong}. Restore or remove it, or skip what cannot be read (--skip-unreadable)."
    return UnreadablePath(path, error, is_folder=False)


def _unreadable_folder(folder: Path, error: OSError) -> UnreadablePath:
    reason = error.strerror or error
    message = f"The folder '{folder}' cannot be read: {reason}. Change its permissions, or skip it (--skip-unreadable)."
    return UnreadablePath(folder, message, is_folder=True)
