"""Appending items: what is acknowledged is stored, once."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import create_engine, text

from egbad.errors import InvalidInputError
from egbad.service.store import StoreError, open_store
from egbad.service.store.database import parse_url

WRITE_FOR_EVER = """
import itertools, sys
from datetime import UTC, datetime
from egbad.service.store import ScoredItem, open_store

store = open_store(sys.argv[1])
for i in itertools.count():
    items = [ScoredItem(datetime.now(UTC), str(i), "m", "1", "d", str(j), 1.0, None, False, 0.1) for j in range(3)]
    def report(future, i=i):
        if future.exception() is None:
            print(i, flush=True)
    store.append(items).add_done_callback(report)
    while store.n_waiting > 300:
        pass
"""


@pytest.fixture
def rows(url):
    """Run a query on the tables of the store."""
    engine = create_engine(parse_url(url))

    def rows(query):
        with engine.connect() as connection:
            return connection.execute(text(query)).all()

    yield rows
    engine.dispose()


def test_acknowledged_items_are_stored_in_order(store, rows, item):
    futures = [store.append([item(3 * i + j) for j in range(3)]) for i in range(50)]
    assert [future.result(10) for future in futures] == [None] * 50
    assert rows("SELECT key FROM egbad_items ORDER BY id") == [(f"row {i}",) for i in range(150)]


def test_all_fields_are_stored(store, rows, item):
    store.append([item(0, p_value=None, flagged=True, score=0.1 + 0.2)]).result(10)
    fields = "request_id, model, version, digest, key, score, p_value, flagged, alpha, verdict"
    (row,) = rows(f"SELECT {fields} FROM egbad_items")
    assert tuple(row) == ("request", "tiles", "1", "ab12", "row 0", 0.1 + 0.2, None, True, 0.01, None)


def test_no_items_are_stored_at_once(store):
    assert store.append([]).result(0) is None


def test_several_threads_append(store, rows, item):
    def append(thread):
        for future in [store.append([item(i, request_id=str(thread))]) for i in range(100)]:
            future.result(30)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(append, range(8)))
    assert store.n_waiting == 0
    counts = rows("SELECT request_id, count(*), count(DISTINCT key) FROM egbad_items GROUP BY request_id")
    assert sorted(counts) == [(str(thread), 100, 100) for thread in range(8)]


def test_two_processes_may_write_to_one_store(url, store, rows, item):
    with open_store(url) as other:
        futures = [s.append([item(i)]) for i in range(100) for s in (store, other)]
        for future in futures:
            future.result(30)
    assert rows("SELECT count(*) FROM egbad_items") == [(200,)]


def test_close_writes_what_waits(url, rows, item):
    store = open_store(url)
    futures = [store.append([item(i)]) for i in range(500)]
    store.close()
    assert all(future.done() and future.exception() is None for future in futures)
    assert rows("SELECT count(*) FROM egbad_items") == [(500,)]
    with pytest.raises(StoreError, match="The store is closed."):
        store.append([item()])


def test_acknowledged_items_survive_a_killed_process(url, rows):
    process = subprocess.Popen([sys.executable, "-c", WRITE_FOR_EVER, url], stdout=subprocess.PIPE, text=True)
    acknowledged = [int(process.stdout.readline()) for _ in range(300)]
    process.kill()
    acknowledged += [int(line) for line in process.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    process.wait()
    process.stdout.close()
    stored = dict(rows("SELECT request_id, count(*) FROM egbad_items GROUP BY request_id"))
    assert set(stored.values()) == {3}  # calls are stored as a whole
    assert {str(i) for i in acknowledged} <= stored.keys()


def test_payloads_are_kept_only_where_wanted(url, rows, item):
    image = {"payload": b"\x89PNG", "media_type": "image/png"}
    with open_store(url) as store:
        store.append([item(0, **image)]).result(10)
    with open_store(url, keep=True) as store:
        store.append([item(1), item(2, **image), item(3)]).result(10)
    kept = rows("SELECT key, media_type, data FROM egbad_payloads JOIN egbad_items ON item_id = egbad_items.id")
    assert [(key, media_type, bytes(data)) for key, media_type, data in kept] == [("row 2", "image/png", b"\x89PNG")]


def test_old_payloads_are_removed_and_scores_stay(store, rows, item):
    now = datetime.now(UTC)
    times = [now - timedelta(days=3), now - timedelta(days=1)]
    store.append([item(i, time=time, payload=b"{}") for i, time in enumerate(times)]).result(10)
    assert store.purge(timedelta(days=2)) == 1
    assert rows("SELECT key FROM egbad_payloads JOIN egbad_items ON item_id = egbad_items.id") == [("row 1",)]
    assert rows("SELECT count(*) FROM egbad_items") == [(2,)]
    assert store.purge(timedelta(days=2)) == store.purge(timedelta.max) == 0
    with pytest.raises(InvalidInputError, match="older_than must not be negative"):
        store.purge(timedelta(-1))


def test_more_payloads_are_removed_than_one_transaction_takes(store, item):
    store.append([item(i, payload=b"{}") for i in range(2_500)]).result(30)
    assert store.purge(timedelta(days=1)) == 2_500


def test_an_open_store_removes_old_payloads_by_itself(url, rows, item, wait_until):
    with open_store(url, keep=True) as store:
        store.append([item(0, payload=b"{}"), item(1, payload=b"{}", time=datetime.now(UTC))]).result(10)
    with open_store(url, keep=True, retention=timedelta(days=1)):
        wait_until(lambda: len(rows("SELECT * FROM egbad_payloads")) == 1)


def test_a_removed_payload_is_overwritten_in_the_file(tmp_path, item):
    path = tmp_path / "reviews.db"
    with open_store(path, keep=True) as store:
        store.append([item(0, payload=b"a secret row" * 1000)]).result(10)
    assert b"a secret row" in path.read_bytes()
    with open_store(path) as store:
        store.purge(timedelta(days=1))
    assert b"a secret row" not in path.read_bytes()


def test_text_that_a_database_refuses_is_escaped(store, rows, item):
    store.append([item(0, key="a\x00b"), item(1, key="caf\udce9.png"), item(2, key="\ud800")]).result(10)
    keys = rows("SELECT key FROM egbad_items ORDER BY id")
    assert keys == [("a\\x00b",), ("caf\\xe9.png",), ("\\ud800",)]


def test_a_cancelled_future_keeps_the_items(store, rows, item):
    future = store.append([item()])
    assert not future.cancel()
    assert future.result(10) is None and rows("SELECT count(*) FROM egbad_items") == [(1,)]


def test_check_answers_while_the_database_does(store):
    store.check()


# -- lost connections --------------------------------------------------------------------------------------------------


def test_items_are_written_once_after_connections_were_lost(postgresql_url, administer, item, wait_until):
    name = parse_url(postgresql_url).query["application_name"]
    ended = 0
    with open_store(postgresql_url) as store:
        futures = []
        for i in range(200):
            futures.append(store.append([item(i)]))
            if i % 10 == 0:
                ended += len(
                    administer(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = :name",
                        name=name,
                    )
                )
        for future in futures:
            future.result(30)
        store.check()
    assert ended
    assert administer(f"SELECT count(*), count(DISTINCT key) FROM {name}.egbad_items") == [(200, 200)]


def test_a_batch_that_was_committed_is_not_repeated(store, rows, item):
    store._commit(1, [item(0)])
    store._commit(1, [item(0)])  # the connection was lost during COMMIT
    store._commit(2, [item(1)])
    assert rows("SELECT key FROM egbad_items ORDER BY id") == [("row 0",), ("row 1",)]


# -- stores that cannot be opened --------------------------------------------------------------------------------------


def test_a_damaged_file_is_reported(tmp_path):
    (tmp_path / "a.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError, match="a.db' is damaged or not a SQLite database: file is not a database. Restore"):
        open_store(tmp_path / "a.db")


def test_damage_inside_a_file_fails_appends(tmp_path, item):
    path = tmp_path / "a.db"
    with open_store(path) as store:
        store.append([item(i) for i in range(1000)]).result(10)
    content = bytearray(path.read_bytes())
    content[8192:] = b"\xff" * (len(content) - 8192)
    path.write_bytes(content)
    with pytest.raises(StoreError, match="is damaged or not a SQLite database"), open_store(path) as store:
        store.append([item()]).result(10)


def test_the_database_of_another_program_is_left_alone(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path}/a.db")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE bookmarks (url TEXT)"))
    engine.dispose()
    with pytest.raises(StoreError, match="has the table 'bookmarks' and was not written by egbad. Name another file."):
        open_store(tmp_path / "a.db")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://a:secret@host/db", "got one that begins with 'mysql://'"),
        ("postgresql://a:secret@host:port/db", "the URL given cannot be parsed"),
        ("sqlite://", "A SQLite database in memory keeps nothing; name a file."),
        (":memory:", "A SQLite database in memory keeps nothing; name a file."),
        ("file:a.db", "Name the path without 'file:'."),
    ],
)
def test_unknown_urls_are_refused(url, message):
    with pytest.raises(InvalidInputError, match=message) as caught:
        open_store(url)
    assert "secret" not in str(caught.value)


def test_a_server_that_does_not_answer_is_reported_without_the_password(server):
    with pytest.raises(
        StoreError, match="The store 'postgresql://a:\\*\\*\\*@127.0.0.1:1/db' cannot be used: "
    ) as caught:
        open_store("postgresql://a:secret@127.0.0.1:1/db")
    assert caught.value.transient and "secret" not in str(caught.value)


def test_missing_files_and_folders_are_reported(tmp_path):
    with pytest.raises(StoreError, match="There is no store '.*a.db'. Name the file that the service writes."):
        open_store(tmp_path / "a.db", create=False)
    with pytest.raises(StoreError, match="There is no folder '.*b' for the store 'a.db'. Create it first."):
        open_store(tmp_path / "b" / "a.db")
    with pytest.raises(StoreError, match="is a folder. Name a file in it."):
        open_store(tmp_path)


def test_a_retention_must_be_positive(tmp_path):
    with pytest.raises(InvalidInputError, match="retention must be positive, got 0:00:00."):
        open_store(tmp_path / "a.db", retention=timedelta(0))
