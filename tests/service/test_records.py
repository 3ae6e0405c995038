"""Answers are in the store before they are sent, or say that they are not."""

import json
from concurrent.futures import Future

import pytest

from egbad.service.settings import ServiceSettings
from egbad.service.store import StoreError, open_store
from tests.service.conftest import images, json_rows, numbers, png, running, table

BODY = {"rows": numbers(3, 0).to_numpy().tolist()}


class FakeStore:
    """A store whose futures a test ends."""

    def __init__(self, outcome):
        self.items, self.outcome = [], outcome

    def append(self, items):
        if isinstance(self.outcome, str):
            raise StoreError(self.outcome)
        self.items += items
        future = Future()
        if self.outcome is not None:
            future.set_exception(self.outcome)
        return future


def test_answers_are_stored_with_their_rows(models, tmp_path):
    frame = table(4, 1)
    rows = [{"id": f"p-{i}", **row} for i, row in enumerate(json_rows(frame))]
    with open_store(tmp_path / "s.db", keep=True) as store:
        paths = [models / "table.egbad", models / "images.egbad", models / "numbers.egbad"]
        with running(paths, store=store, keep="all") as server, server.client() as client:
            answer = client.post("/v1/models/table/score", json={"rows": rows}, headers={"x-request-id": "r-1"})
            assert answer.json()["stored"] is True and "warning" not in answer.headers
            file = png(images(1, 0)[0])
            client.post("/v1/models/images/score", content=file, headers={"content-type": "image/png"})
            csv = {"content-type": "text/csv"}
            client.post("/v1/models/numbers/score", content="x,y,z\n1,2,3\n", headers=csv)
        found = [store.get(number).item for number in range(1, 7)]
    by_model = {}
    for item in found:
        by_model.setdefault(item.model, []).append(item)
    first = by_model["table"][0]
    assert (first.request_id, first.version, first.alpha, first.media_type) == ("r-1", "1", 0.1, "application/json")
    assert json.loads(first.payload) == rows[0]
    assert [item.key for item in by_model["table"]] == ["p-0", "p-1", "p-2", "p-3"]
    assert [item.score for item in by_model["table"]] == [row["score"] for row in answer.json()["results"]]
    assert (by_model["images"][0].payload, by_model["images"][0].media_type) == (file, "image/png")
    assert json.loads(by_model["numbers"][0].payload) == {"x": 1, "y": 2, "z": 3}


@pytest.mark.parametrize("outcome", [StoreError("disk full"), "queue full"])
def test_an_answer_that_is_not_stored_says_so(models, outcome):
    with running([models / "numbers.egbad"], store=FakeStore(outcome)) as server, server.client() as client:
        response = client.post("/v1/models/numbers/score", json=BODY)
    assert response.status_code == 200 and response.json()["stored"] is False
    assert "not in the store" in response.headers["warning"] and len(response.json()["results"]) == 3


def test_a_store_that_is_too_slow_does_not_hold_the_answer_back(models):
    settings = ServiceSettings(deadline=0.5)
    store = FakeStore(None)
    with running([models / "numbers.egbad"], store=store, settings=settings) as server, server.client() as client:
        response = client.post("/v1/models/numbers/score", json=BODY)
    assert response.json()["stored"] is False and len(store.items) == 3


@pytest.mark.parametrize(("keep", "kept"), [("none", 0), ("all", 12)])
def test_rows_are_kept_as_asked(models, keep, kept):
    store = FakeStore(StoreError("x"))
    with running([models / "numbers.egbad"], store=store, keep=keep) as server, server.client() as client:
        client.post("/v1/models/numbers/score", json={"rows": numbers(12, 0).to_numpy().tolist()})
    assert sum(item.payload is not None for item in store.items) == kept


def test_flagged_rows_are_kept(models):
    store = FakeStore(StoreError("x"))
    with running([models / "numbers.egbad"], store=store, keep="flagged") as server, server.client() as client:
        client.post("/v1/models/numbers/score", json={"rows": [[0, 0, 0], [50, -50, 50]]})
    assert [(item.flagged, item.payload is not None) for item in store.items] == [(False, False), (True, True)]
    assert json.loads(store.items[1].payload) == {"x": 50, "y": -50, "z": 50}
