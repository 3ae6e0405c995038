"""Connections to SQLite and PostgreSQL."""

import os
import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from egbad.errors import InvalidInputError, require_extra, shorten
from egbad.service.store.errors import StoreError

_EXPECTED = "A store must be the path of a SQLite file, or a URL that begins with sqlite:/// or postgresql://"
_BUSY_SECONDS = 5.0  # waiting time for a lock of SQLite that another process holds
_WRITES = "egbad_writes"  # execution option of connections that will write
# A server that disappears without a word must not block a thread for the two hours of TCP.
_POSTGRESQL_TIMEOUTS = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}


def parse_url(store: str | os.PathLike[str]) -> URL:
    """Return the URL of a store.

    Parameters
    ----------
    store : str or path-like
        Path of a SQLite file, or a URL.

    Returns
    -------
    URL
        With the driver that egbad uses.

    Raises
    ------
    InvalidInputError
        If it is neither, or a SQLite database in memory.
    """
    given = os.fspath(store)
    if "://" not in given:
        return _sqlite_url(given)
    scheme = given.partition("://")[0]
    try:
        url = make_url(given)
    except (ArgumentError, ValueError) as error:
        raise InvalidInputError(f"{_EXPECTED}; the URL given cannot be parsed.") from error
    if scheme == "sqlite":
        return _sqlite_url(url.database or "")
    if scheme in ("postgresql", "postgres", "postgresql+psycopg"):
        return url.set(drivername="postgresql+psycopg")
    raise InvalidInputError(f"{_EXPECTED}, got one that begins with '{shorten(scheme)}://'.")


def _sqlite_url(path: str) -> URL:
    if path in ("", ":memory:"):
        raise InvalidInputError(f"{_EXPECTED}. A SQLite database in memory keeps nothing; name a file.")
    if path.startswith("file:"):
        raise InvalidInputError(f"{_EXPECTED}, got '{shorten(path)}'. Name the path without 'file:'.")
    return URL.create("sqlite", database=path)


def store_name(url: URL) -> str:
    """Return the name of a store in messages: its path or its URL without the password."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return url.set(drivername="postgresql", query={}).render_as_string(hide_password=True)


def connect(url: URL, *, create: bool) -> Engine:
    """Return an engine whose connections are set up. None is opened yet.

    SQLite runs in WAL mode: readers and the writer do not wait for each other. With ``synchronous=FULL`` a commit returns
    once the operating system has written it to the disk. NORMAL would survive a killed process, too, but a power failure
    could undo the last commits, which have been acknowledged.

    Parameters
    ----------
    url : URL
        From `parse_url`.
    create : bool
        Create a SQLite file that does not exist.

    Returns
    -------
    Engine

    Raises
    ------
    StoreError
        If the SQLite file does not exist and is not created, or its folder does not exist.
    MissingExtraError
        If the driver for PostgreSQL is not installed.
    """
    if url.get_backend_name() == "sqlite":
        _check_path(Path(str(url.database)), create=create)
        engine = create_engine(url, connect_args={"timeout": _BUSY_SECONDS})
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    require_extra("A store in PostgreSQL", "serve-postgresql", "psycopg")
    timeouts = {name: value for name, value in _POSTGRESQL_TIMEOUTS.items() if name not in url.query}
    engine = create_engine(url, connect_args=timeouts, pool_pre_ping=True)
    event.listen(engine, "connect", _set_up_postgresql)
    return engine


def for_writing(engine: Engine) -> Engine:
    """Return an engine with the same connections whose transactions write.

    In SQLite they lock the database when they begin. A transaction that reads first and locks later would fail if another
    one had written in between.
    """
    return engine.execution_options(**{_WRITES: True})


def _check_path(path: Path, *, create: bool) -> None:
    if path.is_dir():
        raise StoreError(f"A store must be a file, but '{path}' is a folder. Name a file in it.")
    if not path.exists() and not create:
        raise StoreError(f"There is no store '{path}'. Name the file that the service writes.")
    if not path.parent.is_dir():
        raise StoreError(f"There is no folder '{path.parent}' for the store '{path.name}'. Create it first.")


def _set_up_sqlite(connection: sqlite3.Connection, _: Any) -> None:
    connection.isolation_level = None  # sqlite3 must not begin transactions by itself, see _begin_sqlite
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA secure_delete=ON")  # rows and images that are removed are overwritten


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _set_up_postgresql(connection: Any, _: Any) -> None:
    """Make commits durable where the server's default is not, and keep locks of others from blocking for ever."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
        )
        cursor.execute("SET lock_timeout = '10s'")
    connection.commit()
