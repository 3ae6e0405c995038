"""The page of one item, with the explanation by the model that scored it."""

import re
import time
from dataclasses import replace

import numpy as np
import pytest

from egbad.data import Data
from egbad.detectors.knn import KNN
from egbad.explain.exemplars import nearest_positions
from egbad.plot.pixels import png_data_uri, to_channels_first, to_pixels
from egbad.service.bodies import InputReader
from egbad.service.pages.nearest import nearest_normal
from egbad.service.pages.texts import Texts
from egbad.service.store import ItemFilter, open_store
from tests.detectors.counted_backbone import CountedBackbone
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
    assert page.text.count("data:image/png;base64,") == 3 + 3 and "異常マップ" in page.text


def test_the_nearest_training_images_are_shown(pages, scorers):
    client, _ = pages
    page = client.get("/review/items/2").text.partition("Nearest normal images")[2]
    assert page.count("Training image, number") == 2 * 3
    scorer = scorers["images"]
    nearest = scorer.nearest_exemplars(images(1, 9), 3)[0]
    low, high = float(scorer.exemplars_.min()), float(scorer.exemplars_.max())
    for image in nearest:
        assert png_data_uri(to_pixels(to_channels_first(image[None])[0], low, high)) in page


@pytest.fixture
def bare(tmp_path):
    """A client and the store of a model that keeps no images, and the registry."""
    KNN(alpha=0.2, n_exemplars=0, random_state=0).fit(images(60, 0)).save(tmp_path / "bare.egbad")
    with (
        open_store(tmp_path / "reviews.db", keep=True) as store,
        running([tmp_path / "bare.egbad"], store=store, keep="all") as server,
        server.client() as client,
    ):
        yield client, store, server.service.registry


def send(client, *pictures):
    for picture in pictures:
        client.post("/v1/models/bare/score", content=png(picture), headers={"content-type": "image/png"})


def brighter(image):
    return np.clip(image.astype(int) + 3, 0, 255).astype(np.uint8)


def test_kept_normal_images_are_shown_where_the_model_keeps_none(bare):
    client, store, _ = bare
    shown = images(1, 9)[0]
    send(client, shown)
    assert "There is no normal image to compare with" in client.get("/review/items/1").text
    send(client, images(1, 4)[0], images(1, 5)[0], brighter(shown))
    for number in range(1, 5):
        store.review(number, "dismissed", "ann")
    page = client.get("/review/items/1").text.partition("Nearest normal images")[2]
    found = re.findall(r'<img src="/review/items/(\d+)/image"', page)
    assert found[0] == "4" and {*found} == {"2", "3", "4"}
    store.review(4, "confirmed", "ann")
    assert "/review/items/4/image" not in client.get("/review/items/1").text


def test_kept_images_are_compared_by_the_features_of_the_model(bare):
    client, store, registry = bare
    shown = images(1, 9)[0]
    send(client, shown, images(1, 4)[0], brighter(shown), images(1, 5)[0])
    for number in range(1, 5):
        store.review(number, "dismissed", "ann")
    detector = KNN(alpha=0.2, n_exemplars=0, random_state=0, backbone=CountedBackbone()).fit(images(60, 0))
    model = registry.find("bare")
    model = replace(model, scorer=detector, reader=InputReader(detector, model.reader.settings, keep=True))
    assert model.describes_images and not registry.find("bare").describes_images
    data, deadline = Data(shown[None]), time.monotonic() + 60
    nearest = nearest_normal(model, store.get(1), data, store, Texts("en"), deadline)
    features = detector.image_features(np.stack([shown, images(1, 4)[0], brighter(shown), images(1, 5)[0]]))
    order = nearest_positions(features[:1], features[1:], 3)[0]
    assert [image.item_id for image in nearest] == [int(place) + 2 for place in order] and nearest[0].item_id == 3


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
