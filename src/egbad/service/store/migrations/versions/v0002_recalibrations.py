"""Create the table of recalibrated models."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "egbad_recalibrations",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("time", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("model", "version", "original", "digest")),
        sa.Column("file", sa.LargeBinary),
        sqlite_autoincrement=True,
    )
    op.create_index("egbad_recalibrations_by_original", "egbad_recalibrations", ["original", "id"])
