"""The page of one model: flags at other false-alarm rates, the card, and recalibration."""

import re
import threading
from html import unescape

import numpy as np
import pytest

from egbad import load
from egbad.scoring import calibration
from egbad.service.auth import Role
from egbad.service.pages.texts import Texts
from egbad.service.pages.thresholds import alpha_steps, flags_at
from egbad.service.store import ItemFilter
from tests.service.conftest import images, numbers, png, running
from tests.service.pages_helpers import form_token, post, send

ADMIN, REVIEW = "a" * 20, "r" * 20
FORM = "/review/admin/recalibrate"
PAGE = "/review/models?model=numbers"


def text_of(page):
    return unescape(re.sub(r"<[^>]+>", "", page.text))


def test_the_slider_has_the_rates_at_which_the_threshold_changes():
    assert alpha_steps(9, 0.25) == pytest.approx([0.1, 0.2, 0.25, 0.3, 0.4, 0.5])
    steps = alpha_steps(10_000, 0.01)
    assert 0.01 in steps and 40 < len(steps) <= 81 and min(steps) == pytest.approx(1 / 10_001)
    assert steps == sorted({*steps})


def test_flags_at_every_step_are_those_of_the_library(keeping, keeping_store):
    server, client = keeping
    send(client, numbers(60, 1) * 1.5)
    model, text = server.service.registry.find("numbers"), Texts("en")
    scores = keeping_store.arrivals(ItemFilter(model="numbers")).scores
    steps = alpha_steps(len(model.scorer.calibration_scores_), 0.1)
    for step, alpha in enumerate(steps):
        threshold = calibration.threshold(model.scorer.calibration_scores_, alpha)
        flagged = int((scores > threshold).sum())
        sentence = flags_at(model, keeping_store, step, text).sentence
        assert f"threshold is {threshold:.4g}: {flagged} of 60 stored items" in sentence
    assert flags_at(model, keeping_store, None, text).step == steps.index(0.1)
    assert flags_at(model, keeping_store, 10**6, text).step == len(steps) - 1
    now = f"now {int((scores > model.threshold).sum())}."
    assert flags_at(model, keeping_store, 0, text).sentence.endswith(now)


def test_the_page_shows_the_slider_the_chart_and_the_card(keeping):
    _, client = keeping
    page = client.get("/review/models")
    assert page.status_code == 200 and 'type="range"' in page.text and "No items of this model are stored" in page.text
    send(client, numbers(20, 1))
    moved = client.get(f"{PAGE}&step=3")
    assert 'value="3" aria-valuetext="alpha' in moved.text and "of 20 stored items" in moved.text
    assert 'class="line stored"' in moved.text and "egbad" in text_of(moved) and "parameters.alpha" in moved.text
    fragment = client.get("/review/models/flags?model=numbers&step=3", headers={"hx-request": "true"})
    assert fragment.text.startswith('<div id="flags"') and "<html" not in fragment.text
    assert client.get(f"{PAGE}&step=x").status_code == 200
    assert client.get("/review/models?model=none").status_code == 404


def test_a_model_without_a_store_is_described(models):
    with running([models / "numbers.egbad"]) as server, server.client() as client:
        page = text_of(client.get("/review/models"))
    assert "No items of this model are stored" in page and "kept rows or images that were not flagged" in page


def test_recalibration_sets_the_threshold_that_the_library_sets(keeping, keeping_store, models):
    _, client = keeping
    send(client, numbers(200, 1) + 0.5)
    for stored in keeping_store.queue(limit=1000).items:
        keeping_store.review(stored.id, "confirmed" if stored.id % 5 == 0 else "dismissed", "ann")
    answer = post(client, FORM, model="numbers", version="1", alpha="0.1")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PAGE}&version=1#recalibrate")
    confirmed = {stored.id for stored in keeping_store.queue(limit=1000, verdict="confirmed").items}
    normal = (numbers(200, 1) + 0.5)[[number + 1 not in confirmed for number in range(200)]]
    library = load(models / "numbers.egbad").recalibrate(normal, 0.1)
    assert client.get("/v1/models/numbers").json()["threshold"] == library.threshold_
    page = text_of(client.get(PAGE))
    assert f"Recalibrated by {len(normal)} normal rows or images" in page
    assert f"to {library.threshold_:.4g}" in page
    row = send(client, numbers(1, 7))["results"][0]
    assert (
        row["p_value"] == library.p_value(numbers(1, 7))[0] and row["score"] == library.anomaly_score(numbers(1, 7))[0]
    )


def test_earlier_items_are_explained_after_a_recalibration(keeping, keeping_store):
    _, client = keeping
    send(client, numbers(100, 1))
    for stored in keeping_store.queue(limit=1000).items:
        keeping_store.review(stored.id, "dismissed", "ann")
    before = client.get("/v1/models/numbers").json()["digest"]
    post(client, FORM, model="numbers", version="1", alpha="0.1")
    assert client.get("/v1/models/numbers").json()["digest"] != before
    assert "Share of the score" in client.get("/review/items/1").text
    assert "of 100 stored items" in client.get(PAGE).text


def test_no_request_fails_while_a_model_is_recalibrated(keeping, keeping_store):
    _, client = keeping
    send(client, numbers(100, 1))
    statuses, stop = [], threading.Event()

    def ask():
        while not stop.is_set():
            statuses.append(client.post("/v1/models/numbers/score", json={"rows": [[0, 0, 0]]}).status_code)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        for _ in range(3):
            assert post(client, FORM, model="numbers", version="1", alpha="0.1").status_code == 303
    finally:
        stop.set()
        thread.join()
    assert {*statuses} == {200}


def test_dismissed_rows_alone_do_not_recalibrate(models, keeping_store):
    with running([models / "numbers.egbad"], store=keeping_store, keep="flagged") as server, server.client() as client:
        send(client, numbers(300, 1))
        for stored in keeping_store.queue(limit=1000).items:
            keeping_store.review(stored.id, "dismissed", "ann")
        answer = post(client, FORM, model="numbers", alpha="0.1")
    assert answer.status_code == 400 and "kept rows or images that were not flagged" in answer.text


@pytest.mark.parametrize(
    ("form", "status", "words"),
    [
        ({"model": "numbers", "alpha": "0.1"}, 400, "kept rows or images that were not flagged"),
        ({"model": "numbers", "alpha": "1.5"}, 400, "between 0 and 1, got 1.5"),
        ({"model": "numbers", "alpha": "nan"}, 400, "between 0 and 1"),
        ({"model": "numbers", "alpha": "<b>"}, 400, "&lt;b&gt;"),
        ({"model": "none", "alpha": "0.1"}, 404, "no model"),
    ],
)
def test_what_cannot_be_recalibrated_is_answered_by_one_sentence(keeping, form, status, words):
    _, client = keeping
    answer = post(client, FORM, **form)
    assert answer.status_code == status and words in answer.text


def test_too_few_rows_for_alpha_are_counted(keeping):
    _, client = keeping
    send(client, np.zeros((5, 3)) + numbers(5, 1) * 0.1)
    answer = post(client, FORM, model="numbers", alpha="0.01")
    assert "needs at least 99 kept normal rows or images, and there are 5" in text_of(answer)


def test_an_exported_model_says_that_it_keeps_its_threshold(models, keeping_store):
    with running([models / "exported.onnx"], store=keeping_store, keep="all") as server, server.client() as client:
        assert "exported model keeps its threshold" in client.get("/review/models").text
        answer = post(client, FORM, model="exported", alpha="0.1")
    assert answer.status_code == 400 and "exported model keeps its threshold" in answer.text


def test_images_are_recalibrated(models, keeping_store):
    with running([models / "images.egbad"], store=keeping_store, keep="all") as server, server.client() as client:
        for image in images(12, 5):
            client.post("/v1/models/images/score", content=png(image), headers={"content-type": "image/png"})
        for stored in keeping_store.queue(limit=1000).items:
            keeping_store.review(stored.id, "dismissed", "ann")
        post(client, FORM, model="images", alpha="0.2")
        threshold = client.get("/v1/models/images").json()["threshold"]
    assert threshold == load(models / "images.egbad").recalibrate(images(12, 5), 0.2).threshold_


def test_only_administrators_recalibrate(models, keeping_store):
    tokens = {ADMIN: Role.ADMIN, REVIEW: Role.REVIEW}
    with (
        running([models / "numbers.egbad"], tokens=tokens, hosts=None, store=keeping_store, keep="all") as server,
        server.client() as client,
    ):
        headers = {"authorization": f"Bearer {ADMIN}"}
        rows = {"rows": numbers(100, 1).to_numpy().tolist()}
        client.post("/v1/models/numbers/score", json=rows, headers=headers)
        post(client, "/sign-in", "/sign-in", token=REVIEW)
        page = client.get(PAGE)
        assert f'href="/sign-in?next={FORM.replace("/", "%2F")}"' in page.text and f'action="{FORM}"' not in page.text
        token = form_token(page)
        refused = client.post(FORM, data={"csrf": token, "model": "numbers", "alpha": "0.1"})
        assert (refused.status_code, refused.headers["location"]) == (303, f"/sign-in?next={FORM}")
        post(client, "/sign-in", "/sign-in", token=ADMIN)
        assert client.get(FORM).headers["location"] == "/review/models"
        assert client.post(FORM, data={"model": "numbers", "alpha": "0.1"}).status_code == 403
        assert post(client, FORM, model="numbers", alpha="0.1").status_code == 303
