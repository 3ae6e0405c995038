"""Chunks side by side, each on one thread: a product that is divided among threads rounds as it is divided."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from itertools import chain, islice
from threading import Event, Lock
from typing import Any, TypeVar

import torch
from threadpoolctl import ThreadpoolController

A = TypeVar("A")
B = TypeVar("B")

# By the largest block that was ever freed (16 MiB; nothing is written there) glibc tells how much memory to keep. By itself
# it gives back after an operation what the next one asks for, and the system clears each page again: half of the time on
# narrow rows.
torch.empty(2**22)


def map_threads(work: Callable[[A], B], chunks: Iterable[A]) -> list[B]:
    """What `work` makes of every chunk, in order, without gradients, on as many threads as torch has."""
    threads = torch.get_num_threads()

    def alone(chunk: A) -> B:
        with torch.no_grad():  # a thread has its own mode
            return work(chunk)

    waiting = iter(chunks)
    due = list(islice(waiting, 2))
    with one_thread():  # what some libraries take for the whole process
        if threads == 1 or len(due) <= 1:
            return [alone(chunk) for chunk in chain(due, waiting)]
        return _side_by_side(alone, chain(due, waiting), threads)


def _side_by_side(work: Callable[[A], B], items: Iterator[A], threads: int) -> list[B]:
    """What `work` makes of each, in order, by this thread and others; nobody is at work when this ends, come what may."""
    numbered, found = enumerate(items), dict[int, B]()
    lock, over = Lock(), Event()

    def take() -> tuple[int, A] | None:
        with lock:
            return None if over.is_set() else next(numbered, None)

    def some() -> None:
        """One after the other, until none is left or one went wrong."""
        try:
            while (taken := take()) is not None:
                place, item = taken
                found[place] = work(item)
        except BaseException:
            over.set()
            raise

    pool = _pool(threads - 1)
    others = [pool.submit(some) for _ in range(threads - 1)]
    try:
        some()
    finally:
        begun = [other for other in others if not other.cancel()]  # one that others keep waiting is not waited for
        wait(begun)
    for other in begun:
        other.result()
    return [found[place] for place in range(len(found))]


_pools: dict[int, ThreadPoolExecutor] = {}


def _pool(threads: int) -> ThreadPoolExecutor:
    """So many threads, each of which computes on one: kept, since memory that they know is sooner had again."""
    if threads not in _pools:
        _pools[threads] = ThreadPoolExecutor(threads, "egbad", initializer=torch.set_num_threads, initargs=(1,))
    return _pools[threads]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pools.clear)  # threads don't live on in a child


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class _Products:
    """How many threads NumPy's products take, which is the whole process's: one, until the last who asked for that is done."""

    def __init__(self) -> None:
        self.lock, self.asked = Lock(), 0
        self.threads: ThreadpoolController | None = (
            None  # of the libraries, which take longer to find than a row to score
        )
        self.limit: Any = None

    @contextmanager
    def undivided(self) -> Iterator[None]:
        """Let no product be divided among threads."""
        with self.lock:
            if self.asked == 0:
                self.threads = self.threads or ThreadpoolController()
                self.limit = self.threads.limit(limits=1, user_api="blas")
            self.asked += 1
        try:
            yield
        finally:
            with self.lock:
                self.asked -= 1
                if self.asked == 0:
                    self.limit.restore_original_limits()


products = _Products()
