"""The store: scored items are appended, reviewed and looked up."""

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Lock
from types import TracebackType
from uuid import uuid4

from sqlalchemy import Connection, Engine, delete, insert, select, update

from egbad.errors import InvalidInputError
from egbad.service.store.database import connect, for_writing, parse_url, store_name
from egbad.service.store.errors import StoreError, database_errors
from egbad.service.store.items import Review, ScoredItem, check_time, check_verdict, storable
from egbad.service.store.migrate import upgrade
from egbad.service.store.reader import is_number
from egbad.service.store.recalibrations import RecalibrationStore
from egbad.service.store.tables import EPOCH, ItemRow, PayloadRow, ReviewRow, WriterRow
from egbad.service.store.writer import Limits, Writer

_PURGED_AT_ONCE = 1_000  # payloads that one transaction removes, so that appended items do not wait long
_FORGET_WRITERS = timedelta(days=7)


class Store(RecalibrationStore):
    """Scored items and reviews in a database. All methods may be called from any thread.

    Use `open_store` to create one, and `close` it at the end, or use it as a context manager.

    Attributes
    ----------
    name : str
        Path or URL, without the password.
    """

    def __init__(self, engine: Engine, name: str, keep: bool, retention: timedelta | None, limits: Limits) -> None:
        super().__init__(engine, name)
        self._keep, self._retention, self._limits = keep, retention, limits
        self._id = uuid4().hex
        self._lock = Lock()
        self._writer: Writer | None = None
        self._closed = False
        if retention is not None:
            self._start()

    def __enter__(self) -> "Store":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # -- items ---------------------------------------------------------------------------------------------------------

    def append(self, items: Iterable[ScoredItem]) -> Future[None]:
        """Store items, without waiting for it.

        A thread of the store writes what waits in one transaction. If the connection is lost, it connects again and repeats
        the transaction; no item is stored twice. The items of one call are stored all or none.

        Parameters
        ----------
        items : iterable of ScoredItem

        Returns
        -------
        Future
            Resolves to None once the items are committed to the disk. Fails with StoreError if they are not. Cancelling it
            has no effect.

        Raises
        ------
        StoreError
            If the store is closed, or too many items or bytes wait already. Nothing is stored then.
        """
        kept = tuple(items) if self._keep else tuple(replace(item, payload=None, media_type=None) for item in items)
        if not kept:
            done = Future[None]()
            done.set_result(None)
            return done
        return self._start().append(kept)

    @property
    def n_waiting(self) -> int:
        """Number of appended items that are not committed yet."""
        return 0 if self._writer is None else self._writer.n_waiting

    def review(self, item_id: int, verdict: str, reviewer: str, note: str = "", time: datetime | None = None) -> Review:
        """Store the review of an item. It counts in place of earlier ones, which are kept.

        Parameters
        ----------
        item_id : int
        verdict : {"confirmed", "dismissed", "undone"}
            "undone" takes the item back to the queue.
        reviewer : str
        note : str, optional
        time : datetime, optional
            With a time zone. By default now.

        Returns
        -------
        Review

        Raises
        ------
        InvalidInputError
            If the verdict or the item is unknown, or there is no review to undo.
        StoreError
            If the database cannot be used.
        """
        kind, when = check_verdict(verdict), time or datetime.now(UTC)
        check_time("time", when)
        unknown_item = InvalidInputError(f"There is no item {item_id} in the store '{self.name}'.")
        if not is_number(item_id):
            raise unknown_item
        person, text = storable(reviewer), storable(note)
        added = insert(ReviewRow).values(item_id=item_id, verdict=kind, reviewer=person, time=when, note=text)
        with database_errors(self.name), self._writing.begin() as connection:
            # The row is locked first: of two reviews at the same time the one with the higher number counts.
            before = connection.execute(select(ItemRow.verdict).where(ItemRow.id == item_id).with_for_update()).first()
            if before is None:
                raise unknown_item
            if kind == "undone" and before.verdict is None:
                raise InvalidInputError(f"Item {item_id} has no review to undo.")
            newest = None if kind == "undone" else kind
            connection.execute(update(ItemRow).where(ItemRow.id == item_id).values(verdict=newest))
            number = connection.scalars(added.returning(ReviewRow.id)).one()
        return Review(number, item_id, kind, person, when, text)

    def check(self) -> None:
        """Raise unless the database answers and old payloads could be removed.

        Raises
        ------
        StoreError
        """
        if self._writer is not None and self._writer.purge_error is not None:
            raise self._writer.purge_error
        with database_errors(self.name), self._engine.connect() as connection:
            connection.execute(select(1))

    def purge(self, older_than: timedelta) -> int:
        """Remove the rows and images of items scored longer ago than a time. Scores and reviews stay.

        Parameters
        ----------
        older_than : timedelta
            Not negative.

        Returns
        -------
        int
            Number of rows and images removed.

        Raises
        ------
        InvalidInputError
            If the time is negative.
        StoreError
            If the database cannot be used. What was removed so far stays removed.
        """
        if older_than < timedelta(0):
            raise InvalidInputError(f"older_than must not be negative, got {older_than}.")
        now = datetime.now(UTC)
        limit = now - min(older_than, now - EPOCH)
        n_removed = 0
        while True:
            old = select(PayloadRow.item_id).where(PayloadRow.time < limit).limit(_PURGED_AT_ONCE)
            with database_errors(self.name), self._writing.begin() as connection:
                n = connection.execute(delete(PayloadRow).where(PayloadRow.item_id.in_(old))).rowcount
            n_removed += n
            if n < _PURGED_AT_ONCE:
                return n_removed

    def close(self) -> None:
        """Write what waits, for as long as items have time, and close the connections."""
        with self._lock:
            self._closed = True
        if self._writer is not None:
            self._writer.close()
        self._engine.dispose()

    # -- the writer's work ---------------------------------------------------------------------------------------------

    def _start(self) -> Writer:
        """Return the writer, and start it if there is none."""
        with self._lock:
            if self._closed:
                raise StoreError("The store is closed.")
            if self._writer is None:
                purge = None if self._retention is None else self._purge_old
                self._writer = Writer(self._commit, purge, self._limits)
            return self._writer

    def _purge_old(self) -> None:
        assert self._retention is not None
        self.purge(self._retention)

    def _commit(self, batch: int, items: Sequence[ScoredItem]) -> None:
        """Insert items in one transaction, unless a transaction with this or a higher number has been committed."""
        with database_errors(self.name), self._writing.begin() as connection:
            now, own = datetime.now(UTC), WriterRow.id == self._id
            newer = update(WriterRow).where(own, WriterRow.batch < batch).values(batch=batch, time=now)
            if not connection.execute(newer).rowcount:
                if connection.scalar(select(WriterRow.batch).where(own)) is not None:
                    return
                connection.execute(delete(WriterRow).where(WriterRow.time < now - _FORGET_WRITERS))
                connection.execute(insert(WriterRow).values(id=self._id, batch=batch, time=now))
            _insert(connection, items)


def _insert(connection: Connection, items: Sequence[ScoredItem]) -> None:
    rows = [_row(item) for item in items]
    if all(item.payload is None for item in items):
        connection.execute(insert(ItemRow), rows)
        return
    numbers = connection.scalars(insert(ItemRow).returning(ItemRow.id, sort_by_parameter_order=True), rows)
    payloads = [
        {"item_id": number, "time": item.time, "media_type": item.media_type, "data": item.payload}
        for number, item in zip(numbers, items, strict=True)
        if item.payload is not None
    ]
    connection.execute(insert(PayloadRow), payloads)


def _row(item: ScoredItem) -> dict[str, object]:
    """Return the columns of an item."""
    return {
        "time": item.time,
        "request_id": storable(item.request_id),
        "model": storable(item.model),
        "version": storable(item.version),
        "digest": storable(item.digest),
        "key": None if item.key is None else storable(item.key),
        "score": float(item.score),
        "p_value": None if item.p_value is None else float(item.p_value),
        "flagged": bool(item.flagged),
        "alpha": float(item.alpha),
    }


def open_store(
    url: str | os.PathLike[str],
    *,
    keep: bool = False,
    retention: timedelta | None = None,
    create: bool = True,
    limits: Limits | None = None,
) -> Store:
    """Open a store; create or upgrade its tables where necessary.

    Parameters
    ----------
    url : str or path-like
        Path of a SQLite file, or a URL: ``sqlite:///reviews.db`` or ``postgresql://user@host/database``.
    keep : bool, default=False
        Keep rows and images, which reviews and tuning need. Without, only scores are kept.
    retention : timedelta, optional
        Remove rows and images this long after they were scored, while the store is open. The scores stay.
    create : bool, default=True
        Create a SQLite file that does not exist.
    limits : Limits, optional
        Limits of the queue of items that wait to be written.

    Returns
    -------
    Store

    Raises
    ------
    InvalidInputError
        If the URL is of an unknown kind, or the retention is not positive.
    StoreError
        If the database cannot be used, or a newer egbad has written it.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> item = ScoredItem(datetime.now(UTC), "request 1", "ring", "1", "ab12", "row 7", 2.3, 0.005, True, 0.01)
    >>> with TemporaryDirectory() as folder, open_store(f"sqlite:///{folder}/reviews.db") as store:
    ...     store.append([item]).result()
    """
    if retention is not None and retention <= timedelta(0):
        raise InvalidInputError(f"retention must be positive, got {retention}.")
    parsed = parse_url(url)
    name, engine = store_name(parsed), connect(parsed, create=create)
    try:
        upgrade(for_writing(engine), name)
    except StoreError:
        engine.dispose()
        raise
    return Store(engine, name, keep, retention, limits or Limits())
