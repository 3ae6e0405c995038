"""Frame of the fuzz tests: damaged files end in a result or in one sentence of the library, within limits.

A target is a module in `tests/fuzz/targets/` that defines `TARGET`. Its name is the name of the module. To add one:

1. Write ``check(path)``: read the file, use what was read as a user would, and assert what must hold for the result, such as
   finite scores. It runs in a process of its own, so it must be a function at module level. Imports of the library go to
   the top of the module: the limits count from there.
2. Write ``seeds()``: return valid files as bytes. Each must pass ``check``; the tests make sure of that.
3. Where the format has checksums or a structure that most changed bytes break at once, write ``mutate(content, rng)``: change one
   thing and repair what guards it. `mutate_bytes` is a good second choice within it. Take all randomness from `rng`.

        TARGET = Target(check=check, seeds=seeds, suffix=".csv")

`make slow` then fuzzes it for its share of five minutes, ``python -m tests.fuzz NAME --minutes 60`` for as long as you like. A
failing input is written to `tests/fuzz/corpus/NAME/`. Mend the fault and commit the input: the default suite replays it. Other
inputs that must not fail may be added to the corpus by hand. Keep them below 100 kB.
"""

import hashlib
import multiprocessing
import os
import random
import resource
import signal
import tempfile
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from egbad.errors import EgbadError

FOLDER = Path(__file__).parent
CORPUS = FOLDER / "corpus"
MAX_SECONDS, MAX_BYTES = 10.0, 2**30  # processor time and memory of one input
_WAIT_FACTOR = 12  # a process that waits uses no processor time, and a busy machine slows others
_MAX_MESSAGE = 1000

Check = Callable[[Path], None]
Mutate = Callable[[bytes, random.Random], bytes]


# -- mutations of any format -------------------------------------------------------------------------------------------

_INTERESTING = (0, 1, -1, 0x7F, 0x80, 0x7FFF, 0x7FFFFFFF, -0x80000000, 0x7FFFFFFFFFFFFFFF, 10**6, 10**9)
_TOKENS = (
    b"\x00",
    b"\xff",
    b"\n",
    b'"',
    b",",
    b"\xed\xa0\x80",
    b"nan",
    b"1e999",
    b"-1",
    b"9" * 400,
    b"[" * 2000,
    b"true",
)


def _overwrite(content: bytes, at: int, new: bytes) -> bytes:
    return content[:at] + new + content[at + len(new) :]


def _mutate_once(content: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(content) + 1)
    end = min(len(content), at + rng.choice((1, 2, 4, 16, 256)))
    match rng.randrange(7):
        case 0 if at < len(content):
            return _overwrite(content, at, bytes([content[at] ^ 1 << rng.randrange(8)]))
        case 1:
            size = rng.choice((1, 2, 4, 8))
            value = rng.choice(_INTERESTING) % 256**size
            return _overwrite(content, at, value.to_bytes(size, rng.choice(("little", "big"))))
        case 2:
            return content[:at] + content[end:]
        case 3:
            return content[:end] + content[at:end] * rng.choice((1, 2, 50)) + content[end:]
        case 4:
            return content[:at] + rng.choice(_TOKENS) + content[at:]
        case 5:
            source = rng.randrange(len(content) + 1)
            return _overwrite(content, at, content[source : source + end - at])
        case _:
            return content[:at] if rng.randrange(4) == 0 else _overwrite(content, at, bytes([rng.randrange(256)]))


def mutate_bytes(content: bytes, rng: random.Random) -> bytes:
    """Return content after one to four random changes that fit any format.

    Parameters
    ----------
    content : bytes
    rng : random.Random

    Returns
    -------
    bytes
    """
    for _ in range(rng.choice((1, 1, 2, 4))):
        content = _mutate_once(content, rng)
    return content


# -- targets -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Target:
    """A kind of input to fuzz.

    Attributes
    ----------
    check : callable
        Takes the path of a file. Returns if the file was used, raises `EgbadError` if it was refused.
    seeds : callable
        Returns a list of bytes, the valid files that mutations start from.
    suffix : str
        Suffix of the file name.
    mutate : callable
        Takes the bytes of a file and a `random.Random`, and returns the bytes of a changed file.
    """

    check: Check
    seeds: Callable[[], list[bytes]]
    suffix: str
    mutate: Mutate = mutate_bytes


def target_names() -> list[str]:
    """Return the names of all targets."""
    return sorted(path.stem for path in (FOLDER / "targets").glob("[!_]*.py"))


def find_target(name: str) -> Target:
    """Return a target by the name of its module.

    Parameters
    ----------
    name : str

    Returns
    -------
    Target
    """
    target: Target = import_module(f"tests.fuzz.targets.{name}").TARGET
    return target


def regressions(name: str, folder: Path = CORPUS) -> list[Path]:
    """Return the files of a target in the corpus, in the order of their names."""
    return sorted(path for path in (folder / name).glob("*") if path.is_file())


def store(name: str, content: bytes, suffix: str, folder: Path = CORPUS) -> Path:
    """Write an input to the corpus of a target.

    Returns
    -------
    Path
        Named by the digest of its content.
    """
    path = folder / name / (hashlib.sha256(content).hexdigest()[:16] + suffix)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


# -- one input, within limits ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """End of one input.

    Attributes
    ----------
    kind : {"used", "refused", "failed"}
        A result, an error of the library, or anything else.
    message : str
        Message of the error, traceback or limit.
    """

    kind: Literal["used", "refused", "failed"]
    message: str = ""


def outcome_of(check: Check, path: Path) -> Outcome:
    """Run a check on a file in this process, without limits.

    An error of the library must be one line of text; a longer one fails.

    Parameters
    ----------
    check : callable
    path : Path

    Returns
    -------
    Outcome
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            check(path)
    except EgbadError as error:
        message = str(error)
        if not message or "\n" in message or len(message) > _MAX_MESSAGE:
            return Outcome("failed", f"The message is not one line of at most {_MAX_MESSAGE} characters: {message!r}")
        return Outcome("refused", message)
    except Exception:  # noqa: BLE001 - any other end is what is looked for
        return Outcome("failed", traceback.format_exc())
    return Outcome("used")


def _data_bytes() -> int:
    """Return the private memory of this process, which RLIMIT_DATA limits."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData:"))


def _serve(connection: Connection, check: Check, max_seconds: float, max_bytes: int) -> None:
    """Answer paths with outcomes. The system ends the process after too much processor time."""
    if hasattr(resource, "RLIMIT_DATA") and Path("/proc/self/status").exists():
        limit = _data_bytes() + max_bytes
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    while (path := connection.recv()) is not None:
        signal.setitimer(signal.ITIMER_PROF, max_seconds)
        outcome = outcome_of(check, path)
        signal.setitimer(signal.ITIMER_PROF, 0)
        connection.send(outcome)


class Worker:
    """A process that checks inputs one by one. It is started when it is needed, and again after an input has ended it.

    Parameters
    ----------
    target : Target
    max_seconds : float
        Processor time of one input.
    max_bytes : int
        Memory that one input may take, beside that of the imported modules.

    Examples
    --------
    >>> from tests.fuzz.harness import Worker, find_target
    >>> with Worker(find_target("model_files")) as worker:  # doctest: +SKIP
    ...     print(worker.run(b"no model"))
    Outcome(kind='refused', message='... is not an egbad model ...')
    """

    def __init__(self, target: Target, max_seconds: float = MAX_SECONDS, max_bytes: int = MAX_BYTES) -> None:
        self._target, self._max_seconds, self._max_bytes = target, max_seconds, max_bytes
        self._folder = tempfile.TemporaryDirectory(prefix="egbad-fuzz-")
        self._process: multiprocessing.process.BaseProcess | None = None

    def __enter__(self) -> Self:
        """Return the worker."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End the process and remove its files."""
        self._end()
        self._folder.cleanup()

    def run(self, content: bytes) -> Outcome:
        """Check the content of a file.

        Parameters
        ----------
        content : bytes

        Returns
        -------
        Outcome
            Failed as well if the process ended or took too long.
        """
        path = Path(self._folder.name) / f"input{self._target.suffix}"
        path.write_bytes(content)
        if self._process is None:
            self._start()
        self._connection.send(path)
        if not self._connection.poll(self._max_seconds * _WAIT_FACTOR):
            self._end()
            return Outcome("failed", f"There was no answer within {self._max_seconds * _WAIT_FACTOR:g} s.")
        try:
            outcome: Outcome = self._connection.recv()
        except EOFError:
            return Outcome("failed", self._reason_of_end())
        return outcome

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        arguments = (other, self._target.check, self._max_seconds, self._max_bytes)
        self._process = context.Process(target=_serve, args=arguments, daemon=True)
        self._process.start()
        other.close()

    def _reason_of_end(self) -> str:
        assert self._process is not None
        self._process.join()
        code, self._process = self._process.exitcode, None
        if code == -signal.SIGPROF:
            return f"It took more than {self._max_seconds:g} s."
        return f"The process ended with exit status {code}."

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._connection.close()
        self._process = None


def mutation(target: Target, seeds: list[bytes], rng: random.Random) -> bytes:
    """Return a mutation of a seed that `rng` chooses."""
    return target.mutate(seeds[rng.randrange(len(seeds))], rng)


def limit_threads() -> None:
    """Let numerical libraries of processes that are started from now on compute on one thread."""
    os.environ["OMP_NUM_THREADS"] = "1"
