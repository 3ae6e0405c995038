"""The page about drift."""

import asyncio
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from egbad import load
from egbad.scoring.drift import check_drift
from egbad.service.drift import DriftTracker
from tests.service.conftest import numbers, running
from tests.service.pages_helpers import item, send


def test_without_a_store_or_items_the_page_says_so(models, keeping):
    _, client = keeping
    assert "Nothing was scored by this model yet" in client.get("/review/drift").text
    assert client.get("/review/drift?model=none").status_code == 404
    with running([models / "numbers.egbad"]) as server, server.client() as other:
        assert "--store reviews.db" in other.get("/review/drift").text


def test_the_result_is_that_of_the_library(keeping, keeping_store, models):
    server, client = keeping
    frame = numbers(150, 1).assign(y=lambda rows: rows["y"] + 1.5)
    send(client, frame.iloc[:90])
    tracker = DriftTracker(server.service.registry.find("numbers"), keeps_rows=True)
    tracker.update(keeping_store)
    send(client, frame.iloc[90:])
    report, expected = tracker.update(keeping_store), check_drift(load(models / "numbers.egbad"), frame)
    assert report.kind == expected.kind == "shift"
    assert report.to_json() == expected.to_json()
    assert tracker.trend[-1] == (150, pytest.approx(np.log10(expected.martingale.value)))
    page = client.get("/review/drift").text
    assert "The data has changed" in page and "Changed most clearly: y" in page and "Recalibrate, or fit" in page
    assert page.count('class="line stored"') == 1 and "kolmogorov-smirnov" in page


def test_rows_like_the_calibration_rows_are_no_drift(keeping):
    _, client = keeping
    send(client, numbers(200, 3))
    page = client.get("/review/drift?lang=ja").text
    assert "ドリフトなし" in page and page.count('class="dot"') == 1


def test_columns_are_compared_only_where_all_rows_are_kept(models, keeping_store):
    with running([models / "numbers.egbad"], store=keeping_store, keep="flagged") as server, server.client() as client:
        send(client, numbers(50, 1))
        page = client.get("/review/drift").text
    assert "Columns are compared where" in page and "kolmogorov-smirnov" not in page


def test_shares_are_shown_by_day(keeping, keeping_store):
    server, client = keeping
    digest, now = server.service.registry.find("numbers").digest, datetime.now(UTC)
    keeping_store.append(
        [item(i, digest=digest, time=now - timedelta(days=i % 10), flagged=i % 4 == 0) for i in range(80)]
    ).result()
    page = client.get("/review/drift").text
    assert page.count('class="dot"') == page.count('class="interval"') == 10


def gauges(client):
    """The values of the gauges of drift, by name and kind."""
    families = text_string_to_metric_families(client.get("/metrics").text)
    samples = [sample for family in families for sample in family.samples if sample.name.startswith("egbad_drift")]
    assert all(sample.labels["model"] == "numbers" and sample.labels["version"] == "1" for sample in samples)
    return {(sample.name, sample.labels.get("kind")): sample.value for sample in samples}


def test_the_metrics_are_those_of_the_report(keeping, keeping_store, models):
    server, client = keeping
    assert gauges(client) == {}
    frame = numbers(150, 1).assign(y=lambda rows: rows["y"] + 1.5)
    send(client, frame)
    asyncio.run(server.service.drift.update())
    found, expected = gauges(client), check_drift(load(models / "numbers.egbad"), frame)
    kinds = {kind: value for (name, kind), value in found.items() if name == "egbad_drift"}
    assert kinds == {"none": 0, "anomalies": 0, "shift": 1, "order": 0} and expected.kind == "shift"
    assert found["egbad_drift_items", None] == 150
    assert found["egbad_drift_flagged_share", None] == expected.flagged.share
    assert found["egbad_drift_expected_share", None] == expected.flagged.expected
    assert found["egbad_drift_log10_capital", None] == pytest.approx(np.log10(expected.martingale.value))
    assert found["egbad_drift_changed_columns", None] == sum(column.drift for column in expected.columns) >= 1
    client.delete("/v1/admin/models/numbers/versions/1")
    assert gauges(client) == {}


def test_the_metrics_are_updated_from_time_to_time(keeping, keeping_store):
    server, client = keeping
    drift = server.service.drift

    async def watch():
        async with drift.updated(seconds=0.01):
            send(client, numbers(20, 1))
            while [report.rows for _, report in drift.reports()] != [20]:
                await asyncio.sleep(0.01)
            keeping_store.close()  # updates go on, and fail
            await asyncio.sleep(0.05)

    asyncio.run(asyncio.wait_for(watch(), 20))
    assert gauges(client)["egbad_drift_items", None] == 20
