"""Checkpoints of a fit: an interrupted fit resumes from the newest one and ends with the same bits."""

import os
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from egbad.arrays import State
from egbad.errors import EgbadError, HealthWarning, InvalidInputError, UnreadableFileError
from egbad.model_file import Manifest, read, with_prefix_removed, write
from egbad.output_files import locked_folder
from egbad.training.health import Event
from egbad.training.history import History
from egbad.training.process_group import SINGLE_PROCESS, ProcessGroup
from egbad.training.state import StateDict

_PATTERN = "step-*.checkpoint"
_DRAFTS = f".{_PATTERN}.*"  # of processes that were killed while they wrote
_N_KEPT = 2


@dataclass(frozen=True)
class Checkpoint:
    """Content of one checkpoint.

    Parameters
    ----------
    metadata : dict
        JSON-able values.
    arrays : dict of str to ndarray
    """

    metadata: dict[str, Any]
    arrays: State


class Checkpoints:
    """A folder with the newest two checkpoints of a fit.

    Checkpoints have the format of model files: they hold data only, are written atomically and checked when they are
    read. A damaged one is skipped.

    Parameters
    ----------
    folder : path-like
        Created when the first checkpoint is written.
    every : float
        Seconds between two checkpoints.
    resume : bool
        True to resume from the newest checkpoint in the folder. Otherwise checkpoints of an earlier fit are removed.

    Attributes
    ----------
    newest : Checkpoint or None
        The checkpoint to resume from, set by `open`.
    elapsed_seconds : float
        Duration of the fit before it was interrupted.

    Raises
    ------
    InvalidInputError
        If `every` is negative.

    Examples
    --------
    >>> checkpoints = Checkpoints("model.egbad.checkpoints", resume=True)
    >>> detector.fit(X, checkpoints=checkpoints)  # doctest: +SKIP
    >>> checkpoints.clear()
    """

    def __init__(self, folder: str | os.PathLike[str], *, every: float = 60.0, resume: bool = False) -> None:
        if not every >= 0:
            raise InvalidInputError(f"every must be at least 0 seconds, got {every}.")
        self.folder, self.every, self.resume = Path(folder), every, resume
        self.newest: Checkpoint | None = None
        self.elapsed_seconds = 0.0
        self._fingerprint: dict[str, Any] = {}
        self._process_group = SINGLE_PROCESS
        self._is_locked = False
        self._opened = self._last_saved = time.monotonic()

    @contextmanager
    def lock(self, process_group: ProcessGroup = SINGLE_PROCESS) -> Iterator[None]:
        """Keep other fits from using the folder in a `with` block. The lock ends with the process, even if it is killed.

        Parameters
        ----------
        process_group : ProcessGroup
            Processes that train together. Only the first one locks the folder.

        Raises
        ------
        EgbadError
            If another fit uses the folder, or it cannot be created.
        """
        if self._is_locked or not process_group.is_first:
            yield
            return
        message = f"Another fit is using '{self.folder}'. Wait until it ends, or write to another file or folder."
        with locked_folder(self.folder, message):
            self._is_locked = True
            try:
                yield
            finally:
                self._is_locked = False
                with suppress(OSError):  # it holds checkpoints
                    self.folder.rmdir()

    def open(self, fingerprint: Mapping[str, Any], process_group: ProcessGroup = SINGLE_PROCESS) -> None:
        """Start the clock, and find the checkpoint to resume from or remove old ones.

        Parameters
        ----------
        fingerprint : mapping of str to JSON value
            Everything that the bits of the result depend on, such as a digest of the data and the parameters.
        process_group : ProcessGroup
            Processes that train together. Only the first one writes and removes checkpoints.

        Raises
        ------
        InvalidInputError
            If the folder holds checkpoints with another fingerprint.
        """
        self._fingerprint, self._process_group = dict(fingerprint), process_group
        self._opened = self._last_saved = time.monotonic()
        if not self.resume:
            self.clear()
        elif process_group.is_first:
            _remove(self.folder.glob(_DRAFTS))
        self.newest = self._find_newest() if self.resume else None
        self.elapsed_seconds = self.newest.metadata["seconds"] if self.newest else 0.0

    def _find_newest(self) -> Checkpoint | None:
        """Return the newest undamaged checkpoint."""
        for path in reversed(self.paths()):
            try:
                manifest, arrays = read(path)
                fingerprint, metadata = manifest.state["fingerprint"], manifest.state["metadata"]
            except (UnreadableFileError, KeyError) as error:
                warnings.warn(f"Skipped a damaged checkpoint: {error}", HealthWarning, stacklevel=4)
                continue
            changed = [name for name, value in self._fingerprint.items() if fingerprint.get(name) != value]
            if changed:
                raise InvalidInputError(
                    f"The checkpoints in '{self.folder}' belong to a fit with other {' and '.join(changed)}. Resume with "
                    "the same arguments and data, or fit without resuming to start over."
                )
            return Checkpoint(metadata, arrays)
        return None

    def subfolder(self, name: str) -> "Checkpoints":
        """Return the checkpoints of one part of the fit, in a folder of their own.

        Parameters
        ----------
        name : str
            Name of the folder. `clear` removes its checkpoints, too.

        Returns
        -------
        Checkpoints
        """
        return Checkpoints(self.folder / name, every=self.every, resume=self.resume)

    def exist(self) -> bool:
        """Return True if there is a checkpoint of the fit or of a part of it."""
        return any(self.folder.rglob(_PATTERN))

    def paths(self) -> list[Path]:
        """Return the paths of the fit's own checkpoints, oldest first."""
        return sorted(self.folder.glob(_PATTERN))

    def is_due(self) -> bool:
        """Return True if this process must save a checkpoint now."""
        return self._process_group.is_first and time.monotonic() - self._last_saved >= self.every

    def save(self, step: int, metadata: Mapping[str, Any], arrays: State) -> None:
        """Write a checkpoint and remove all but the newest two. Warn if it cannot be written, as the fit can go on.

        Parameters
        ----------
        step : int
            Number of steps so far.
        metadata : mapping of str to JSON value
        arrays : dict of str to ndarray
        """
        if not self._process_group.is_first:
            return
        seconds = self.elapsed_seconds + time.monotonic() - self._opened
        state = {"fingerprint": self._fingerprint, "metadata": {**metadata, "seconds": seconds}}
        manifest = Manifest(library=version("egbad"), detector="checkpoint", parameters={}, state=state)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write(self.folder / f"step-{step:012d}.checkpoint", manifest, arrays)
            _remove(self.paths()[:-_N_KEPT])
        except (EgbadError, OSError) as error:
            reason = error.__cause__ if isinstance(error.__cause__, OSError) else error
            warnings.warn(
                f"A checkpoint cannot be written to '{self.folder}': {getattr(reason, 'strerror', None) or reason}. The fit "
                "goes on without it. Check free space and permissions.",
                HealthWarning,
                stacklevel=2,
            )
        self._last_saved = time.monotonic()

    def clear(self) -> None:
        """Remove all checkpoints, partly written ones too, and the folders that are empty then.

        Raises
        ------
        EgbadError
            If another fit uses the folder.
        """
        if not self._process_group.is_first or not self.folder.is_dir():
            return
        with self.lock():  # removes the folder if it is empty
            try:
                _remove([*self.folder.rglob(_PATTERN), *self.folder.rglob(_DRAFTS)])
            except OSError as error:
                message = (
                    f"The checkpoints in '{self.folder}' cannot be removed: {error.strerror or error}. Remove them."
                )
                warnings.warn(message, HealthWarning, stacklevel=2)
            for folder in [path for path in self.folder.glob("*") if path.is_dir()]:
                with suppress(OSError):  # it holds other files
                    folder.rmdir()


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


class StageCheckpoints:
    """Checkpoints of one stage of training.

    Parameters
    ----------
    checkpoints : Checkpoints
    seed : int
        Seed of the fit.
    n_steps_before : int
        Steps of the stages before this one.
    completed : sequence of History
        Histories of the stages before this one.
    """

    def __init__(self, checkpoints: Checkpoints, seed: int, n_steps_before: int, completed: Sequence[History]) -> None:
        self.checkpoints, self.seed = checkpoints, seed
        self.n_steps_before, self.completed = n_steps_before, completed

    def load(self) -> StateDict | None:
        """Return the state that an interrupted fit saved in this stage, or None."""
        newest = self.checkpoints.newest
        if newest is None or len(newest.metadata["stages"]) != len(self.completed):
            return None  # saved in an earlier stage
        arrays = with_prefix_removed("state.", newest.arrays)
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    def is_due(self) -> bool:
        """Return True if this process must save a checkpoint now."""
        return self.checkpoints.is_due()

    def save(self, step: int, state: StateDict) -> None:
        """Write a checkpoint.

        Parameters
        ----------
        step : int
            Number of steps of this stage so far.
        state : dict of str to Tensor
            State of the training loop.
        """
        stages = [
            {"players": stage.players, "steps": stage.steps, "events": [event.to_dict() for event in stage.events]}
            for stage in self.completed
        ]
        arrays = {f"state.{name}": value.cpu().numpy() for name, value in state.items()}
        for i, stage in enumerate(self.completed):
            arrays |= {f"stage.{i}": torch.stack(stage.losses).cpu().numpy()} if stage.losses else {}
        self.checkpoints.save(self.n_steps_before + step, {"seed": self.seed, "stages": stages}, arrays)


def completed_stages(checkpoints: Checkpoints | None) -> list[History]:
    """Return the histories of the stages that an interrupted fit completed.

    Parameters
    ----------
    checkpoints : Checkpoints or None

    Returns
    -------
    list of History
        Empty if there is no checkpoint to resume from.
    """
    if checkpoints is None or checkpoints.newest is None:
        return []
    arrays = checkpoints.newest.arrays
    return [
        History(
            tuple(stage["players"]),
            stage["steps"],
            [*torch.from_numpy(arrays[f"stage.{i}"])] if stage["steps"] else [],
            [Event(**event) for event in stage["events"]],
        )
        for i, stage in enumerate(checkpoints.newest.metadata["stages"])
    ]
