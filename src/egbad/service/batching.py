"""Micro-batches: requests that arrive together are scored together, by worker threads."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


@dataclass(eq=False)
class _Entry(Generic[T, R]):
    """An item that waits, and the future of its result."""

    item: T
    rows: int
    key: Hashable
    future: "asyncio.Future[R]"
    arrived: float


class Batcher(Generic[T, R]):
    """Queue of one model.

    If nothing is being processed, the items that have come in the same turn of the event loop start at once. Items that come
    later wait until that batch ends, or until the oldest has waited for the latency budget and another worker is free. The
    length of the queue is bounded by its users, see `egbad.service.limits`.

    Everything but `process` runs on the event loop, so that no locks are needed.

    Parameters
    ----------
    process : callable
        Takes the items of a batch, all with one key, and returns their results. Called on worker threads. If it raises an
        error for several items, each half is processed again, so that only the items that cause it receive the error.
    executor : Executor
        Worker threads.
    max_rows : int
        Rows of a batch, unless one item has more.
    max_running : int
        Batches that are processed at the same time.
    latency_budget : float
        Seconds.
    observe : callable, optional
        Called with the number of items and rows of each batch.
    """

    def __init__(
        self,
        process: Callable[[Sequence[T]], Sequence[R]],
        executor: Executor,
        *,
        max_rows: int,
        max_running: int,
        latency_budget: float,
        observe: Callable[[int, int], None] = lambda items, rows: None,
    ) -> None:
        self._process, self._executor, self._observe = process, executor, observe
        self._max_rows, self._max_running, self._budget = max_rows, max_running, latency_budget
        self._waiting: OrderedDict[_Entry[T, R], None] = OrderedDict()
        self._waiting_rows = self._running = 0
        self._wakeup: asyncio.Handle | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    def submit(self, item: T, rows: int, key: Hashable) -> "asyncio.Future[R]":
        """Add an item to the queue.

        Parameters
        ----------
        item : object
        rows : int
        key : hashable
            Only items with equal keys share a batch.

        Returns
        -------
        asyncio.Future
            The result. If it is cancelled before its batch starts, the item leaves the queue.
        """
        loop = asyncio.get_running_loop()
        entry = _Entry[T, R](item, rows, key, loop.create_future(), loop.time())
        self._waiting[entry] = None
        self._waiting_rows += rows
        self._idle.clear()
        entry.future.add_done_callback(lambda future: self._forget(entry))
        if self._running == 0 and len(self._waiting) == 1:
            self._wake(loop.call_soon(self._dispatch))
        elif self._wakeup is None:
            self._wake(loop.call_at(entry.arrived + self._budget, self._dispatch))
        return entry.future

    @property
    def is_busy(self) -> bool:
        """True if an item waits or is being processed."""
        return not self._idle.is_set()

    async def drain(self) -> None:
        """Wait until no item waits or is being processed."""
        await self._idle.wait()

    def _wake(self, handle: asyncio.Handle | None) -> None:
        """Replace the planned call of `_dispatch`."""
        if self._wakeup is not None:
            self._wakeup.cancel()
        self._wakeup = handle

    def _forget(self, entry: _Entry[T, R]) -> None:
        """Remove an entry whose result is no longer wanted."""
        if entry in self._waiting:
            del self._waiting[entry]
            self._waiting_rows -= entry.rows
        self._set_idle()

    def _set_idle(self) -> None:
        if not self._waiting and not self._running:
            self._idle.set()

    def _dispatch(self) -> None:
        """Start the batches that are due, and plan the next call."""
        self._wake(None)
        while self._waiting and self._is_due():
            self._start(self._take())
        if self._waiting and self._running < self._max_running:
            oldest = next(iter(self._waiting))
            self._wake(asyncio.get_running_loop().call_at(oldest.arrived + self._budget, self._dispatch))

    def _is_due(self) -> bool:
        """Return True if a batch may start: nothing runs, or a worker is free and the wait was long enough."""
        if self._running == 0:
            return True
        waited = asyncio.get_running_loop().time() - next(iter(self._waiting)).arrived
        return self._running < self._max_running and (waited >= self._budget or self._waiting_rows >= self._max_rows)

    def _take(self) -> list[_Entry[T, R]]:
        """Take the oldest entry, and those with the same key that fit into its batch."""
        first = next(iter(self._waiting))
        batch, rows = list[_Entry[T, R]](), 0
        for entry in self._waiting:
            if rows and rows + entry.rows > self._max_rows:
                break
            if entry.key == first.key:
                batch.append(entry)
                rows += entry.rows
        for entry in batch:
            del self._waiting[entry]
        self._waiting_rows -= rows
        return batch

    def _start(self, batch: list[_Entry[T, R]]) -> None:
        """Process the entries of a batch whose results are still wanted, on a worker thread."""
        batch = [entry for entry in batch if not entry.future.done()]
        if not batch:
            return
        self._running += 1
        self._observe(len(batch), sum(entry.rows for entry in batch))
        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(self._executor, self._process, [entry.item for entry in batch])
        running.add_done_callback(partial(self._finish, batch))

    def _finish(self, batch: list[_Entry[T, R]], done: "asyncio.Future[Sequence[R]]") -> None:
        """Deliver the results of a batch, or process its halves if it failed."""
        self._running -= 1
        error = done.exception()
        if error is None:
            for entry, result in zip(batch, done.result(), strict=True):
                if not entry.future.done():
                    entry.future.set_result(result)
        elif len(batch) > 1:
            middle = len(batch) // 2
            self._start(batch[:middle])
            self._start(batch[middle:])
        elif not batch[0].future.done():
            batch[0].future.set_exception(error)
        self._dispatch()
        self._set_idle()
