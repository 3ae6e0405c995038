"""Work on many files side by side, a little ahead of who asks for it: in threads, or in worker processes for much of it."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from itertools import islice
from multiprocessing import current_process
from typing import TypeVar

from loky import cpu_count, get_reusable_executor

from egbad.errors import EgbadError

A = TypeVar("A")
B = TypeVar("B")

_AHEAD = 2  # tasks a core that are done before they are due: bounds memory
_IDLE = 10  # seconds after which a worker ends that has nothing to do; half a minute more where this process was killed
# Let workers keep the memory of an image for the next one: to be given it anew takes a quarter of their time.
_WORKERS = {"MALLOC_MMAP_THRESHOLD_": str(2**30), "MALLOC_TRIM_THRESHOLD_": str(2**30)}


def available_cores() -> int:
    """Return the number of cores that this process may use, limited by its CPU affinity and its container.

    Returns
    -------
    int
    """
    return int(cpu_count())


def map_processes(work: Callable[[A], B], items: Sequence[A], at_once: int, *, processes: bool) -> Iterator[B]:
    """What `work` makes of each item, in order, on all cores.

    Parameters
    ----------
    work : callable
        For processes it, the items and what it gives must be such as can be pickled.
    items : sequence
    at_once : int
        Items of a task: so many that it is worth sending.
    processes : bool
        Whether there is so much to do that it pays to start workers, about a second: they share no lock with what is done
        with the outcome. A daemonic process may start none, and uses threads.
    """
    tasks = [items[start : start + at_once] for start in range(0, len(items), at_once)]
    cores = min(cpu_count(), len(tasks))
    if cores <= 1:
        yield from map(work, items)
    elif processes and not current_process().daemon:
        pool = get_reusable_executor(cores, timeout=_IDLE, env=_WORKERS)
        yield from _ahead(pool, partial(_all, work), tasks, _AHEAD * cores)
    else:
        with ThreadPoolExecutor(cores) as pool:
            yield from _ahead(pool, partial(_all, work), tasks, _AHEAD * cores)


def _all(work: Callable[[A], B], items: Sequence[A]) -> list[B]:
    return [work(item) for item in items]


def _ahead(pool: Executor, work: Callable[[A], list[B]], tasks: Sequence[A], ahead: int) -> Iterator[B]:
    """What `work` makes of each task, one after the other, with so many more under way."""
    waiting = iter(tasks)
    due = deque(pool.submit(work, task) for task in islice(waiting, ahead))
    try:
        while due:
            done = due.popleft().result()
            due.extend(pool.submit(work, task) for task in islice(waiting, 1))
            yield from done
    except BrokenProcessPool as error:
        raise EgbadError(
            "A process that read files was killed, perhaps since memory was short. Run it again: no file is damaged."
        ) from error
    finally:
        for future in due:
            future.cancel()
