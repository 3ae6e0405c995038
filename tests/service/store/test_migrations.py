"""Migrations: they create the tables that the code expects, and a newer store is refused."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text

from egbad.service.store import StoreError, open_store
from egbad.service.store.database import connect, for_writing, parse_url
from egbad.service.store.migrate import VERSION_TABLE, upgrade
from egbad.service.store.tables import Base


@pytest.fixture
def engine(url):
    engine = create_engine(parse_url(url))
    yield engine
    engine.dispose()


def test_migrations_create_the_tables_that_the_code_expects(store, engine):
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": VERSION_TABLE, "compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, Base.metadata) == []


def test_an_upgrade_reports_revisions_and_may_be_repeated(url):
    engine = connect(parse_url(url), create=True)
    before, after = upgrade(for_writing(engine), "store")
    assert before is None
    assert upgrade(for_writing(engine), "store") == (after, after)
    engine.dispose()


def test_a_store_of_a_newer_egbad_is_refused(url, engine):
    open_store(url).close()
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(StoreError, match="has revision 9999, and this egbad knows revisions up to 0002. Update egbad"):
        open_store(url)


def test_several_threads_may_create_one_store(url, item):
    def open_and_append(i):
        with open_store(url) as store:
            store.append([item(i)]).result(30)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(open_and_append, range(4)))


def test_an_upgrade_that_fails_leaves_nothing_behind(postgresql_url, administer, tmp_path):
    schema = parse_url(postgresql_url).query["application_name"]
    administer(f"CREATE TABLE {schema}.egbad_reviews (id INTEGER)")  # the migration fails at its third table
    with pytest.raises(StoreError, match='relation "egbad_reviews" already exists'):
        open_store(postgresql_url)
    tables = administer("SELECT tablename FROM pg_tables WHERE schemaname = :schema", schema=schema)
    assert tables == [("egbad_reviews",)]
