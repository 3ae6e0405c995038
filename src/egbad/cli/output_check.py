"""Checks of what a command is going to write, before any work is done: no output may destroy an input."""

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from egbad.cli.output import check_writable
from egbad.errors import EgbadError, InvalidInputError

# Arguments and options that name what a command reads: paths of files as Path, DATA as str.
Inputs = Mapping[str, Path | str | None]
RESULT_FILES = ("runs.jsonl", "results.html", "results.md", "results.json")  # of a comparison of detectors
_READ_SUFFIXES = (".csv", ".parquet", ".png")  # outputs that a folder or pattern reads when the command runs again
_STDOUT = 1


def check_outputs(outputs: Mapping[str, Path | None], inputs: Inputs, data_dir: Path | None = None) -> None:
    """Raise if a file to write cannot be written, is read by the same command, or is written twice.

    Paths are compared by the files that they lead to: relative paths, links and hard links of an input are refused. So is
    standard output that is appended to an input.

    Parameters
    ----------
    outputs : dict of str to Path or None
        Files to write, by the option that names them.
    inputs : dict of str to Path, str or None
        Arguments and options that name what is read: paths of files as Path, DATA as str.
    data_dir : Path, optional
        Folder with copies of the public data sets.

    Raises
    ------
    EgbadError
        If a file cannot be written.
    InvalidInputError
        If a file is read by the same command, would be read when it runs again, or is the output of two options.
    """
    given = [(option, path) for option, path in outputs.items() if path is not None]
    for _, path in given:
        check_writable(path)
    options = dict[str, str]()
    for option, path in given:
        if (first := options.setdefault(os.path.realpath(path), option)) != option:
            raise InvalidInputError(f"{first} and {option} must name different files, got '{path}' for both.")
    _check_not_read(given, inputs, data_dir)


def check_output_folder(
    option: str, folder: Path, names: Sequence[str], inputs: Inputs, data_dir: Path | None = None
) -> None:
    """Raise if writing into a folder would destroy an input or add to the data.

    Parameters
    ----------
    option : str
        Option that names the folder.
    folder : Path
    names : sequence of str
        Names of files that are written in it.
    inputs, data_dir
        See `check_outputs`.

    Raises
    ------
    InvalidInputError
        If a file in it is read by the same command, or would be read when it runs again.
    """
    _check_not_read([(option, folder / name) for name in names], inputs, data_dir, beside_images=False)


def _check_not_read(
    outputs: Sequence[tuple[str, Path]], inputs: Inputs, data_dir: Path | None, *, beside_images: bool = True
) -> None:
    """Raise if an output is, or becomes, one of the files that are read. New tables may stand beside images."""
    existing = {identity: output for output in outputs if (identity := _identity(output[1]))}
    if (stdout := _stdout_identity()) is not None:
        existing.setdefault(stdout, ("standard output", Path("-")))
    new_tables = [output for output in outputs if output[1].suffix.lower() in _READ_SUFFIXES]
    if not existing and not new_tables:
        return
    for name, given in inputs.items():
        files = [given] if isinstance(given, Path) else [*_data_files(given, data_dir)]
        for file in files:
            if (identity := _identity(file)) in existing:
                option, path = existing[identity]
                raise InvalidInputError(
                    f"{option} must not be a file that the command reads, got '{path}', which is '{file}' of {name}. "
                    "Choose another output."
                )
        if isinstance(given, str) and not os.path.isfile(given) and not (beside_images and _are_images(files)):
            _check_not_added(given, name, new_tables)


def _check_not_added(data: str, name: str, tables: Sequence[tuple[str, Path]]) -> None:
    """Raise if a folder or pattern of tables would read a new table when the command runs again."""
    pattern = os.path.join(data, "**", "*") if os.path.isdir(data) else data
    for option, path in tables:
        for resolve in (os.path.abspath, os.path.realpath):
            if _matches(Path(resolve(pattern)).parts, Path(resolve(path)).parts):
                raise InvalidInputError(
                    f"{option} must be outside of the data, got '{path}', which {name} '{data}' would read when the command "
                    "runs again. Choose another output."
                )


def _matches(pattern: Sequence[str], parts: Sequence[str]) -> bool:
    """Return True if the parts of a path match a pattern, in which ** stands for any number of folders.

    >>> _matches(("days", "**", "*.csv"), ("days", "1", "a.csv")), _matches(("days", "*.csv"), ("days", "1", "a.csv"))
    (True, False)
    """
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_matches(pattern[1:], parts[start:]) for start in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _matches(pattern[1:], parts[1:])


def _data_files(data: str | None, data_dir: Path | None) -> Iterator[Path]:
    """Yield the existing files of DATA, a path, a pattern or the name of a public data set."""
    if data is None:
        return
    from egbad import data as readers  # commands whose outputs are new start sooner without it

    try:
        yield from readers.list_files(data)
    except EgbadError:  # no path: the command itself reports what is wrong with DATA
        from egbad import datasets

        if data in datasets.names():
            yield from datasets.local_files(data, data_dir)


def _are_images(files: Sequence[Path]) -> bool:
    """Return True for a folder or pattern of images, which ignores tables beside them."""
    from egbad.data.images import IMAGE_SUFFIXES

    return any(file.suffix.lower() in IMAGE_SUFFIXES for file in files)


def _identity(path: Path) -> tuple[int, int] | None:
    """Return a key that all paths of a regular file share. None if there is no such file."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISREG(found.st_mode) else None


def _stdout_identity() -> tuple[int, int] | None:
    try:
        found = os.fstat(_STDOUT)
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISREG(found.st_mode) else None
