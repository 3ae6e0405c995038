"""The file `runs.jsonl`: one JSON line for each finished run."""

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from egbad.benchmark.jobs import Job, RunRecord
from egbad.errors import EgbadError, UnreadableFileError
from egbad.output_files import atomic_write
from egbad.report.serialization import to_jsonable

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

FORMAT = 1


class RunLog:
    """The records of a folder's `runs.jsonl`.

    The file is read when the log is created. Each new record is on disk before `add` returns. A line that was cut off
    by a killed process is removed, so that its run is repeated.

    Parameters
    ----------
    folder : Path
        Created if it does not exist.

    Attributes
    ----------
    path : Path
    records : dict of str to dict
        Records by the key of their job.

    Raises
    ------
    UnreadableFileError
        If the file is not a list of runs.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "runs.jsonl"
        folder.mkdir(parents=True, exist_ok=True)
        self.records: dict[str, RunRecord] = {}
        if not self.path.exists():
            return
        content = self.path.read_bytes()
        complete = content[: content.rfind(b"\n") + 1]
        if len(complete) < len(content):
            with atomic_write(self.path) as draft:
                draft.write_bytes(complete)
        for number, line in enumerate(complete.splitlines(), 1):
            try:
                record = json.loads(line)
                if record["format"] != FORMAT:
                    raise ValueError(f"it has format {record['format']}, this release reads format {FORMAT}")
                self.records[record["key"]] = record
            except (ValueError, KeyError, TypeError) as error:
                raise UnreadableFileError(
                    f"'{self.path}' is not a list of runs, line {number}: {error}. Use another folder."
                ) from error

    def add(self, job: Job, record: RunRecord) -> RunRecord:
        """Append the record of a finished job.

        Parameters
        ----------
        job : Job
        record : dict

        Returns
        -------
        dict
            The record with the key and the names of the job, as written.

        Raises
        ------
        EgbadError
            If the record cannot be written. The records before it are unchanged.
        """
        complete: RunRecord = to_jsonable(
            {
                "format": FORMAT,
                "key": job.key,
                "task": job.task.name,
                "dataset": job.task.dataset,
                "protocol": job.task.protocol,
                "label": job.variant.label,
                "detector": job.variant.detector,
                "parameters": dict(job.variant.parameters),
                "seed": job.seed,
                **record,
            }
        )
        line = json.dumps(complete, allow_nan=False).encode() + b"\n"
        try:
            with self.path.open("ab", buffering=0) as file:
                size = os.fstat(file.fileno()).st_size
                try:
                    if file.write(line) < len(line):
                        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                    os.fsync(file.fileno())
                except OSError:
                    os.ftruncate(file.fileno(), size)  # half a line would make the file unreadable
                    raise
        except OSError as error:
            raise EgbadError(
                f"The result of a run cannot be written to '{self.path}': {error.strerror}. Runs before it are saved; the "
                "same command continues from there."
            ) from error
        self.records[job.key] = complete
        return complete

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other benchmarks from writing to the file. The lock ends with the process, even if it is killed.

        Raises
        ------
        EgbadError
            If another benchmark holds the lock.
        """
        with self.path.open("ab") as file:
            if fcntl is not None:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError as error:
                    raise EgbadError(
                        f"Another benchmark is writing to '{self.path}'. Wait for it to finish, or use another folder."
                    ) from error
            yield
