"""The writer's queue and its behaviour when the database is away."""

from threading import Event

import pytest

from egbad.service.store.errors import StoreError
from egbad.service.store.writer import Limits, Writer


class Database:
    """Record batches. `failures` are raised first; `hold` blocks commits until it is set."""

    def __init__(self, failures=(), hold=False):
        self.failures, self.batches, self.numbers = list(failures), [], []
        self.entered, self.go = Event(), Event()
        if not hold:
            self.go.set()

    def commit(self, number, items):
        self.entered.set()
        assert self.go.wait(10)
        self.numbers.append(number)
        if self.failures:
            raise self.failures.pop(0)
        self.batches.append([item.key for item in items])


@pytest.fixture
def start():
    """Start a writer that is closed at the end."""
    writers = []

    def start(commit, purge=None, **limits):
        writers.append(Writer(commit, purge, Limits(**limits)))
        return writers[-1]

    yield start
    for writer in writers:
        writer.close()


def away():
    return StoreError("The database is being restarted.", transient=True)


def test_calls_that_wait_share_a_transaction(start, item):
    database = Database(hold=True)
    writer = start(database.commit)
    first = writer.append((item(0),))
    assert database.entered.wait(10)
    others = [writer.append((item(i), item(i + 10))) for i in (1, 2, 3)]
    assert writer.n_waiting == 7
    database.go.set()
    for future in (first, *others):
        future.result(10)
    assert database.batches == [["row 0"], [f"row {i}" for i in (1, 11, 2, 12, 3, 13)]]


@pytest.mark.parametrize("limits", [{"max_items": 3}, {"max_bytes": 2_000}])
def test_a_full_queue_refuses_items_at_once(start, item, limits):
    database = Database(hold=True)
    writer = start(database.commit, **limits)
    kept = [writer.append((item(i, payload=b"x" * 100),)) for i in range(3)]
    with pytest.raises(StoreError, match=r"The queue of the store is full: 3 items \(.* MiB\) wait to be written."):
        writer.append((item(3, payload=b"x" * 100),))
    database.go.set()
    for future in kept:
        future.result(10)
    writer.append((item(4),)).result(10)
    assert [key for batch in database.batches for key in batch] == ["row 0", "row 1", "row 2", "row 4"]


def test_one_call_may_be_larger_than_the_queue(start, item):
    database = Database()
    start(database.commit, max_items=2).append(tuple(item(i) for i in range(5))).result(10)
    assert len(database.batches[0]) == 5


def test_a_batch_is_repeated_with_its_number_while_the_database_is_away(start, item):
    database = Database([away(), away()])
    start(database.commit).append((item(),)).result(10)
    assert database.numbers == [1, 1, 1] and database.batches == [["row 0"]]


def test_items_fail_after_their_time_and_later_ones_are_written(start, item):
    database = Database([away()])
    writer = start(database.commit, patience=0.0)
    with pytest.raises(StoreError, match="Items were not stored, as far as is known: The database is being restarted."):
        writer.append((item(0),)).result(10)
    writer.append((item(1),)).result(10)
    assert database.batches == [["row 1"]]


def test_only_the_call_that_the_database_refuses_fails(start, item):
    written = []
    database = Database(hold=True)

    def commit(number, items):
        database.commit(number, [])
        if any(item.key == "bad" for item in items):
            raise StoreError("Bad item.")
        written.extend(item.key for item in items)

    writer = start(commit)
    first = writer.append((item(0),))
    assert database.entered.wait(10)
    futures = [writer.append((item(i, key=key),)) for i, key in enumerate(("a", "bad", "b"))]
    database.go.set()
    assert first.result(10) is None and futures[0].result(10) is None and futures[2].result(10) is None
    with pytest.raises(StoreError, match="Bad item."):
        futures[1].result(10)
    assert written == ["row 0", "a", "b"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_no_future_waits_for_ever_after_a_bug(start, item):
    def commit(number, items):
        raise ZeroDivisionError

    writer = start(commit)
    with pytest.raises(StoreError, match="the writer has stopped"):
        writer.append((item(),)).result(10)
    with pytest.raises(StoreError, match="The store is closed."):
        writer.append((item(),))


def test_old_payloads_are_purged_while_nothing_is_written(start, wait_until):
    purges = []
    start(Database().commit, lambda: purges.append(1), purge_seconds=0.01)
    wait_until(lambda: len(purges) > 2)


def test_a_purge_that_fails_is_reported_and_does_not_stop_the_writer(start, item, wait_until):
    failures = [away(), away()]

    def purge():
        if failures:
            raise failures.pop()

    writer = start(Database().commit, purge, purge_seconds=0.1)
    wait_until(lambda: writer.purge_error is not None)
    writer.append((item(),)).result(10)
    wait_until(lambda: writer.purge_error is None)
