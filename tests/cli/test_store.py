"""`egbad store` from the command line."""

import json
from datetime import UTC, datetime, timedelta

from egbad.service.store import ScoredItem, open_store


def test_a_store_is_created_and_upgraded(tmp_path, run):
    store = tmp_path / "reviews.db"
    assert run("store", "upgrade", store).err == f"The store '{store}' was created, revision 0002.\n"
    assert run("store", "upgrade", store).err == f"The store '{store}' has the newest revision, 0002.\n"
    found = json.loads(run("store", "upgrade", f"sqlite:///{store}", "--json").out)
    assert found == {"store": str(store), "before": "0002", "revision": "0002"}


def test_old_rows_are_removed(tmp_path, run):
    store, now = tmp_path / "reviews.db", datetime.now(UTC)
    with open_store(store, keep=True) as opened:
        times = [now - timedelta(days=days) for days in (40, 31, 1)]
        row = (1.0, 0.5, True, 0.1, b"{}", "application/json")
        opened.append([ScoredItem(time, "r", "m", "1", "d", None, *row) for time in times]).result(30)
    assert run("store", "purge", store, "--older-than", 30).err == "Rows and images removed: 2.\n"
    found = json.loads(run("store", "purge", store, "--older-than", 0.5, "--json").out)
    assert found == {"store": str(store), "removed": 1}
    with open_store(store) as opened:
        assert len(opened.queue().items) == 3


def test_errors_are_one_sentence(tmp_path, refuse):
    assert "There is no store" in refuse("store", "purge", tmp_path / "x.db", "--older-than", 1)
    assert "got one that begins with 'mysql://'" in refuse("store", "upgrade", "mysql://root@host/db")
    assert "must be a number of days, got 1e+20" in refuse("store", "purge", tmp_path, "--older-than", 1e20)
    (tmp_path / "a.db").write_text("no database " * 100)
    assert "is damaged or not a SQLite database" in refuse("store", "upgrade", tmp_path / "a.db")
