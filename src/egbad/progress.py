"""Progress of long work: a bar on a terminal and in a notebook, occasional lines elsewhere, nothing for quick work."""

import builtins
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from typing import Any
from uuid import uuid4

QUIET_SECONDS = 2.0  # nothing is shown before
LINE_SECONDS = 10.0  # between two lines where stderr is not a terminal
_NOTEBOOK_SECONDS = 0.5  # between two messages to the page of a notebook
_WINDOW_SECONDS = 60.0  # that the remaining time is estimated from
_MIN_STEPS = 3  # calls of `advance` before there is an estimate
_MIN_FRACTION = 0.02  # share of the work that must be done before there is an estimate

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

    Nothing is shown in the first two seconds. After that a terminal and a Jupyter notebook show a bar with speed and
    remaining time. Other outputs get a line on stderr, and another one about every ten seconds. The remaining time is
    estimated from the last minute, once some of the work is done.

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
        Takes the amount of work done since the last call, 1 by default. With `earlier=True` it was done before the block,
        by a run that was interrupted, and does not count for the speed.

    Examples
    --------
    >>> with progress("Adding", 3, unit="numbers") as advance:
    ...     for number in range(3):
    ...         advance()
    """
    if not enabled:
        yield lambda n=1, *, earlier=False: None
    elif sys.stderr.isatty():
        yield from _bar(description, total, unit, clock)
    elif (publisher := _notebook()) is not None:
        yield from _notebook_bar(publisher, description, total, unit, clock)
    else:
        yield _lines(description, total, unit, clock)


class Estimate:
    """Estimate of speed and remaining time.

    Parameters
    ----------
    total : float or None
        Amount of work.
    now : float
        Current time in seconds.
    """

    def __init__(self, total: float | None, now: float) -> None:
        self.total, self.started, self.n_steps = total, now, 0
        self.done = self.earlier = 0.0  # all work that is done, and the part of it that takes no time now
        self._marks = deque([(now, 0.0)])  # of the last minute: time, and the work done since the start

    def advance(self, n: float, now: float, *, earlier: bool) -> None:
        """Record work that was done since the last call, or earlier."""
        self.done += n
        if earlier:
            self.earlier += n
            return
        self.n_steps += 1
        self._marks.append((now, self.done - self.earlier))
        while now - self._marks[1][0] > _WINDOW_SECONDS and len(self._marks) > 2:
            self._marks.popleft()

    def speed(self, now: float) -> float:
        """Return the work per second since the start."""
        return (self.done - self.earlier) / max(now - self.started, 1e-9)

    def remaining(self, now: float) -> float | None:
        """Return the remaining seconds, or None where they cannot be told.

        It is at least the time since the last progress: a step that takes a minute does not seem to be a second away from
        its end.
        """
        if not self.total or self.n_steps < _MIN_STEPS or self.done >= self.total:
            return None
        worked, (since, before) = self.done - self.earlier, self._marks[0]
        if worked < _MIN_FRACTION * (self.total - self.earlier) or worked <= before:
            return None
        return max((self.total - self.done) * (now - since) / (worked - before), now - self._marks[-1][0])


def _format_remaining(seconds: float) -> str:
    """Return a duration as text, coarser the longer it is.

    >>> [_format_remaining(seconds) for seconds in (4.2, 87, 600, 9000)]
    ['4 s left', '87 s left', '10 min left', '2.5 h left']
    """
    if seconds < 100:
        return f"{seconds:.0f} s left"
    return f"{seconds / 60:.0f} min left" if seconds < 6000 else f"{seconds / 3600:.1f} h left"


def _format_speed(per_second: float, unit: str) -> str:
    """Return a speed as text.

    >>> _format_speed(1234.5, "rows"), _format_speed(0.1, "runs")
    ('1,234 rows/s', '10 s each')
    """
    return f"{per_second:,.0f} {unit}/s" if per_second >= 1 or not per_second else f"{1 / per_second:,.0f} s each"


def _format_line(description: str, unit: str, estimate: Estimate, now: float) -> str:
    """Return the work done, the speed and the remaining time as a line of text."""
    total, remaining = estimate.total, estimate.remaining(now)
    done = f"{estimate.done:,.0f}{f' of {total:,.0f}' if total else ''} {unit}"
    line = f"{description}: {done}, {_format_speed(estimate.speed(now), unit)}"
    return line if remaining is None else f"{line}, {_format_remaining(remaining)}"


def _bar(description: str, total: float | None, unit: str, clock: Clock) -> Iterator[Advance]:
    """Yield the function that advances a progress bar on the terminal."""
    from rich.console import Console  # takes long to import and is needed on a terminal only
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn

    estimate = Estimate(total, clock())

    class RemainingColumn(ProgressColumn):
        """Remaining time, which the bar asks for several times a second."""

        def render(self, task: Task) -> str:
            """Return the remaining time, nothing where it is unknown."""
            seconds = estimate.remaining(clock())
            return "" if seconds is None else _format_remaining(seconds)

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[speed]}"), RemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    task = bar.add_task(description, total=total, speed="")
    shown = False

    def advance(n: float = 1, *, earlier: bool = False) -> None:
        nonlocal shown
        now = clock()
        estimate.advance(n, now, earlier=earlier)
        if not shown and now - estimate.started >= QUIET_SECONDS:
            bar.start()
            shown = True
        bar.update(task, completed=estimate.done, speed=_format_speed(estimate.speed(now), unit))

    try:
        yield advance
    finally:
        bar.stop()


def _notebook() -> Any | None:
    """Return the object that shows output below the running cell of a notebook, None elsewhere."""
    shell = getattr(builtins, "get_ipython", lambda: None)()  # IPython defines it while a cell runs
    return getattr(shell, "display_pub", None)


def _notebook_bar(publisher: Any, description: str, total: float | None, unit: str, clock: Clock) -> Iterator[Advance]:
    """Yield the function that advances a bar below the running cell, the progress element of HTML.

    rich shows nothing in a notebook without ipywidgets, which neither rich nor Jupyter's kernel requires.
    """
    estimate, display_id, next_update = Estimate(total, clock()), uuid4().hex, QUIET_SECONDS

    def show(now: float, *, update: bool) -> None:
        line = _format_line(description, unit, estimate, now)
        portion = f' value="{estimate.done / total:.3f}"' if total else ""
        bar = f'<progress aria-label="{escape(description)}"{portion}></progress> {escape(line)}'
        data = {"text/plain": line, "text/html": bar}
        publisher.publish(data, transient={"display_id": display_id}, update=update)

    def advance(n: float = 1, *, earlier: bool = False) -> None:
        nonlocal next_update
        now = clock()
        estimate.advance(n, now, earlier=earlier)
        if now - estimate.started >= next_update:
            show(now, update=next_update > QUIET_SECONDS)
            next_update = now - estimate.started + _NOTEBOOK_SECONDS

    try:
        yield advance
    finally:
        if next_update > QUIET_SECONDS:
            show(clock(), update=True)


def _lines(description: str, total: float | None, unit: str, clock: Clock) -> Advance:
    """Return the function that writes a line every few seconds."""
    estimate, next_line = Estimate(total, clock()), QUIET_SECONDS

    def advance(n: float = 1, *, earlier: bool = False) -> None:
        nonlocal next_line
        now = clock()
        estimate.advance(n, now, earlier=earlier)
        if now - estimate.started < next_line:
            return
        next_line = now - estimate.started + LINE_SECONDS
        sys.stderr.write(_format_line(description, unit, estimate, now) + "\n")

    return advance
