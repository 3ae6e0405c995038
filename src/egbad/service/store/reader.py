"""Queries of the store."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, literal, select, tuple_

from egbad.errors import InvalidInputError
from egbad.service.store.errors import database_errors
from egbad.service.store.items import ItemFilter, ItemPage, Review, ScoredItem, StoredItem, Verdict
from egbad.service.store.numbers import EVERY, IS_NORMAL, Query, StoreNumbers, conditions
from egbad.service.store.paging import Cursor, Order, check_order
from egbad.service.store.tables import ItemRow, PayloadRow, ReviewRow

_PAYLOADS_AT_ONCE = 32
_ITEM = (
    *(ItemRow.id, ItemRow.time, ItemRow.request_id, ItemRow.model, ItemRow.version, ItemRow.digest, ItemRow.key),
    *(ItemRow.score, ItemRow.p_value, ItemRow.flagged, ItemRow.alpha, ItemRow.verdict),
    *(PayloadRow.media_type, PayloadRow.item_id.is_not(None).label("has_payload")),
)


class StoreReader(StoreNumbers):
    """Queries of a store. All methods may be called from any thread, and raise StoreError if the database cannot be used."""

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
        query = _items().where(*conditions(where)).order_by(column.desc(), ItemRow.id.desc()).limit(limit + 1)
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

    def labelled(self, where: ItemFilter = EVERY) -> Iterator[StoredItem]:
        """Yield the confirmed and dismissed items with their payloads, oldest first.

        Parameters
        ----------
        where : ItemFilter, optional

        Yields
        ------
        StoredItem
        """
        query = _items(PayloadRow.data).where(*conditions(where), ItemRow.verdict.is_not(None))
        return self._oldest_first(query, 0)

    def kept(self, where: ItemFilter, *, after: int = 0) -> Iterator[StoredItem]:
        """Yield the items whose rows or images are kept, oldest first.

        Parameters
        ----------
        where : ItemFilter
        after : int, default=0
            Only items with higher numbers.

        Yields
        ------
        StoredItem
        """
        query = _items(PayloadRow.data).where(*conditions(where), PayloadRow.item_id.is_not(None))
        return self._oldest_first(query, after)

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
        return self._newest_first(where, limit, and_(ItemRow.flagged.is_(False), ItemRow.verdict.is_(None)))

    def normal(self, where: ItemFilter, limit: int) -> Iterator[StoredItem]:
        """Yield the newest items with payloads that count as normal, newest first.

        These were dismissed, or neither flagged nor reviewed.

        Parameters
        ----------
        where : ItemFilter
        limit : int
            Number of items.

        Yields
        ------
        StoredItem
        """
        return self._newest_first(where, limit, IS_NORMAL)

    def _oldest_first(self, query: Query, last: int) -> Iterator[StoredItem]:
        """Yield the items of a query with payloads whose numbers are above one, a few at a time."""
        while True:
            with database_errors(self.name), self._engine.connect() as connection:
                page = query.where(ItemRow.id > last).order_by(ItemRow.id).limit(_PAYLOADS_AT_ONCE)
                rows = connection.execute(page).all()
            yield from (_stored(row, row.data) for row in rows)
            if len(rows) < _PAYLOADS_AT_ONCE:
                return
            last = rows[-1].id

    def _newest_first(self, where: ItemFilter, limit: int, condition: ColumnElement[bool]) -> Iterator[StoredItem]:
        """Yield the newest items with payloads that satisfy a condition, a few at a time."""
        query = _items(PayloadRow.data).where(*conditions(where), PayloadRow.item_id.is_not(None), condition)
        query, last = query.order_by(ItemRow.id.desc()), 2**63 - 1
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
