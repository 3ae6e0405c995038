"""Numbers of a store: counts of items, and scores."""

from typing import Any, Literal

import numpy as np
from sqlalchemy import BigInteger, ColumnElement, Connection, Engine, Select, and_, func, or_, select, type_coerce

from egbad.errors import unknown
from egbad.service.store.errors import database_errors
from egbad.service.store.items import Arrivals, ItemFilter, ModelCounts, Period, ScoreGroups, storable
from egbad.service.store.tables import ItemRow, PayloadRow, from_microseconds

Query = Select[*tuple[Any, ...]]

EVERY = ItemFilter()
IS_NORMAL = or_(
    ItemRow.verdict == "dismissed", and_(ItemRow.flagged.is_(False), ItemRow.verdict.is_(None))
)  # as far as is known
_PERIODS = {"hour": 3_600_000_000, "day": 86_400_000_000}  # microseconds
_ROWS_AT_ONCE = 10_000  # of scores


class StoreNumbers:
    """Counts and scores. All methods may be called from any thread, and raise StoreError if the database cannot be used.

    Parameters
    ----------
    engine : Engine
    name : str
        Name of the store in messages.
    """

    def __init__(self, engine: Engine, name: str) -> None:
        self.name = name
        self._engine = engine

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
        query = select(start, *_counted()).where(*conditions(where)).group_by(start).order_by(start)
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
            .where(*conditions(where))
            .group_by(*model)
            .order_by(first)
        )
        with database_errors(self.name), self._engine.connect() as connection:
            return tuple(ModelCounts(**row._mapping) for row in connection.execute(query))

    def arrivals(self, where: ItemFilter, *, after: int = 0, newest: int | None = None) -> Arrivals:
        """Return scores and p-values in the order of arrival, to look for drift.

        Parameters
        ----------
        where : ItemFilter
            One model, since some time.
        after : int, default=0
            Only items with higher numbers, to continue.
        newest : int, optional
            Of more items, only so many of the newest.

        Returns
        -------
        Arrivals
        """
        query = select(ItemRow.id, ItemRow.score, ItemRow.p_value).where(*conditions(where), ItemRow.id > after)
        query = query.order_by(ItemRow.id.desc()).limit(newest)
        with database_errors(self.name), self._engine.connect() as connection:
            table = _fetch_numbers(connection, query)[::-1]
        return Arrivals(table["f0"].astype(np.int64), table["f1"].copy(), table["f2"].copy())

    def count_above(self, threshold: float, where: ItemFilter = EVERY) -> tuple[int, int]:
        """Count the items with a score above a threshold.

        Parameters
        ----------
        threshold : float
        where : ItemFilter, optional
            One model: scores of others cannot be compared.

        Returns
        -------
        above : int
        total : int
            Number of all items.
        """
        query = select(func.count().filter(ItemRow.score > threshold), func.count()).select_from(ItemRow)
        with database_errors(self.name), self._engine.connect() as connection:
            above, total = connection.execute(query.where(*conditions(where))).one()
        return above, total

    def count_normal(self, where: ItemFilter = EVERY) -> int:
        """Count the items with payloads that count as normal, see `StoreReader.normal`.

        Parameters
        ----------
        where : ItemFilter, optional

        Returns
        -------
        int
        """
        query = select(func.count()).select_from(ItemRow).join(PayloadRow, PayloadRow.item_id == ItemRow.id)
        with database_errors(self.name), self._engine.connect() as connection:
            return connection.execute(query.where(*conditions(where), IS_NORMAL)).scalar_one()

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
        query = select(ItemRow.score, *state).where(*conditions(where))
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


def conditions(where: ItemFilter) -> list[ColumnElement[bool]]:
    """Return the conditions of a filter.

    Parameters
    ----------
    where : ItemFilter

    Returns
    -------
    list of ColumnElement
    """
    found = list[ColumnElement[bool]]()
    if where.model is not None:
        found.append(ItemRow.model == storable(where.model))
    if where.digest is not None:
        found.append(ItemRow.digest == storable(where.digest))
    if where.digests is not None:
        found.append(ItemRow.digest.in_([storable(digest) for digest in where.digests]))
    if where.since is not None:
        found.append(ItemRow.time >= where.since)
    if where.until is not None:
        found.append(ItemRow.time < where.until)
    if where.key is not None:
        found.append(ItemRow.key.icontains(storable(where.key), autoescape=True))
    return found


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
