"""Where a command starts and ends: every outcome becomes an exit code, and one sentence on stderr."""

import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

import typer

from egbad.cli import benchmark, data, evaluate, fit, info, report, score, tune  # noqa: F401, they add commands
from egbad.cli.app import app
from egbad.cli.output import note, one_line
from egbad.errors import CalibrationWarning, EgbadError, HealthWarning, StoppedError

OK, OUR_ERROR, USERS_ERROR, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command (default: the process's own arguments) -> exit code.

    0 when all is well, 2 for what the user can mend, 1 for a bug of ours, 130 for Ctrl-C. With EGBAD_DEBUG=1 a bug
    shows its traceback.
    """
    try:
        with _warnings_as_lines():
            return _run(arguments)
    except KeyboardInterrupt:
        return _interrupted()


def _run(arguments: Sequence[str] | None) -> int:
    command: Callable[..., Any] = typer.main.get_command(app)
    try:
        given = None if arguments is None else list(arguments)
        code = command(given, prog_name="egbad", standalone_mode=False)
        code = code if isinstance(code, int) else OK
        return _interrupted() if code == INTERRUPTED else code
    except typer.Abort:
        return _interrupted()
    except StoppedError as error:
        note(one_line(str(error)))
        return INTERRUPTED
    except EgbadError as error:
        note(one_line(str(error)))
    except MemoryError:
        note("There must be enough memory for the data and the model, there is not. Use fewer rows or members.")
    except OSError as error:
        # Files of ours that can't be read or written have their own sentence; this is what is left: a cache folder
        # without permission, a disk that fills during a download.
        note(f"{error.filename or 'A file'} can't be used: {error.strerror or error}. Check space and permissions.")
    except Exception as error:  # noqa: BLE001 - the last door before the user
        if not hasattr(error, "format_message"):
            _report_bug(error)
            return OUR_ERROR
        note(_usage(error))
    return USERS_ERROR


def _interrupted() -> int:
    note("Interrupted: no output was written.")
    return INTERRUPTED


def _usage(error: Any) -> str:
    """A wrong command line in one sentence; typer's exceptions for it are not public, their methods are."""
    name = getattr(error, "option_name", "")
    near = get_close_matches(name, getattr(error, "possibilities", None) or (), n=1)
    if near:
        message = f"There is no option '{name}'. Did you mean '{near[0]}'?"
    else:
        message = one_line(error.format_message())
    where = getattr(getattr(error, "ctx", None), "command_path", "egbad")
    return f"{message} See '{where} --help'."


def _report_bug(error: Exception) -> None:
    if os.environ.get("EGBAD_DEBUG") == "1":
        traceback.print_exception(error, file=sys.stderr)
    note(
        f"This is a bug in egbad ({type(error).__name__}: {one_line(str(error))}). Please report it with what you typed "
        "and the traceback that EGBAD_DEBUG=1 shows."
    )


@contextmanager
def _warnings_as_lines() -> Iterator[None]:
    """Our warnings as one line on stderr, each once, without file names and source."""
    seen: set[str] = set()

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        line = one_line(str(message))
        if line not in seen:
            seen.add(line)
            note(f"Warning: {line}")

    with warnings.catch_warnings():
        warnings.simplefilter("always", HealthWarning)
        warnings.simplefilter("always", CalibrationWarning)
        warnings.filterwarnings("always", category=UserWarning, module=r"egbad\.")
        warnings.showwarning = show
        yield
