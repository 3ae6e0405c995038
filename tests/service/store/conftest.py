"""Stores in SQLite files and in a schema of a PostgreSQL server, and scored items."""

import os
import socket
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, make_url, text

from egbad.service.store import ScoredItem, open_store

SERVER = os.environ.get("EGBAD_TEST_POSTGRESQL", "postgresql://root@127.0.0.1:5432/test")
START = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)
ITEM = ScoredItem(START, "request", "tiles", "1", "ab12", None, 1.0, 0.5, False, 0.01)


@pytest.fixture
def item():
    """Return a scored item: the i-th is one second later, and fields may be replaced."""

    def item(i=0, **fields):
        return replace(ITEM, **{"time": START + timedelta(seconds=i), "key": f"row {i}"} | fields)

    return item


@pytest.fixture(scope="session")
def server():
    """URL of a PostgreSQL server. Tests that need one are skipped where none answers."""
    pytest.importorskip("psycopg", reason="the extra 'serve-postgresql' is not installed")
    url = make_url(SERVER)
    try:
        socket.create_connection((url.host, url.port or 5432), timeout=2).close()
    except OSError:
        pytest.skip(f"no PostgreSQL server answers at {url.host}:{url.port}; EGBAD_TEST_POSTGRESQL names another")
    return url


@pytest.fixture
def administer(server):
    """Run a statement on the server, outside of the store's connections."""
    engine = create_engine(server.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")

    def administer(statement, **values):
        with engine.connect() as connection:
            result = connection.execute(text(statement), values)
            return result.all() if result.returns_rows else []

    yield administer
    engine.dispose()


@pytest.fixture
def postgresql_url(server, administer):
    """URL of an empty schema, whose connections have the schema's name."""
    schema = f"egbad_{uuid4().hex}"
    administer(f"CREATE SCHEMA {schema}")
    query = {"options": f"-csearch_path={schema}", "application_name": schema}
    yield server.update_query_dict(query).render_as_string(hide_password=False)
    administer(f"DROP SCHEMA {schema} CASCADE")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """URL of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/reviews.db"
    return request.getfixturevalue("postgresql_url")


@pytest.fixture
def store(url):
    """An open store of each kind that keeps payloads."""
    with open_store(url, keep=True) as store:
        yield store


@pytest.fixture
def wait_until():
    """Wait for a condition, and fail after ten seconds."""

    def wait_until(condition, seconds=10):
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    return wait_until
