"""Long work shows how far it is: a bar on a terminal, a line now and then elsewhere, nothing for what is quick."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

QUIET_SECONDS = 2.0
LINE_SECONDS = 10.0

Advance = Callable[..., None]


@contextmanager
def progress(
    description: str, total: float | None = None, *, unit: str = "", enabled: bool = True
) -> Iterator[Advance]:
    """Show progress on stderr while the block runs; it calls what it is given with the work done since the last call.

    Nothing is shown in the first two seconds. Then a terminal gets a bar with speed and time left, anything else a
    plain line at once and about every ten seconds.

    Parameters
    ----------
    description : str
        What is being done.
    total : float, optional
        All the work there is, in `unit`.
    unit : str
        Name of the unit, "rows" for instance.
    enabled : bool
        Whether anything is shown.
    """
    if not enabled:
        yield lambda n=1: None
    elif sys.stderr.isatty():
        yield from _bar(description, total, unit)
    else:
        yield _lines(description, total, unit)


def _speed(per_second: float, unit: str) -> str:
    """How fast, in words.

    >>> _speed(1234.5, "rows"), _speed(0.1, "runs")
    ('1,234 rows/s', '10 s each')
    """
    return f"{per_second:,.0f} {unit}/s" if per_second >= 1 or not per_second else f"{1 / per_second:,.0f} s each"


def _bar(description: str, total: float | None, unit: str) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[speed]}"), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    task = bar.add_task(description, total=total, speed="")
    started, done, shown = time.monotonic(), 0.0, False

    def advance(n: float = 1) -> None:
        nonlocal done, shown
        done += n
        seconds = time.monotonic() - started
        if not shown and seconds >= QUIET_SECONDS:
            bar.start()
            shown = True
        bar.update(task, completed=done, speed=_speed(done / max(seconds, 1e-9), unit))

    try:
        yield advance
    finally:
        bar.stop()


def _lines(description: str, total: float | None, unit: str) -> Advance:
    started, done, due = time.monotonic(), 0.0, QUIET_SECONDS

    def advance(n: float = 1) -> None:
        nonlocal done, due
        done += n
        seconds = time.monotonic() - started
        if seconds < due:
            return
        due = seconds + LINE_SECONDS
        speed = done / seconds
        line = f"{description}: {done:,.0f}{f' of {total:,.0f}' if total else ''} {unit}, {_speed(speed, unit)}"
        if total:
            line += f", {max(0.0, total - done) / speed:.0f} s left"
        sys.stderr.write(line + "\n")

    return advance
