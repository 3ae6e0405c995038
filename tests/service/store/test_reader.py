"""Reviews and queries, in both databases."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, event, text

from egbad.errors import InvalidInputError
from egbad.service.store import open_store
from egbad.service.store.database import parse_url
from egbad.service.store.items import ItemFilter
from egbad.service.store.paging import Cursor


def append(store, *items):
    store.append(items).result(10)


def pages(store, **options):
    """Return the numbers of all items of all pages."""
    numbers, cursor = [], None
    while True:
        page = store.queue(cursor=cursor, **options)
        numbers += [stored.id for stored in page.items]
        cursor = page.next
        if cursor is None:
            return numbers


def keys(items):
    return [stored.item.key for stored in items]


# -- reviews -----------------------------------------------------------------------------------------------------------


def test_an_item_is_returned_as_it_came(store, item):
    given = item(0, payload=b"\x00{}", media_type="application/json", p_value=None, score=1 / 3)
    append(store, given)
    stored = store.get(1)
    assert (stored.id, stored.item, stored.verdict, stored.has_payload) == (1, given, None, True)
    assert store.get(2) is None


def test_times_of_any_zone_are_the_same_instant(store, item):
    time = datetime(2026, 3, 1, 12, 0, 0, 123456, timezone(timedelta(hours=9)))
    append(store, item(0, time=time))
    assert store.get(1).item.time == time and store.get(1).item.time.utcoffset() == timedelta(0)


def test_the_newest_review_counts_and_all_are_kept(store, item):
    append(store, item(0, flagged=True))
    first = store.review(1, "confirmed", "ann", "a scratch")
    assert store.get(1).verdict == "confirmed" and store.queue().items == ()
    store.review(1, "dismissed", "bob")
    assert store.get(1).verdict == "dismissed"
    store.review(1, "undone", "ann")
    assert store.get(1).verdict is None and keys(store.queue().items) == ["row 0"]
    history = store.history(1)
    assert [review.verdict for review in history] == ["confirmed", "dismissed", "undone"]
    assert history[0] == first and (first.reviewer, first.note) == ("ann", "a scratch")


def test_reviews_are_checked(store, item):
    append(store, item(0, flagged=True))
    with pytest.raises(InvalidInputError, match="There is no verdict 'confirm'. Did you mean 'confirmed'?"):
        store.review(1, "confirm", "ann")
    with pytest.raises(InvalidInputError, match="There is no item 7 in the store"):
        store.review(7, "confirmed", "ann")
    with pytest.raises(InvalidInputError, match="Item 1 has no review to undo."):
        store.review(1, "undone", "ann")
    with pytest.raises(InvalidInputError, match="time must have a time zone"):
        store.review(1, "confirmed", "ann", time=datetime(2026, 1, 1))
    assert store.history(1) == ()


def test_reviews_at_the_same_time_leave_the_newest(store, item):
    append(store, item(0, flagged=True))
    verdicts = ["confirmed", "dismissed"] * 20
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda verdict: store.review(1, verdict, "ann"), verdicts))
    history = store.history(1)
    assert len(history) == 40 and store.get(1).verdict == history[-1].verdict


def test_reviews_and_appends_do_not_wait_for_each_other_for_ever(store, item):
    append(store, *(item(i, flagged=True) for i in range(50)))
    futures = [store.append([item(i)]) for i in range(200)]
    for i in range(50):
        store.review(i + 1, "confirmed", "ann")
    for future in futures:
        future.result(30)
    assert len(list(store.labelled())) == 50


@pytest.mark.parametrize("number", [0, -1, 2**63, 10**400])
def test_numbers_that_no_item_has_are_no_errors_of_the_database(store, number):
    assert store.get(number) is None and store.history(number) == ()
    with pytest.raises(InvalidInputError, match="There is no item"):
        store.review(number, "confirmed", "ann")


# -- the queue ---------------------------------------------------------------------------------------------------------


def test_the_queue_holds_flagged_items_without_a_review(store, item):
    append(store, *(item(i, flagged=i % 2 == 0, score=float(i % 5)) for i in range(10)))
    store.review(5, "confirmed", "ann")
    assert keys(store.queue().items) == ["row 8", "row 6", "row 2", "row 0"]
    assert keys(store.queue("score").items) == ["row 8", "row 2", "row 6", "row 0"]
    assert keys(store.queue(verdict="confirmed").items) == ["row 4"]
    assert all(stored.item.payload is None for stored in store.queue().items)


def test_the_queue_is_filtered(store, item):
    append(store, *(item(i, flagged=True, model=f"m{i % 2}", key=f"Part_{i}%") for i in range(6)))
    assert keys(store.queue(where=ItemFilter(model="m1")).items) == ["Part_5%", "Part_3%", "Part_1%"]
    assert keys(store.queue(where=ItemFilter(key="part_3%")).items) == ["Part_3%"]
    assert keys(store.queue(where=ItemFilter(key="part%3")).items) == []
    times = ItemFilter(since=item(2).time, until=item(4).time)
    assert keys(store.queue(where=times).items) == ["Part_3%", "Part_2%"]


def test_pages_go_on_where_the_last_ended_although_items_come_and_go(store, item):
    append(store, *(item(i, flagged=True) for i in range(10)))
    first = store.queue(limit=4)
    append(store, *(item(20 + i, flagged=True) for i in range(5)))
    for stored in first.items:
        store.review(stored.id, "confirmed", "ann")
    assert keys(store.queue(limit=4, cursor=first.next).items) == ["row 5", "row 4", "row 3", "row 2"]


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from([0.1, 0.3, -0.0, 0.0, 1e300]), st.integers(0, 3), st.booleans()), max_size=40),
    st.integers(1, 7),
)
def test_paging_returns_each_item_once(tmp_path_factory, item, values, limit):
    with open_store(tmp_path_factory.mktemp("store") / "a.db") as store:
        append(store, *(item(second, score=score, flagged=flagged) for score, second, flagged in values))
        expected = [i + 1 for i, (_, _, flagged) in enumerate(values) if flagged]
        by_time, by_score = pages(store, limit=limit), pages(store, order="score", limit=limit)
    assert by_time == sorted(expected, key=lambda i: (values[i - 1][1], i), reverse=True)
    assert by_score == sorted(expected, key=lambda i: (values[i - 1][0], i), reverse=True)


def test_paging_in_both_databases(store, item):
    scores = [0.1 + 0.2, 0.3, 1 / 3, 0.3, 5e-324]
    append(store, *(item(i % 3, flagged=True, score=scores[i % 5]) for i in range(23)))
    assert sorted(pages(store, limit=4)) == sorted(pages(store, order="score", limit=3)) == list(range(1, 24))


@pytest.mark.parametrize(
    "cursor", ["", "score:0x1p0:1", "newest:1", "newest:x:1", "newest:99999999999999999999999999:1", "newest:1:-1"]
)
def test_a_wrong_cursor_is_refused(store, cursor):
    with pytest.raises(InvalidInputError, match="A cursor must come from the page before, in the same order, got"):
        store.queue(cursor=cursor)


def test_cursors_of_scores_are_finite():
    with pytest.raises(InvalidInputError, match="A cursor must come from the page before"):
        Cursor.parse("score:nan:1", "score")


def test_orders_and_limits_are_checked(store):
    with pytest.raises(InvalidInputError, match="There is no order 'oldest'. Known: newest, score."):
        store.queue("oldest")
    with pytest.raises(InvalidInputError, match=r"limit must be in \[1, 1000\], got 0."):
        store.queue(limit=0)


@pytest.mark.parametrize("order", ["newest", "score"])
def test_sqlite_finds_the_queue_by_its_index(tmp_path, order):
    with open_store(tmp_path / "a.db") as store:
        statements = []
        event.listen(store._engine, "before_cursor_execute", lambda *a: statements.append((a[2], a[3])))
        store.queue(order, cursor="newest:1:1" if order == "newest" else "score:0x1p0:1")
        engine = create_engine(parse_url(tmp_path / "a.db"))
        with engine.connect() as connection:
            statement, values = statements[-1]
            plan = " ".join(row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values))
        engine.dispose()
    name = "time" if order == "newest" else "score"
    assert f"USING INDEX egbad_items_queue_by_{name}" in plan and "TEMP B-TREE" not in plan


# -- counts, scores and labels -----------------------------------------------------------------------------------------


def test_items_are_counted_by_hour_and_day(store, item):
    start = datetime(2026, 3, 1, 22, 10, tzinfo=UTC)
    times = [
        start,
        start + timedelta(minutes=49, seconds=59),
        start + timedelta(minutes=50),
        start + timedelta(hours=2),
    ]
    append(store, *(item(0, time=time, flagged=i != 1) for i, time in enumerate(times)))
    store.review(1, "confirmed", "ann")
    store.review(2, "confirmed", "ann")
    store.review(3, "dismissed", "ann")
    hours, days = store.counts("hour"), store.counts("day")
    assert [(hour.start.hour, hour.scored, hour.flagged) for hour in hours] == [(22, 2, 1), (23, 1, 1), (0, 1, 1)]
    assert [(hour.confirmed, hour.dismissed, hour.missed) for hour in hours] == [(1, 0, 1), (0, 1, 0), (0, 0, 0)]
    assert [(day.start.day, day.flagged_share, day.waiting) for day in days] == [(1, 2 / 3, 0), (2, 1.0, 1)]
    assert [day.scored for day in store.counts("day", ItemFilter(since=times[2]))] == [1, 1]
    with pytest.raises(InvalidInputError, match="There is no period 'week'"):
        store.counts("week")


def test_models_are_counted(store, item):
    append(store, *(item(i, digest=f"d{i % 2}", flagged=i < 3) for i in range(5)))
    models = [(m.digest, m.scored, m.flagged, m.first, m.last) for m in store.models()]
    assert models == [("d0", 3, 2, item(0).time, item(4).time), ("d1", 2, 1, item(1).time, item(3).time)]


def test_scores_come_in_the_order_of_arrival(store, item):
    rng = np.random.default_rng(0)
    scores = rng.normal(size=12_000)
    times = rng.permutation(12_000)  # arrival is not the order of time
    append(
        store,
        *(item(int(t), score=float(s), p_value=None if t % 2 else 0.5) for t, s in zip(times, scores, strict=True)),
    )
    found = store.arrivals(ItemFilter(since=item(4_000).time))
    late = times >= 4_000
    np.testing.assert_array_equal(found.scores, scores[late])
    np.testing.assert_array_equal(found.p_values, np.where(times[late] % 2, np.nan, 0.5))
    rest = store.arrivals(ItemFilter(), after=int(found.ids[100]))
    np.testing.assert_array_equal(rest.scores, scores[found.ids[100] :])
    assert len(store.arrivals(ItemFilter(model="other")).scores) == 0


def test_scores_are_grouped_by_flag_and_review(store, item):
    append(store, *(item(i, score=float(i), flagged=i >= 4) for i in range(8)))
    for number, verdict in ((2, "confirmed"), (3, "dismissed"), (6, "confirmed"), (7, "dismissed")):
        store.review(number, verdict, "ann")
    groups = store.score_groups(ItemFilter(digest="ab12"))
    assert [sorted(map(float, group)) for group in vars(groups).values()] == [[0, 2, 3], [4, 7], [5], [6], [1]]


def test_labelled_items_come_with_payloads(store, item):
    append(store, *(item(i, payload=b"%d" % i if i % 2 else None) for i in range(80)))
    for i in range(1, 71):
        store.review(i, "dismissed" if i % 3 else "confirmed", "ann")
    found = list(store.labelled())
    assert [stored.id for stored in found] == list(range(1, 71))
    assert [stored.item.payload for stored in found] == [b"%d" % i if i % 2 else None for i in range(70)]
    assert {stored.verdict for stored in found} == {"confirmed", "dismissed"}


def test_unflagged_items_come_newest_first(store, item):
    append(store, *(item(i, payload=b"x" if i % 2 else None, flagged=i == 99) for i in range(100)))
    store.review(98, "dismissed", "ann")
    assert keys(store.unflagged(ItemFilter(), 3)) == ["row 95", "row 93", "row 91"]
    assert keys(store.unflagged(ItemFilter(), 1000)) == [f"row {i}" for i in range(95, 0, -2)]
    assert keys(store.unflagged(ItemFilter(), 0)) == []


def test_normal_items_are_dismissed_or_neither_flagged_nor_reviewed(store, item):
    append(store, *(item(i, payload=b"x" if i else None, flagged=i % 2 == 0) for i in range(8)))
    store.review(3, "dismissed", "ann")
    store.review(4, "confirmed", "ann")
    assert keys(store.normal(ItemFilter(), 100)) == ["row 7", "row 5", "row 2", "row 1"]
    assert keys(store.normal(ItemFilter(), 2)) == ["row 7", "row 5"]
    assert store.count_normal() == 4 and store.count_normal(ItemFilter(model="none")) == 0


def test_kept_items_come_oldest_first(store, item):
    append(store, *(item(i, payload=b"x" if i % 2 else None) for i in range(80)))
    assert keys(store.kept(ItemFilter())) == [f"row {i}" for i in range(1, 80, 2)]
    assert keys(store.kept(ItemFilter(), after=76)) == ["row 77", "row 79"]


def test_items_above_a_threshold_are_counted(store, item):
    append(store, *(item(i, score=float(i), digest="ab"[i % 2]) for i in range(10)))
    assert store.count_above(6.0) == (3, 10) and store.count_above(6.0, ItemFilter(digests=("b",))) == (2, 5)
    assert store.count_above(0.0, ItemFilter(digests=("c",))) == (0, 0)
    assert store.count_above(-1.0, ItemFilter(digests=("a", "b"))) == (10, 10)


def test_the_newest_scores_come_in_the_order_of_arrival(store, item):
    append(store, *(item(i, score=float(i)) for i in range(10)))
    assert store.arrivals(ItemFilter(), newest=3).scores.tolist() == [7.0, 8.0, 9.0]
    assert store.arrivals(ItemFilter(), after=8, newest=3).ids.tolist() == [9, 10]


def test_queries_after_the_server_ended_connections(postgresql_url, administer, item):
    name = parse_url(postgresql_url).query["application_name"]
    with open_store(postgresql_url) as store:
        append(store, item(0, flagged=True))
        assert len(store.queue().items) == 1
        administer("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = :name", name=name)
        assert len(store.queue().items) == 1
        store.review(1, "confirmed", "ann")


def test_a_damaged_table_is_reported(tmp_path, item):
    with open_store(tmp_path / "a.db") as store:
        engine = create_engine(parse_url(tmp_path / "a.db"))
        with engine.begin() as connection:
            connection.execute(text("DROP TABLE egbad_reviews"))
        engine.dispose()
        with pytest.raises(RuntimeError, match="cannot be used: no such table: egbad_reviews."):
            store.history(1)
