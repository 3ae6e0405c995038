"""Progress of long work on stderr: a bar on a terminal, occasional lines elsewhere, nothing for quick work."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

QUIET_SECONDS = 2.0  # nothing is shown before
LINE_SECONDS = 10.0  # between two lines where stderr is not a terminal

Advance = Callable[..., None]
Clock = Callable[[], float]


@contextmanager
def progress(
    description: str,
    total: float | None = None,
    *,
    unit: str = "",
    enabled: bool = True,
    clock: Clock = time.monotonic,
) -> Iterator[Advance]:
    """Show the progress of the work inside the block.

    Nothing is shown in the first two seconds. After that a terminal shows a bar with speed and remaining time. Other
    outputs get a line, and another one about every ten seconds.

    Parameters
    ----------
    description : str
        What is being done, for instance "Scoring".
    total : float, optional
        Amount of work, in `unit`. Unknown by default.
    unit : str, default=""
        Unit of the work, for instance "rows".
    enabled : bool, default=True
        False to show nothing.
    clock : callable, optional
        Returns the current time in seconds.

    Yields
    ------
    callable
        Takes the amount of work done since the last call, 1 by default.

    Examples
    --------
    >>> with progress("Adding", 3, unit="numbers") as advance:
    ...     for number in range(3):
    ...         advance()
    """
    if not enabled:
        yield lambda n=1: None
    elif sys.stderr.isatty():
        yield from _bar(description, total, unit, clock)
    else:
        yield _lines(description, total, unit, clock)


def _format_speed(per_second: float, unit: str) -> str:
    """Return a speed as text.

    >>> _format_speed(1234.5, "rows"), _format_speed(0.1, "runs")
    ('1,234 rows/s', '10 s each')
    """
    return f"{per_second:,.0f} {unit}/s" if per_second >= 1 or not per_second else f"{1 / per_second:,.0f} s each"


def _bar(description: str, total: float | None, unit: str, clock: Clock) -> Iterator[Advance]:
    """Yield the function that advances a progress bar on the terminal."""
    from rich.console import Console  # takes long to import and is needed on a terminal only
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[speed]}"), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    task = bar.add_task(description, total=total, speed="")
    started, done, shown = clock(), 0.0, False

    def advance(n: float = 1) -> None:
        nonlocal done, shown
        done += n
        seconds = clock() - started
        if not shown and seconds >= QUIET_SECONDS:
            bar.start()
            shown = True
        bar.update(task, completed=done, speed=_format_speed(done / max(seconds, 1e-9), unit))

    try:
        yield advance
    finally:
        bar.stop()


def _lines(description: str, total: float | None, unit: str, clock: Clock) -> Advance:
    """Return the function that writes a line every few seconds."""
    started, done, next_line = clock(), 0.0, QUIET_SECONDS

    def advance(n: float = 1) -> None:
        nonlocal done, next_line
        done += n
        seconds = clock() - started
        if seconds < next_line:
            return
        next_line = seconds + LINE_SECONDS
        speed = done / seconds
        line = f"{description}: {done:,.0f}{f' of {total:,.0f}' if total else ''} {unit}, {_format_speed(speed, unit)}"
        if total:
            line += f", {max(0.0, total - done) / speed:.0f} s left"
        sys.stderr.write(line + "\n")

    return advance
