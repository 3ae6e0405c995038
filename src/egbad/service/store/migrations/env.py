"""Environment of the migrations. Alembic runs this file on the connection that `egbad.service.store.migrate` passes."""

from alembic import context

from egbad.service.store.migrate import VERSION_TABLE
from egbad.service.store.tables import Base

context.configure(
    connection=context.config.attributes["connection"], target_metadata=Base.metadata, version_table=VERSION_TABLE
)
with context.begin_transaction():
    context.run_migrations()
