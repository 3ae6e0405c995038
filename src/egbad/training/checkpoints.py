"""Checkpoints of a long fit: the newest two, each whole or not there, so that a killed run ends with the same bits."""

import os
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from egbad.errors import EgbadError, HealthWarning, InvalidInputError, UnreadableFileError
from egbad.model_file import Arrays, Manifest, read, write
from egbad.training.process_group import current

_PATTERN = "step-*.checkpoint"
_KEPT = 2


@dataclass(frozen=True)
class Checkpoint:
    """What a run left: a JSON-able part and arrays."""

    about: dict[str, Any]
    arrays: Arrays


class Checkpoints:
    """A folder for the checkpoints of one run. They are model files in form: data, checked when they are read.

    Parameters
    ----------
    folder : path
        Made when the first checkpoint is written.
    every : float
        Seconds between two of them.
    resume : bool
        Whether to go on from the newest whole one. Without it what an earlier run left is removed.

    Attributes
    ----------
    newest : Checkpoint, optional
        What there is to go on from, once `open` was called.
    seconds : float
        Spent on the run before it was killed.
    """

    def __init__(self, folder: str | os.PathLike[str], *, every: float = 60.0, resume: bool = False) -> None:
        if not every >= 0:
            raise InvalidInputError(f"every must be a number of seconds from 0 up, got {every}.")
        self.folder, self.every, self.resume = Path(folder), every, resume
        self.newest: Checkpoint | None = None
        self.seconds = 0.0
        self._run: dict[str, Any] = {}
        self._opened = self._last = time.monotonic()

    def open(self, run: Mapping[str, Any]) -> None:
        """Begin, or with `resume` take up what the run that is so described left.

        Parameters
        ----------
        run : mapping
            All that the bits of the outcome depend on, JSON-able: name -> value.

        Raises
        ------
        InvalidInputError
            When there are checkpoints of another run.
        """
        self._run, self._opened = dict(run), time.monotonic()
        self._last = self._opened
        if not self.resume:
            self.clear()
        self.newest = self._find() if self.resume else None
        self.seconds = self.newest.about["seconds"] if self.newest else 0.0

    def _find(self) -> Checkpoint | None:
        for path in reversed(self.files()):
            try:
                manifest, arrays = read(path)
                theirs, about = manifest.state["run"], manifest.state["about"]
            except (UnreadableFileError, KeyError) as error:
                warnings.warn(f"A checkpoint is passed over: {error}", HealthWarning, stacklevel=4)
                continue
            others = [name for name, value in self._run.items() if theirs.get(name) != value]
            if others:
                raise InvalidInputError(
                    f"The checkpoints in '{self.folder}' are of another run, its {' and '.join(others)} differ. Resume with "
                    "what that run was given, or fit without resuming to begin anew."
                )
            return Checkpoint(about, arrays)
        return None

    def inner(self, name: str) -> "Checkpoints":
        """Checkpoints of a part of the run, in a folder of their own within this one; cleared with it."""
        return Checkpoints(self.folder / name, every=self.every, resume=self.resume)

    def any(self) -> bool:
        """Whether there is one, of the run or of a part of it."""
        return any(self.folder.rglob(_PATTERN))

    def files(self) -> list[Path]:
        """The run's own, oldest first."""
        return sorted(self.folder.glob(_PATTERN))

    def due(self) -> bool:
        """Whether the last one is `every` seconds old; of processes that learn together only the first writes any."""
        return current().first and time.monotonic() - self._last >= self.every

    def save(self, step: int, about: Mapping[str, Any], arrays: Arrays) -> None:
        """Write a checkpoint after `step` steps, and remove what is older than the newest two."""
        if not current().first:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EgbadError(f"'{self.folder}' can't be made: {error.strerror}. Give another folder.") from error
        seconds = self.seconds + time.monotonic() - self._opened
        state = {"run": self._run, "about": {**about, "seconds": seconds}}
        manifest = Manifest(library=version("egbad"), detector="checkpoint", parameters={}, state=state)
        write(self.folder / f"step-{step:012d}.checkpoint", manifest, arrays)
        for old in self.files()[:-_KEPT]:
            old.unlink()
        self._last = time.monotonic()

    def clear(self) -> None:
        """Remove all of them, those of parts too, and what a killed run left half written; folders if nothing else is in them."""
        if not current().first:
            return
        for path in [*self.folder.rglob(_PATTERN), *self.folder.rglob(f".{_PATTERN}.*")]:
            path.unlink()
        for folder in [*(path for path in self.folder.glob("*") if path.is_dir()), self.folder]:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
