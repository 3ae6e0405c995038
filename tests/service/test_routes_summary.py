"""The summary of reviews by model and day."""

from datetime import UTC, datetime, timedelta

from egbad.service.store import open_store
from tests.service.conftest import running
from tests.service.pages_helpers import item


def test_precision_and_shares_are_shown_by_model(models, tmp_path):
    now = datetime.now(UTC)
    with open_store(tmp_path / "reviews.db") as store:
        items = [item(i, time=now - timedelta(days=i % 4), flagged=i < 10) for i in range(100)]
        store.append([*items, item(0, "<b>", model="<i>tiles", digest="old")]).result()
        for number in range(1, 9):
            store.review(number, "confirmed" if number < 7 else "dismissed", "ann")
        with running([models / "numbers.egbad"], store=store) as server, server.client() as client:
            page = client.get("/review/summary").text
            tiles = client.get("/review/summary?model=numbers").text
            digest = client.get("/v1/models/numbers").json()["digest"]
            store.append([item(i, digest=digest, flagged=i < 90) for i in range(100)]).result()
            served = client.get("/review/summary?lang=ja").text
    assert "<b>75%</b>" in page and "95% interval 35% to 97%" in page and "no reviews" in page
    assert "<b>10%</b>" in page and "<i>tiles" not in page and "tiles" not in tiles.partition("<table")[2]
    assert page.count('class="bar anomaly"') >= 2 and page.count('class="bar normal"') >= 1
    assert "alpha より多い" in served


def test_an_empty_store_has_an_empty_summary(models, tmp_path):
    paths = [models / "numbers.egbad"]
    with open_store(tmp_path / "reviews.db") as store, running(paths, store=store) as server, server.client() as client:
        page = client.get("/review/summary")
    assert page.status_code == 200 and "Nothing was scored yet" in page.text
    with running([models / "numbers.egbad"]) as server, server.client() as client:
        assert "--store reviews.db" in client.get("/review/summary").text
