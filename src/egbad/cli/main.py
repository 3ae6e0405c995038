"""The entry point of the command line: every outcome becomes an exit code, and every error one sentence on stderr."""

import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

import typer

from egbad.cli import (
    benchmark,
    compare,
    config,
    data,
    demo,
    detect,
    doctor,
    drift,
    evaluate,
    export,
    fit,
    info,
    recalibrate,
    report,
    reviews,
    score,
    serve,
    store,
    tune,
)
from egbad.cli.app import app
from egbad.cli.language import use_help_context
from egbad.cli.output import note, one_line
from egbad.errors import EgbadError, StoppedError, enable_own_warnings

OK, INTERNAL_ERROR, USER_ERROR, INTERRUPTED = 0, 1, 2, 130

for command in (
    fit,
    score,
    detect,
    report,
    evaluate,
    drift,
    recalibrate,
    tune,
    compare,
    benchmark,
    info,
    doctor,
    config,
    export,
    serve,
):
    app.add_typer(command.app)
app.add_typer(data.app, name="data")
app.add_typer(reviews.app, name="reviews")
app.add_typer(store.app, name="store")
app.add_typer(demo.app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command of `egbad`.

    Parameters
    ----------
    arguments : sequence of str, optional
        The words after `egbad`. By default those of the process.

    Returns
    -------
    int
        The exit code: 0 for success, 2 for an error that the user can correct, 1 for an error in egbad, 130 after Ctrl-C.
        `egbad drift` also returns 3 or 4, see its help.
        With EGBAD_DEBUG=1 in the environment an error in egbad prints its traceback.

    Examples
    --------
    >>> main(["data", "get", "digits", "--json"])
    {
      "name": "digits",
      "files": []
    }
    0
    """
    try:
        with _warnings_on_stderr():
            return _run(arguments)
    except KeyboardInterrupt:
        return _report_interrupt()


def _run(arguments: Sequence[str] | None) -> int:
    """Run a command and translate exceptions into exit codes."""
    run: Callable[..., Any] = typer.main.get_command(app)
    use_help_context(run)
    words = None if arguments is None else list(arguments)
    try:
        code = run(words, prog_name="egbad", standalone_mode=False)
    except typer.Abort:
        return _report_interrupt()
    except StoppedError as error:
        note(one_line(str(error)))
        return INTERRUPTED
    except EgbadError as error:
        note(one_line(str(error)))
        return USER_ERROR
    except typer.TyperException as error:
        note(_usage_message(error))
        return USER_ERROR
    except MemoryError:
        note("There is not enough memory for the data and the model. Use fewer rows or members.")
        return USER_ERROR
    except OSError as error:
        # Known files have messages of their own. This is the rest: a cache without permission, a disk that fills up.
        note(f"Cannot use {error.filename or 'a file'}: {error.strerror or error}. Check free space and permissions.")
        return USER_ERROR
    except Exception as error:  # noqa: BLE001 - a user must never see a bare traceback
        _report_bug(error)
        return INTERNAL_ERROR
    if code == INTERRUPTED:
        return _report_interrupt()
    return code if isinstance(code, int) else OK


def _report_interrupt() -> int:
    note("Interrupted: no output was written.")
    return INTERRUPTED


def _usage_message(error: typer.TyperException) -> str:
    """Describe a wrong command line in one sentence and name the help page.

    Typer does not export the subclass for unknown options, so its attributes are looked up by name.
    """
    option = getattr(error, "option_name", "")
    known = {name.lstrip("-"): name for name in getattr(error, "possibilities", None) or ()}
    matches = get_close_matches(option.lstrip("-"), known, n=1)
    if option and getattr(error, "possibilities", None) is not None:
        message = f"There is no option '{option}'." + (f" Did you mean '{known[matches[0]]}'?" if matches else "")
    else:
        message = one_line(error.format_message())
    command = getattr(getattr(error, "ctx", None), "command_path", "egbad")
    return f"{message} See '{command} --help'."


def _report_bug(error: Exception) -> None:
    if os.environ.get("EGBAD_DEBUG") == "1":
        traceback.print_exception(error, file=sys.stderr)
    note(
        f"This is a bug in egbad ({type(error).__name__}: {one_line(str(error))}). Please report it with the command, "
        "the traceback that EGBAD_DEBUG=1 prints, and what 'egbad doctor' prints."
    )


@contextmanager
def _warnings_on_stderr() -> Iterator[None]:
    """Print egbad's warnings as one line each on stderr, without source lines, and each text once."""
    printed: set[str] = set()

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        line = one_line(str(message))
        if line not in printed:
            printed.add(line)
            note(f"Warning: {line}")

    with warnings.catch_warnings():
        enable_own_warnings()
        warnings.showwarning = show
        yield
