"""Queries of the store."""

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Engine,
    Row,
    Select,
    and_,
    func,
    literal,
    select,
    tuple_,
    type_coerce,
)

from egbad.errors import InvalidInputError, unknown
from egbad.service.store.errors import database_errors
from egbad.service.store.items import (
    Arrivals,
    ItemFilter,
    ItemPage,
    ModelCounts,
    Period,
    Review,
    ScoredItem,
    ScoreGroups,
    StoredItem,
    Verdict,
    storable,
)
from egbad.service.store.paging import Cursor, Order, check_order
from egbad.service.store.tables import ItemRow, PayloadRow, ReviewRow, from_microseconds

Query = Select[*tuple[Any, ...]]

EVERY = ItemFilter()
_PERIODS = {"hour": 3_600_000_000, "day": 86_400_000_000}  # microseconds
_ROWS_AT_ONCE = 10_000  # of scores
_PAYLOADS_AT_ONCE = 32
_ITEM = (
    *(ItemRow.id, ItemRow.time, ItemRow.request_id, ItemRow.model, ItemRow.version, ItemRow.digest, ItemRow.key),
    *(ItemRow.score, ItemRow.p_value, ItemRow.flagged, ItemRow.alpha, ItemRow.verdict),
    *(PayloadRow.media_type, PayloadRow.item_id.is_not(None).label("has_payload")),
)


class StoreReader:
    """Queries of a store. All methods may be called from any thread, and raise StoreError if the database cannot be used.

    Parameters
    ----------
    engine : Engine
    name : str
        Name of the store in messages.
    """

    def __init__(self, engine: Engine, name: str) -> None:
        self.name = name
        self._engine = engine

    def get(self, item_id: int) -> StoredItem | None:
        """Return an item with its payload, None if there is no such item.

        Parameters
        ----------
        item_id : int

        Returns
        -------
        StoredItem or None
        """
        if not is_number(item_id):
            return None
        query = _items(PayloadRow.data).where(ItemRow.id == item_id)
        with database_errors(self.name), self._engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _stored(row, row.data)

    def history(self, item_id: int) -> tuple[Review, ...]:
        """Return all reviews of an item, oldest first.

        Parameters
        ----------
        item_id : int

        Returns
        -------
        tuple of Review
        """
        if not is_number(item_id):
            return ()
        query = select(*ReviewRow.__table__.c).where(ReviewRow.item_id == item_id).order_by(ReviewRow.id)
        with database_errors(self.name), self._engine.connect() as connection:
            return tuple(Review(**row._mapping) for row in connection.execute(query))

    def queue(
        self,
        order: str = "newest",
        *,
        limit: int = 50,
        cursor: str | None = None,
        where: ItemFilter = EVERY,
        verdict: Verdict | None = None,
    ) -> ItemPage:
        """Return a page of the flagged items that are not reviewed.

        Parameters
        ----------
        order : {"newest", "score"}, default="newest"
            By time or by score, highest first.
        limit : int, default=50
            Items of a page, in [1, 1000].
        cursor : str, optional
            `next` of the page before. Items that are added or reviewed between two pages do not move the others.
        where : ItemFilter, optional
        verdict : {"confirmed", "dismissed"}, optional
            Return the items with this review instead.

        Returns
        -------
        ItemPage

        Raises
        ------
        InvalidInputError
            If the order is unknown, the limit is out of its range, or the cursor is of another order.
        """
        by = check_order(order)
        if not 1 <= limit <= 1000:
            raise InvalidInputError(f"limit must be in [1, 1000], got {limit}.")
        column = ItemRow.score if by == "score" else ItemRow.time
        query = _items().where(*_conditions(where)).order_by(column.desc(), ItemRow.id.desc()).limit(limit + 1)
        if verdict is None:
            query = query.where(ItemRow.flagged, ItemRow.verdict.is_(None))
        else:
            query = query.where(ItemRow.verdict == verdict)
        if cursor is not None:
            place = Cursor.parse(cursor, by)
            query = query.where(
                tuple_(column, ItemRow.id)
                < tuple_(literal(place.value, column.type), literal(place.id, ItemRow.id.type))
            )
        with database_errors(self.name), self._engine.connect() as connection:
            found = [_stored(row) for row in connection.execute(query)]
        following = str(_place(found[limit - 1], by)) if len(found) > limit else None
        return ItemPage(tuple(found[:limit]), following)

    def counts(self, by: Literal["hour", "day"], where: ItemFilter = EVERY) -> tuple[Period, ...]:
        """Count items by hour or day.

        Parameters
        ----------
        by : {"hour", "day"}
            In UTC.
        where : ItemFilter, optional

        Returns
        -------
        tuple of Period
            Those with items, oldest first.

        Raises
        ------
        InvalidInputError
            If `by` is neither.
        """
        if by not in _PERIODS:
            raise unknown("period", by, _PERIODS)
        time = type_coerce(ItemRow.time, BigInteger)
        start = (time - time % _PERIODS[by]).label("start")
        query = select(start, *_counted()).where(*_conditions(where)).group_by(start).order_by(start)
        with database_errors(self.name), self._engine.connect() as connection:
            rows = connection.execute(query).all()
        return tuple(Period(**{**row._mapping, "start": from_microseconds(row.start)}) for row in rows)

    def models(self, where: ItemFilter = EVERY) -> tuple[ModelCounts, ...]:
        """Count the items of each model.

        Parameters
        ----------
        where : ItemFilter, optional

        Returns
        -------
        tuple of ModelCounts
            In the order of their first items.
        """
        model = (ItemRow.model, ItemRow.version, ItemRow.digest)
        first = func.min(ItemRow.time).label("first")
        query = (
            select(*model, first, func.max(ItemRow.time).label("last"), *_counted())
            .where(*_conditions(where))
            .group_by(*model)
            .order_by(first)
        )
        with database_errors(self.name), self._engine.connect() as connection:
            return tuple(ModelCounts(**row._mapping) for row in connection.execute(query))

    def arrivals(self, where: ItemFilter, *, after: int = 0) -> Arrivals:
        """Return scores and p-values in the order of arrival, to look for drift.

        Parameters
        ----------
        where : ItemFilter
            One model, since some time.
        after : int, default=0
            Only items with higher numbers, to continue.

        Returns
        -------
        Arrivals
        """
        query = select(ItemRow.id, ItemRow.score, ItemRow.p_value).where(*_conditions(where), ItemRow.id > after)
        with database_errors(self.name), self._engine.connect() as connection:
            table = _fetch_numbers(connection, query.order_by(ItemRow.id))
        return Arrivals(table["f0"].astype(np.int64), table["f1"].copy(), table["f2"].copy())

    def score_groups(self, where: ItemFilter) -> ScoreGroups:
        """Return the scores of items by flag and review.

        Parameters
        ----------
        where : ItemFilter
            One model: scores of others cannot be compared.

        Returns
        -------
        ScoreGroups
        """
        confirmed = (ItemRow.verdict == "confirmed").is_(True)
        reviewed = ItemRow.verdict.is_not(None)
        state = (func.coalesce(ItemRow.flagged, False), confirmed, reviewed)
        query = select(ItemRow.score, *state).where(*_conditions(where))
        with database_errors(self.name), self._engine.connect() as connection:
            table = _fetch_numbers(connection, query)
        scores = table["f0"]
        flagged, is_confirmed, is_reviewed = (table[name] != 0 for name in ("f1", "f2", "f3"))
        return ScoreGroups(
            unflagged=scores[~flagged & ~is_confirmed],
            waiting=scores[flagged & ~is_reviewed],
            confirmed=scores[flagged & is_confirmed],
            dismissed=scores[flagged & is_reviewed & ~is_confirmed],
            missed=scores[~flagged & is_confirmed],
        )

    def labelled(self, where: ItemFilter = EVERY) -> Iterator[StoredItem]:
        """Yield the confirmed and dismissed items with their payloads, oldest first.

        Parameters
        ----------
        where : ItemFilter, optional

        Yields
        ------
        StoredItem
        """
        query = _items(PayloadRow.data).where(*_conditions(where), ItemRow.verdict.is_not(None)).order_by(ItemRow.id)
        last = 0
        while True:
            with database_errors(self.name), self._engine.connect() as connection:
                rows = connection.execute(query.where(ItemRow.id > last).limit(_PAYLOADS_AT_ONCE)).all()
            yield from (_stored(row, row.data) for row in rows)
            if len(rows) < _PAYLOADS_AT_ONCE:
                return
            last = rows[-1].id

    def unflagged(self, where: ItemFilter, limit: int) -> Iterator[StoredItem]:
        """Yield the newest items with payloads that were neither flagged nor reviewed, newest first.

        Parameters
        ----------
        where : ItemFilter
        limit : int
            Number of items.

        Yields
        ------
        StoredItem
        """
        query = _items(PayloadRow.data).where(*_conditions(where), PayloadRow.item_id.is_not(None))
        query = query.where(ItemRow.flagged.is_(False), ItemRow.verdict.is_(None)).order_by(ItemRow.id.desc())
        last = 2**63 - 1
        while limit > 0:
            with database_errors(self.name), self._engine.connect() as connection:
                rows = connection.execute(query.where(ItemRow.id < last).limit(min(limit, _PAYLOADS_AT_ONCE))).all()
            yield from (_stored(row, row.data) for row in rows)
            if not rows:
                return
            limit, last = limit - len(rows), rows[-1].id


def is_number(item_id: int) -> bool:
    """Return True if an item may have this number: databases refuse larger ones."""
    return 0 < item_id < 2**63


def _items(*more: Any) -> Query:
    """Return a query of all items, without payloads."""
    return select(*_ITEM, *more).outerjoin(PayloadRow, PayloadRow.item_id == ItemRow.id)


def _conditions(where: ItemFilter) -> list[ColumnElement[bool]]:
    """Return the conditions of a filter."""
    conditions = list[ColumnElement[bool]]()
    if where.model is not None:
        conditions.append(ItemRow.model == storable(where.model))
    if where.digest is not None:
        conditions.append(ItemRow.digest == storable(where.digest))
    if where.since is not None:
        conditions.append(ItemRow.time >= where.since)
    if where.until is not None:
        conditions.append(ItemRow.time < where.until)
    if where.key is not None:
        conditions.append(ItemRow.key.icontains(storable(where.key), autoescape=True))
    return conditions


def _counted() -> list[ColumnElement[int]]:
    """Return the columns of `Counts`."""
    confirmed, dismissed = ItemRow.verdict == "confirmed", ItemRow.verdict == "dismissed"
    conditions = {
        "flagged": ItemRow.flagged.is_(True),
        "confirmed": and_(ItemRow.flagged, confirmed),
        "dismissed": and_(ItemRow.flagged, dismissed),
        "missed": and_(ItemRow.flagged.is_(False), confirmed),
    }
    counts = [func.count().filter(condition).label(name) for name, condition in conditions.items()]
    return [func.count().label("scored"), *counts]


def _fetch_numbers(connection: Connection, query: Query) -> np.ndarray[Any, np.dtype[Any]]:
    """Return the rows of a query as a structured array with fields f0, f1, ...; NULL is NaN."""
    kind = np.dtype([(f"f{j}", np.float64) for j in range(len(query.selected_columns))])
    rows = connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(query)
    parts = [np.array([tuple(row) for row in part], dtype=kind) for part in rows.partitions()]
    return np.concatenate(parts) if parts else np.empty(0, dtype=kind)


def _place(stored: StoredItem, order: Order) -> Cursor:
    return Cursor(order, stored.item.score if order == "score" else stored.item.time, stored.id)


def _stored(row: Row[Any], payload: bytes | None = None) -> StoredItem:
    """Return a row of `_items` as an item."""
    item = ScoredItem(
        row.time,
        row.request_id,
        row.model,
        row.version,
        row.digest,
        row.key,
        row.score,
        row.p_value,
        row.flagged,
        row.alpha,
        payload,
        row.media_type,
    )
    return StoredItem(row.id, item, row.verdict, row.has_payload)
