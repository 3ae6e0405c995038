"""The page about drift."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from egbad import load
from egbad.scoring.drift import check_drift
from egbad.service.drift import DriftTracker
from egbad.service.store import open_store
from tests.service.conftest import numbers, running
from tests.service.pages_helpers import item


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path / "reviews.db", keep=True) as store:
        yield store


@pytest.fixture
def served(models, store):
    with running([models / "numbers.egbad"], store=store, keep="all") as server, server.client() as client:
        yield server, client


def send(client, frame):
    rows = frame.to_numpy().tolist()
    assert client.post("/v1/models/numbers/score", json={"rows": rows}).status_code == 200


def test_without_a_store_or_items_the_page_says_so(models, served):
    _, client = served
    assert "Nothing was scored by this model yet" in client.get("/review/drift").text
    assert client.get("/review/drift?model=none").status_code == 404
    with running([models / "numbers.egbad"]) as server, server.client() as other:
        assert "--store reviews.db" in other.get("/review/drift").text


def test_the_result_is_that_of_the_library(served, store, models):
    server, client = served
    frame = numbers(150, 1).assign(y=lambda rows: rows["y"] + 1.5)
    send(client, frame.iloc[:90])
    tracker = DriftTracker(server.service.registry.find("numbers"), keeps_rows=True)
    tracker.update(store)
    send(client, frame.iloc[90:])
    report, expected = tracker.update(store), check_drift(load(models / "numbers.egbad"), frame)
    assert report.kind == expected.kind == "shift"
    assert report.to_json() == expected.to_json()
    assert tracker.trend[-1] == (150, pytest.approx(np.log10(expected.martingale.value)))
    page = client.get("/review/drift").text
    assert "The data has changed" in page and "Changed most clearly: y" in page and "Recalibrate, or fit" in page
    assert page.count('class="line stored"') == 1 and "kolmogorov-smirnov" in page


def test_rows_like_the_calibration_rows_are_no_drift(served):
    _, client = served
    send(client, numbers(200, 3))
    page = client.get("/review/drift?lang=ja").text
    assert "ドリフトなし" in page and page.count('class="dot"') == 1


def test_columns_are_compared_only_where_all_rows_are_kept(models, store):
    with running([models / "numbers.egbad"], store=store, keep="flagged") as server, server.client() as client:
        send(client, numbers(50, 1))
        page = client.get("/review/drift").text
    assert "Columns are compared where" in page and "kolmogorov-smirnov" not in page


def test_shares_are_shown_by_day(served, store):
    server, client = served
    digest, now = server.service.registry.find("numbers").digest, datetime.now(UTC)
    store.append(
        [item(i, digest=digest, time=now - timedelta(days=i % 10), flagged=i % 4 == 0) for i in range(80)]
    ).result()
    page = client.get("/review/drift").text
    assert page.count('class="dot"') == page.count('class="interval"') == 10
