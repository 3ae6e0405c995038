"""Creation and upgrade of the tables by the migrations that come with the package.

There is no downgrade: an older egbad refuses a newer store. Restore a backup to go back.
"""

from pathlib import Path
from threading import Lock

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect, text

from egbad.service.store.errors import StoreError, database_errors

VERSION_TABLE = "egbad_store_version"
_MIGRATIONS = Path(__file__).with_name("migrations")
_ADVISORY_LOCK = 0x65676261  # key of the lock that upgrades of one PostgreSQL database take
_lock = Lock()  # Alembic keeps the running migration in global variables


def upgrade(engine: Engine, name: str) -> tuple[str | None, str]:
    """Create the tables, or upgrade them to the newest revision, in one transaction.

    Parameters
    ----------
    engine : Engine
    name : str
        Name of the store in messages.

    Returns
    -------
    before : str or None
        Revision that was found, None for a new store.
    after : str
        Newest revision.

    Raises
    ------
    StoreError
        If a newer egbad has written the store, the database belongs to another program, or it cannot be used.
    """
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    script = ScriptDirectory.from_config(config)
    newest = script.get_current_head()
    assert newest is not None
    with _lock, database_errors(name), engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        found = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()
        if found is not None and found not in {revision.revision for revision in script.walk_revisions()}:
            raise StoreError(
                f"The store '{name}' has revision {found}, and this egbad knows revisions up to {newest}. Update egbad, or "
                "name another store."
            )
        if found is None:
            _check_new(connection, name)
        if found != newest:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    return found, newest


def _check_new(connection: Connection, name: str) -> None:
    """Raise if a SQLite file without a revision has tables: it is the database of another program."""
    if connection.dialect.name == "sqlite" and (tables := inspect(connection).get_table_names()):
        raise StoreError(
            f"The SQLite database '{name}' has the table '{tables[0]}' and was not written by egbad. Name another file."
        )
