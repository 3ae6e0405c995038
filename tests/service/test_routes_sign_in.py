"""Tokens in the browser: asked for once, and accepted on pages only."""

import pytest

from egbad.service.auth import Role
from egbad.service.store import open_store
from tests.service.conftest import running
from tests.service.pages_helpers import item, names, post

SCORE, REVIEW = "s" * 20, "r" * 20


@pytest.fixture
def client(models, tmp_path):
    with open_store(tmp_path / "reviews.db") as store:
        store.append([item(1)]).result()
        tokens = {SCORE: Role.SCORE, REVIEW: Role.REVIEW}
        running_server = running([models / "numbers.egbad"], tokens=tokens, hosts=None, store=store)
        with running_server as server, server.client() as client:
            yield client


def test_a_page_asks_for_the_token_once(client):
    first = client.get("/review/items/1/image")
    assert (first.status_code, first.headers["location"]) == (303, "/sign-in?next=/review/items/1/image")
    form = client.get("/sign-in?next=/review")
    assert form.status_code == 200 and "role “review”" in form.text
    done = post(client, "/sign-in", "/sign-in", token=REVIEW, next="/review")
    assert (done.status_code, done.headers["location"]) == (303, "/review")
    cookie = done.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and REVIEW not in cookie
    assert names(client.get("/review")) == ["row 1"]


def test_a_session_opens_pages_and_nothing_else(client):
    post(client, "/sign-in", "/sign-in", token=SCORE)
    assert client.get("/v1/models").status_code == 401
    assert client.get("/review").status_code == 303
    assert client.get("/review", headers={"authorization": f"Bearer {SCORE}"}).status_code == 403
    assert client.get("/review", headers={"authorization": f"Bearer {REVIEW}"}).status_code == 200


def test_a_wrong_token_opens_nothing(client):
    answer = post(client, "/sign-in", "/sign-in", token="wrong")
    assert answer.status_code == 401 and "not valid" in answer.text
    assert client.get("/review").status_code == 303
    assert client.post("/sign-in", data={"token": REVIEW}).status_code == 403


def test_a_script_without_a_session_is_led_to_the_form(client):
    answer = client.post("/review/items/1", data={}, headers={"hx-request": "true"})
    assert (answer.status_code, answer.headers["hx-redirect"]) == (401, "/sign-in?next=/review/items/1")


def test_signing_out_ends_the_session(client):
    post(client, "/sign-in", "/sign-in", token=REVIEW)
    post(client, "/sign-out", "/review")
    assert client.get("/review").status_code == 303


def test_without_tokens_nobody_signs_in(models):
    with running([models / "numbers.egbad"]) as server, server.client() as client:
        assert client.get("/sign-in").headers["location"] == "/review"
