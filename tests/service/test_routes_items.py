"""The page of one item, with the explanation by the model that scored it."""

import pytest

from egbad.service.store import ItemFilter, open_store
from tests.service.conftest import images, json_rows, png, running, table
from tests.service.pages_helpers import HOSTILE, item, post


@pytest.fixture(scope="module")
def pages(models, tmp_path_factory):
    """A client, the store, and the numbers of a row and an image that the service scored itself."""
    with open_store(tmp_path_factory.mktemp("items") / "reviews.db", keep=True) as store:
        paths = [models / "table.egbad", models / "images.egbad", models / "exported.onnx"]
        with running(paths, store=store, keep="all") as server, server.client() as client:
            rows = [{"id": "far away", **json_rows(table(1, 1))[0], "a": 40.0}]
            client.post("/v1/models/table/score", json={"rows": rows})
            file = png(images(1, 9)[0])
            client.post("/v1/models/images/score", content=file, headers={"content-type": "image/png"})
            client.post("/v1/models/exported/score", json={"rows": [[9, 9, 9]]})
            yield client, store


def test_a_row_is_explained_by_its_columns(pages):
    client, _ = pages
    page = client.get("/review/items/1")
    assert page.status_code == 200 and "<bdi>far away</bdi></h1>" in page.text
    assert "Share of the score" in page.text and "Attribution method" in page.text
    assert '<th scope="row"><bdi>a</bdi></th>' in page.text and "<bdi>40</bdi>" in page.text
    assert 'aria-label="Score of this item among normal calibration scores"' in page.text
    assert "threshold 0" in page.text or "threshold 1" in page.text


def test_an_image_is_shown_beside_its_heatmap(pages):
    client, _ = pages
    page = client.get("/review/items/2?lang=ja")
    assert page.text.count("data:image/png;base64,") == 3 and "異常マップ" in page.text


def test_a_model_that_explains_nothing_says_so(pages):
    client, _ = pages
    assert "cannot explain its scores" in client.get("/review/items/3").text


def test_the_history_is_shown(pages):
    client, _ = pages
    assert "Not reviewed yet" in client.get("/review/items/1").text
    for verdict in ("confirmed", "undone", "dismissed"):
        post(client, "/review/items/1", verdict=verdict, reviewer="ann", note=f"note {verdict}")
    page = client.get("/review/items/1").text
    notes = [page.index(f"note {verdict}</q></li>") for verdict in ("confirmed", "undone", "dismissed")]
    assert notes == sorted(notes)


@pytest.mark.parametrize("key", HOSTILE)
def test_an_item_of_an_unknown_model_is_shown_as_text(pages, key):
    client, store = pages
    store.append([item(1, key, digest="gone", payload=b'{"<script>alert(2)": "<b>"}')]).result()
    newest = store.queue("newest", limit=1, where=ItemFilter(digest="gone")).items[0].id
    page = client.get(f"/review/items/{newest}")
    assert "not served any more" in page.text and "<script>alert" not in page.text and "<b></bdi>" not in page.text


@pytest.mark.parametrize("payload", [b"[1, 2]", b"{", b'{"a": "text"}', b"\xff"])
def test_a_row_that_cannot_be_explained_is_shown_with_a_sentence(pages, payload):
    client, store = pages
    digest = store.get(1).item.digest
    store.append([item(1, digest=digest, payload=payload, score=1e9)]).result()
    newest = store.queue("score", limit=1).items[0].id
    page = client.get(f"/review/items/{newest}")
    post(client, f"/review/items/{newest}", verdict="confirmed")
    assert page.status_code == 200 and 'class="faint"' in page.text


def test_unknown_items_are_answered_by_a_page(pages):
    client, _ = pages
    for number in (10**6, 10**30, 0):
        page = client.get(f"/review/items/{number}")
        assert page.status_code == 404 and f"There is no item {number}" in page.text
