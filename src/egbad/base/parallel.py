"""Chunks side by side, each on one thread: a product that is divided among threads rounds as it is divided."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain, islice
from typing import TypeVar

import torch

A = TypeVar("A")
B = TypeVar("B")

_AHEAD = 4  # chunks a thread that are prepared before they are due: bounds memory


def each(work: Callable[[A], B], chunks: Iterable[A]) -> list[B]:
    """What `work` makes of every chunk, in order, without gradients, on as many threads as torch has."""
    threads = torch.get_num_threads()

    def alone(chunk: A) -> B:
        with torch.no_grad():  # a thread has its own mode
            return work(chunk)

    waiting = iter(chunks)
    due = list(islice(waiting, threads + 1))
    if threads == 1 or len(due) <= 1:
        with one_thread():
            return [alone(chunk) for chunk in chain(due, waiting)]
    found: list[B] = []
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            while due:
                found += pool.map(alone, due)
                due = list(islice(waiting, _AHEAD * threads))
    finally:
        torch.set_num_threads(threads)  # threads that others start later take after the last that was set
    return found


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
