"""Create the tables of items, payloads, reviews and writers."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_QUEUED, _QUEUED_SQLITE = sa.text("flagged AND verdict IS NULL"), sa.text("flagged = 1 AND verdict IS NULL")
_LABELLED = sa.text("verdict IS NOT NULL")


def _number() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the tables."""
    _create_items()
    _create_payloads()
    _create_reviews()
    op.create_table(
        "egbad_writers",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("batch", _number(), nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
    )


def _create_items() -> None:
    op.create_table(
        "egbad_items",
        sa.Column("id", _number(), primary_key=True),
        sa.Column("time", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("request_id", "model", "version", "digest")),
        sa.Column("key", sa.Text),
        sa.Column("score", sa.Double, nullable=False),
        sa.Column("p_value", sa.Double),
        sa.Column("flagged", sa.Boolean, nullable=False),
        sa.Column("alpha", sa.Double, nullable=False),
        sa.Column("verdict", sa.Text),
        sqlite_autoincrement=True,
    )
    op.create_index("egbad_items_by_time", "egbad_items", ["time", "id"])
    for name, columns in (("time", ["time", "id"]), ("score", ["score", "id"])):
        op.create_index(
            f"egbad_items_queue_by_{name}",
            "egbad_items",
            columns,
            postgresql_where=_QUEUED,
            sqlite_where=_QUEUED_SQLITE,
        )
    op.create_index("egbad_items_labelled", "egbad_items", ["id"], postgresql_where=_LABELLED, sqlite_where=_LABELLED)


def _create_payloads() -> None:
    op.create_table(
        "egbad_payloads",
        sa.Column("item_id", _number(), sa.ForeignKey("egbad_items.id"), primary_key=True, autoincrement=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("media_type", sa.Text),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    op.create_index("egbad_payloads_by_time", "egbad_payloads", ["time"])


def _create_reviews() -> None:
    op.create_table(
        "egbad_reviews",
        sa.Column("id", _number(), primary_key=True),
        sa.Column("item_id", _number(), sa.ForeignKey("egbad_items.id"), nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("verdict", "reviewer")),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("egbad_reviews_by_item", "egbad_reviews", ["item_id", "id"])
