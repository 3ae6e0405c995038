"""Batches on several threads, each of which computes on one: a matrix product that threads share rounds by their number."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from itertools import chain, islice
from threading import Event, Lock, Thread
from typing import Any, TypeVar

import torch
from threadpoolctl import ThreadpoolController, threadpool_info, threadpool_limits

A = TypeVar("A")
B = TypeVar("B")

_process_id = os.getpid()  # a forked child has another


def start_process() -> None:
    """Declare that the parent of this forked process has not used OpenMP, so that `call_after_fork` calls directly."""
    global _process_id
    _process_id = os.getpid()


def call_after_fork(function: Callable[[], A]) -> A:
    """Call a function; in a forked child on a new thread.

    OpenMP's threads end in a fork, but the thread that survives still waits for them. A new thread starts its own, as many
    as the calling thread may use.

    Parameters
    ----------
    function : callable
        Takes no arguments.

    Returns
    -------
    object
        The result of the function.
    """
    if os.getpid() == _process_id:
        return function()
    result, context = Future[A](), copy_context()
    # OpenMP's limit belongs to a thread, that of BLAS to the process.
    limits = {one["prefix"]: one["num_threads"] for one in threadpool_info() if one["user_api"] == "openmp"}

    def work() -> None:
        try:
            with threadpool_limits(limits):
                result.set_result(context.run(function))
        except BaseException as error:  # noqa: BLE001 - raised again by `result`
            result.set_exception(error)

    Thread(target=work, name="egbad", daemon=True).start()
    return result.result()


def map_threads(function: Callable[[A], B], items: Iterable[A], max_threads: int | None = None) -> list[B]:
    """Apply a function to all items on the calling thread and on others, without gradients.

    The number of threads is torch's (`torch.set_num_threads`). Each computes on one thread. Items are taken from the
    iterable when a thread is free. The other threads live as long as the call.

    Parameters
    ----------
    function : callable
        Takes one item. Called by several threads at the same time.
    items : iterable
    max_threads : int, optional
        Limit for the number of threads, such as the number of items.

    Returns
    -------
    list
        The results, in the order of the items.

    Raises
    ------
    Exception
        The first error that `function` raises; no further items are taken then.
    """
    threads = min(torch.get_num_threads(), max_threads or torch.get_num_threads())

    def without_gradients(item: A) -> B:
        with torch.no_grad():  # the gradient mode is a thread's own
            return function(item)

    waiting = iter(items)
    first = list(islice(waiting, 2))
    with one_thread():
        if threads == 1 or len(first) <= 1:
            return [without_gradients(item) for item in chain(first, waiting)]
        return _map_on_pool(without_gradients, chain(first, waiting), threads)


def _map_on_pool(function: Callable[[A], B], items: Iterator[A], threads: int) -> list[B]:
    """Apply a function to all items by this thread and `threads - 1` others, and return the results in order."""
    numbered, results = enumerate(items), dict[int, B]()
    lock, stop = Lock(), Event()

    def take() -> tuple[int, A] | None:
        with lock:
            return None if stop.is_set() else next(numbered, None)

    def work() -> None:
        try:
            while (taken := take()) is not None:
                index, item = taken
                results[index] = function(item)
        except BaseException:
            stop.set()
            raise

    with ThreadPoolExecutor(threads - 1, "egbad", initializer=torch.set_num_threads, initargs=(1,)) as pool:
        others = [pool.submit(work) for _ in range(threads - 1)]
        work()
    for other in others:
        other.result()
    return [results[index] for index in range(len(results))]


@contextmanager
def one_thread() -> Iterator[None]:
    """Limit torch to one thread in this context."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class BlasThreadLimit:
    """Limits NumPy's BLAS libraries to one thread while any caller needs that.

    The number of BLAS threads belongs to the whole process. The first caller sets the limit and the last one lifts it, so
    callers on several threads do not undo each other's limit. A forked child starts without callers.
    """

    def __init__(self) -> None:
        self._controller: ThreadpoolController | None = None  # finding the libraries takes longer than scoring a row
        self._start()

    def _start(self) -> None:
        """Count callers from zero: another thread of the parent may have held the lock when this process was forked."""
        self._process_id, self._lock, self._n_callers = os.getpid(), Lock(), 0
        self._limit: Any = None

    @contextmanager
    def single_thread(self) -> Iterator[None]:
        """Compute NumPy's products on one thread in this context."""
        if self._process_id != os.getpid():
            self._start()
        with self._lock:
            if self._n_callers == 0:
                self._controller = self._controller or ThreadpoolController()
                self._limit = self._controller.limit(limits=1, user_api="blas")
            self._n_callers += 1
        try:
            yield
        finally:
            with self._lock:
                self._n_callers -= 1
                if self._n_callers == 0:
                    self._limit.restore_original_limits()


blas_threads = BlasThreadLimit()
