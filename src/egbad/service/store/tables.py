"""Tables of the store. `migrations` creates them; `tests/service/store/test_migrations.py` compares the two."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Dialect, ForeignKey, Index, Integer, LargeBinary, Text, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_QUEUED = "flagged AND verdict IS NULL"
_QUEUED_SQLITE = (
    "flagged = 1 AND verdict IS NULL"  # SQLite uses a partial index only for a condition spelled like its own
)


class UtcTime(TypeDecorator[datetime]):
    """Time as microseconds since 1970: exact, ordered and the same in both databases."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Return the microseconds of a time."""
        return None if value is None else to_microseconds(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Return the time of microseconds."""
        return None if value is None else from_microseconds(value)


def to_microseconds(time: datetime) -> int:
    """Return the microseconds since 1970 of a time with a time zone.

    >>> to_microseconds(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))
    1000000
    """
    return (time - EPOCH) // _MICROSECOND


def from_microseconds(microseconds: int) -> datetime:
    """Return the time of microseconds since 1970, in UTC."""
    return EPOCH + timedelta(microseconds=microseconds)


class Base(DeclarativeBase):
    """Base of the tables."""

    # SQLite numbers rows by itself only if the key is an INTEGER.
    type_annotation_map = {int: BigInteger().with_variant(Integer, "sqlite"), str: Text, datetime: UtcTime}  # noqa: RUF012


class ItemRow(Base):
    """A scored item. `verdict` repeats the newest review, so that the queue needs one index."""

    __tablename__ = "egbad_items"
    __table_args__ = (
        Index("egbad_items_by_time", "time", "id"),
        Index(
            "egbad_items_queue_by_time",
            *("time", "id"),
            postgresql_where=text(_QUEUED),
            sqlite_where=text(_QUEUED_SQLITE),
        ),
        Index(
            "egbad_items_queue_by_score",
            *("score", "id"),
            postgresql_where=text(_QUEUED),
            sqlite_where=text(_QUEUED_SQLITE),
        ),
        Index(
            "egbad_items_labelled",
            "id",
            postgresql_where=text("verdict IS NOT NULL"),
            sqlite_where=text("verdict IS NOT NULL"),
        ),
        {"sqlite_autoincrement": True},  # numbers are never used twice
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    time: Mapped[datetime]
    request_id: Mapped[str]
    model: Mapped[str]
    version: Mapped[str]
    digest: Mapped[str]
    key: Mapped[str | None]
    score: Mapped[float]
    p_value: Mapped[float | None]
    flagged: Mapped[bool]
    alpha: Mapped[float]
    verdict: Mapped[str | None]


class PayloadRow(Base):
    """The row or image of an item, in a table of its own: it is removed earlier, and the others stay short."""

    __tablename__ = "egbad_payloads"
    __table_args__ = (Index("egbad_payloads_by_time", "time"),)

    item_id: Mapped[int] = mapped_column(ForeignKey("egbad_items.id"), primary_key=True, autoincrement=False)
    time: Mapped[datetime]
    media_type: Mapped[str | None]
    data: Mapped[bytes] = mapped_column(LargeBinary)


class ReviewRow(Base):
    """A review. Rows are added and never changed; the newest of an item counts."""

    __tablename__ = "egbad_reviews"
    __table_args__ = (Index("egbad_reviews_by_item", "item_id", "id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("egbad_items.id"))
    verdict: Mapped[str]
    reviewer: Mapped[str]
    time: Mapped[datetime]
    note: Mapped[str]


class WriterRow(Base):
    """The last batch that a process has committed.

    Where the connection is lost during COMMIT, the process cannot know whether it succeeded. It looks here before it repeats
    the batch.
    """

    __tablename__ = "egbad_writers"

    id: Mapped[str] = mapped_column(primary_key=True)
    batch: Mapped[int]
    time: Mapped[datetime]


class RecalibrationRow(Base):
    """A model whose threshold was set anew. The digest stays, the file only while it is served."""

    __tablename__ = "egbad_recalibrations"
    __table_args__ = (Index("egbad_recalibrations_by_original", "original", "id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    time: Mapped[datetime]
    model: Mapped[str]
    version: Mapped[str]
    original: Mapped[str]
    digest: Mapped[str]
    file: Mapped[bytes | None] = mapped_column(LargeBinary)
