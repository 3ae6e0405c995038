"""Parallel work on many files: results in order, a few tasks ahead of the consumer, in threads or worker processes."""

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

Item = TypeVar("Item")
Result = TypeVar("Result")

TASKS_AHEAD = 2  # tasks per worker that are submitted before their results are due; bounds memory
_IDLE_TIMEOUT = 10  # seconds after which an idle worker ends; half a minute later if this process was killed
# Workers keep freed memory for the next image: requesting it anew takes a quarter of their time.
_WORKER_ENVIRONMENT = {"MALLOC_MMAP_THRESHOLD_": str(2**30), "MALLOC_TRIM_THRESHOLD_": str(2**30)}


def available_cores() -> int:
    """Return the number of cores that this process may use, limited by its CPU affinity and its container.

    Returns
    -------
    int
    """
    return int(cpu_count())


def map_processes(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    items_per_task: int,
    *,
    processes: bool,
    n_workers: int | None = None,
) -> Iterator[Result]:
    """Apply a function to every item in parallel and yield the results in order.

    Parameters
    ----------
    function : callable
        Takes an item. For worker processes the function, the items and the results must be picklable.
    items : sequence
    items_per_task : int
        Items that are sent to a worker together, enough to outweigh the cost of sending them.
    processes : bool
        True to use worker processes, which pays for more than about a second of work: unlike threads they do not
        compete with the consumer for the interpreter lock. A daemonic process cannot start any and uses threads.
    n_workers : int, optional
        Number of threads or processes. By default the number of available cores.

    Yields
    ------
    result
        The result of the function for each item.

    Raises
    ------
    EgbadError
        If a worker process was killed.
    """
    tasks = [items[start : start + items_per_task] for start in range(0, len(items), items_per_task)]
    n_workers = min(available_cores() if n_workers is None else n_workers, len(tasks))
    if n_workers <= 1:
        yield from map(function, items)
    elif processes and not current_process().daemon:
        pool = get_reusable_executor(n_workers, timeout=_IDLE_TIMEOUT, env=_WORKER_ENVIRONMENT)
        yield from _map_ahead(pool, partial(_map_task, function), tasks, TASKS_AHEAD * n_workers)
    else:
        with ThreadPoolExecutor(n_workers) as pool:
            yield from _map_ahead(pool, partial(_map_task, function), tasks, TASKS_AHEAD * n_workers)


def _map_task(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Apply a function to the items of one task, in a worker."""
    return [function(item) for item in items]


def _map_ahead(
    pool: Executor, function: Callable[[Item], list[Result]], tasks: Sequence[Item], n_ahead: int
) -> Iterator[Result]:
    """Yield the results of the tasks in order while up to `n_ahead` further tasks are under way."""
    waiting = iter(tasks)
    pending = deque(pool.submit(function, task) for task in islice(waiting, n_ahead))
    try:
        while pending:
            results = pending.popleft().result()
            pending.extend(pool.submit(function, task) for task in islice(waiting, 1))
            yield from results
    except BrokenProcessPool as error:
        raise EgbadError(
            "A worker process that was reading files was killed, possibly because memory ran out. "
            "Run the command again; no file is damaged."
        ) from error
    finally:
        for future in pending:
            future.cancel()
