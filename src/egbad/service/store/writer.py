"""The thread that writes scored items: a bounded queue, and one transaction for all that waits."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Condition, Thread

from egbad.service.store.errors import StoreError
from egbad.service.store.items import ScoredItem

Commit = Callable[[int, Sequence[ScoredItem]], None]
Purge = Callable[[], None]

_MAX_BATCH = 5_000  # items of a transaction, unless one call appends more
_FIRST_DELAY, _MAX_DELAY = 0.05, 1.0  # seconds between two attempts
_ITEM_BYTES = 500  # estimated memory of an item without its payload


@dataclass(frozen=True)
class Limits:
    """Limits of the queue.

    Attributes
    ----------
    max_items : int
        Items that wait or are being written.
    max_bytes : int
        Their estimated memory.
    patience : float
        Seconds after which an item fails that could not be written.
    purge_seconds : float
        Seconds between two removals of old payloads.
    """

    max_items: int = 100_000
    max_bytes: int = 256 * 2**20
    patience: float = 10.0
    purge_seconds: float = 60.0


@dataclass(frozen=True)
class _Waiting:
    """Items of one call that wait, with the future that reports on them."""

    items: tuple[ScoredItem, ...]
    size: int
    future: Future[None] = field(default_factory=Future)
    since: float = field(default_factory=time.monotonic)


class Writer:
    """Thread that commits appended items in their order.

    Parameters
    ----------
    commit : callable
        Commits a batch of items, given its number. A batch that may have been committed before is passed again with the same
        number. Raises StoreError.
    purge : callable, optional
        Removes old payloads.
    limits : Limits

    Attributes
    ----------
    purge_error : StoreError or None
        Failure of the last removal of old payloads.
    """

    def __init__(self, commit: Commit, purge: Purge | None, limits: Limits) -> None:
        self._commit, self._purge, self._limits = commit, purge, limits
        self._changed = Condition()
        self._queue = deque[_Waiting]()
        self._batch = list[_Waiting]()  # calls that are being written
        self._n_items = self._n_bytes = 0  # of the queue and of the batch that is being written
        self._closing = self._stopped = False
        self._n_batches = 0
        self.purge_error: StoreError | None = None
        self._next_purge = time.monotonic()
        self._thread = Thread(target=self._run, name="egbad-store", daemon=True)
        self._thread.start()

    @property
    def n_waiting(self) -> int:
        """Number of items that are not committed yet."""
        return self._n_items

    def append(self, items: tuple[ScoredItem, ...]) -> Future[None]:
        """Add items to the queue, without waiting.

        Returns
        -------
        Future
            Done once all items are committed, or none of them could be.

        Raises
        ------
        StoreError
            If the queue is full or closed.
        """
        waiting = _Waiting(items, sum(_ITEM_BYTES + len(item.payload or b"") for item in items))
        # The items are stored even if the caller cancels: they have been scored.
        waiting.future.set_running_or_notify_cancel()
        with self._changed:
            if self._closing or self._stopped:
                raise StoreError("The store is closed.")
            full = (
                self._n_items + len(items) > self._limits.max_items
                or self._n_bytes + waiting.size > self._limits.max_bytes
            )
            if full and self._n_items:
                raise StoreError(
                    f"The queue of the store is full: {self._n_items:,} items ({self._n_bytes / 2**20:.3g} MiB) wait to be "
                    "written. Send fewer items, or check the database.",
                    transient=True,
                )
            self._queue.append(waiting)
            self._n_items += len(items)
            self._n_bytes += waiting.size
            self._changed.notify_all()
        return waiting.future

    def close(self) -> None:
        """Write what waits and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        try:
            while (batch := self._take()) is not None:
                if batch:
                    self._write(batch)
                    self._release()
                self._purge_if_due()
        finally:  # after an error that was not foreseen no future may wait for ever
            with self._changed:
                self._stopped = True
                waiting, self._queue = [*self._batch, *self._queue], deque()
            _fail([call for call in waiting if not call.future.done()], "the writer has stopped")

    def _take(self) -> list[_Waiting] | None:
        """Return the calls to write next, none if a purge is due first, or None at the end."""
        with self._changed:
            while not self._queue:
                if self._closing:
                    return None
                seconds = None if self._purge is None else self._next_purge - time.monotonic()
                if seconds is not None and seconds <= 0:
                    return []
                self._changed.wait(seconds)
            batch = [self._queue.popleft()]
            n = len(batch[0].items)
            while self._queue and n + len(self._queue[0].items) <= _MAX_BATCH:
                batch.append(self._queue.popleft())
                n += len(batch[-1].items)
            self._batch = batch
            return batch

    def _release(self) -> None:
        with self._changed:
            self._n_items -= sum(len(waiting.items) for waiting in self._batch)
            self._n_bytes -= sum(waiting.size for waiting in self._batch)
            self._batch = []

    def _write(self, batch: Sequence[_Waiting]) -> None:
        """Commit a batch, and repeat it while the database is away and the items have time."""
        self._n_batches += 1
        delay = _FIRST_DELAY
        while batch:
            try:
                self._commit(self._n_batches, [item for waiting in batch for item in waiting.items])
            except StoreError as error:
                if error.transient:
                    batch = self._fail_late(batch, str(error))
                    time.sleep(delay if batch else 0)
                    delay = min(2 * delay, _MAX_DELAY)
                    continue
                if len(batch) == 1:
                    _fail(batch, str(error))
                else:  # only the calls with items that the database refuses may fail
                    for waiting in batch:
                        self._write([waiting])
                return
            for waiting in batch:
                waiting.future.set_result(None)
            return

    def _fail_late(self, batch: Sequence[_Waiting], reason: str) -> list[_Waiting]:
        """Fail the calls of a batch that have waited too long, and return the others."""
        limit = time.monotonic() - self._limits.patience
        _fail([waiting for waiting in batch if waiting.since <= limit], reason)
        return [waiting for waiting in batch if waiting.since > limit]

    def _purge_if_due(self) -> None:
        if self._purge is None or time.monotonic() < self._next_purge:
            return
        self._next_purge = time.monotonic() + self._limits.purge_seconds
        try:
            self._purge()
            self.purge_error = None
        except StoreError as error:
            self.purge_error = error


def _fail(batch: Sequence[_Waiting], reason: str) -> None:
    for waiting in batch:
        waiting.future.set_exception(StoreError(f"Items were not stored, as far as is known: {reason}"))
