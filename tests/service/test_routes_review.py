"""The queue of flagged items, reviews, and what forms need."""

import pytest

from egbad.service.store import open_store
from tests.service.conftest import images, png, running
from tests.service.pages_helpers import HOSTILE, form_token, item, names, post

SCRIPT = {"hx-request": "true"}


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path / "reviews.db", keep=True) as store:
        yield store


@pytest.fixture
def client(models, store):
    with running([models / "numbers.egbad"], store=store) as server, server.client() as client:
        yield client


def test_without_a_store_the_page_says_how_to_get_one(models):
    with running([models / "numbers.egbad"]) as server, server.client() as client:
        page = client.get("/review")
        item_page = client.get("/review/items/1/image")
    assert page.status_code == 200 and "start the service with --store reviews.db" in page.text
    assert item_page.status_code == 404 and "--store" in item_page.text


def test_the_queue_is_ordered_filtered_and_paged(client, store):
    store.append([item(i) for i in range(25)] + [item(30, "other", model="tiles", score=1.0)]).result()
    first = client.get("/review")
    assert names(first)[:2] == ["row 24", "row 23"] and len(names(first)) == 20
    (more,) = [line for line in first.text.splitlines() if 'rel="next"' in line]
    link = more.split('href="')[1].split('"')[0].replace("&amp;", "&")
    assert names(client.get(link)) == ["row 4", "row 3", "row 2", "row 1", "row 0", "other"]
    assert names(client.get("/review?order=newest"))[0] == "other"
    assert names(client.get("/review?model=tiles")) == ["other"]
    assert names(client.get("/review?key=ROW 13")) == ["row 13"]
    assert names(client.get("/review?since=2026-05-05&until=2026-05-05&order=newest"))[0] == "other"
    assert len(names(client.get("/review?until=2026-05-04"))) == 12  # from noon to midnight
    assert len(names(client.get("/review?since=yesterday"))) == 20
    assert "No item fits" in client.get("/review?key=nothing").text
    assert "9.5" in first.text and "missing" in first.text


@pytest.mark.parametrize("query", ["order=worst", "cursor=x", "cursor=newest:1:1"])
def test_a_wrong_address_is_answered_by_one_sentence(client, query):
    page = client.get(f"/review?{query}")
    assert page.status_code == 400 and query.partition("=")[2] in page.text and "<h1>" in page.text


def test_items_are_reviewed_by_plain_forms(client, store):
    store.append([item(1), item(2)]).result()
    post(client, "/review/reviewer", reviewer="Ann Ångström")
    answer = post(client, "/review/items/1", verdict="confirmed", note="seen", back="/review?order=newest")
    assert (answer.status_code, answer.headers["location"]) == (303, "/review?order=newest#item-1")
    (review,) = store.history(1)
    assert (review.verdict, review.reviewer, review.note) == ("confirmed", "Ann Ångström", "seen")
    assert names(client.get("/review")) == ["row 2"]
    confirmed = client.get("/review?show=confirmed")
    assert names(confirmed) == ["row 1"] and "by Ann Ångström" in confirmed.text and "seen" in confirmed.text
    post(client, "/review/items/1", verdict="undone", back="https://example.org/")
    assert names(client.get("/review")) == ["row 2", "row 1"]
    assert [review.verdict for review in store.history(1)] == ["confirmed", "undone"]


def test_a_script_receives_the_card_alone(client, store):
    store.append([item(1)]).result()
    form = {"csrf": form_token(client.get("/review")), "verdict": "dismissed", "reviewer": "bob"}
    answer = client.post("/review/items/1", data=form, headers=SCRIPT)
    assert answer.text.lstrip().startswith("<li") and "Dismissed as a false alarm" in answer.text
    assert 'value="undone"' in answer.text and store.history(1)[0].reviewer == "bob"
    wrong = client.post("/review/items/9", data=form, headers=SCRIPT)
    assert wrong.status_code == 404 and wrong.json()["detail"] == "There is no item 9 in the store."


def test_forms_need_the_token_of_their_session(client, store):
    store.append([item(1)]).result()
    own = form_token(client.get("/review"))
    assert own == form_token(client.get("/review"))
    for form in ({}, {"csrf": ""}, {"csrf": own[:-1] + "é"}, {"csrf": "0" * 64}):
        answer = client.post("/review/items/1", data={"verdict": "confirmed", **form})
        assert answer.status_code == 403 and "Reload the page" in answer.text
    client.cookies.clear()
    assert client.post("/review/items/1", data={"verdict": "confirmed", "csrf": own}).status_code == 403
    assert store.history(1) == ()


def test_cookies_are_hidden_from_scripts_and_other_sites(client):
    cookie = client.get("/review").headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and "Path=/" in cookie


@pytest.mark.parametrize(
    ("form", "status", "words"),
    [
        ({"verdict": "perhaps"}, 400, "verdict"),
        ({"verdict": "undone"}, 400, "no review to undo"),
        ({"verdict": "confirmed", "note": "n" * 2_001}, 400, "at most 2,000 characters, got 2,001"),
        ({"verdict": "confirmed", "reviewer": "n" * 101}, 400, "at most 100 characters"),
        ({"verdict": "confirmed", "note": "n" * 70_000}, 413, "at most 65,536 bytes"),
        ({str(i): "" for i in range(30)}, 400, "at most 20 fields"),
    ],
)
def test_wrong_forms_are_answered_by_one_sentence(client, store, form, status, words):
    store.append([item(1)]).result()
    answer = post(client, "/review/items/1", **form)
    assert answer.status_code == status and words in answer.text and store.history(1) == ()


def test_a_form_of_another_type_is_refused(client):
    answer = client.post("/review/reviewer", json={"reviewer": "x"})
    assert answer.status_code == 415 and "x-www-form-urlencoded" in answer.text


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_shown_as_text(client, store, text):
    store.append([item(1, text, payload=None), item(2)]).result()
    assert text in {name.removesuffix("…") for name in names(client.get("/review"))} | {*names(client.get("/review"))}
    post(client, "/review/items/2", verdict="confirmed", note=text[:2_000], reviewer=text[:100])
    for page in (client.get("/review"), client.get("/review?show=confirmed"), client.get(f"/review?key={text[:50]}")):
        assert "<script>alert" not in page.text and "<img src=x" not in page.text
    assert store.history(2)[0].note == text[:2_000]


def test_a_kept_image_is_sent_as_a_new_png_file(client, store):
    file = png(images(1, 0)[0])
    store.append(
        [item(1, payload=file, media_type="image/png"), item(2, payload=b"<svg>", media_type="image/svg+xml")]
    ).result()
    assert "/review/items/1/image" in client.get("/review").text
    answer = client.get("/review/items/1/image")
    assert answer.headers["content-type"] == "image/png" and answer.content.startswith(b"\x89PNG")
    broken = client.get("/review/items/2/image")
    assert broken.status_code == 400 and "cannot be read" in broken.text


def test_the_language_is_that_of_the_address_or_of_the_browser(client, store):
    assert '<html lang="ja">' in client.get("/review?lang=ja").text
    assert '<html lang="ja">' in client.get("/review", headers={"accept-language": "fr, ja;q=0.9, en;q=0.5"}).text
    assert '<html lang="en">' in client.get("/review?lang=xx", headers={"accept-language": "fr;q=x"}).text
    store.append([item(1)]).result()
    assert 'action="/review/items/1?lang=ja"' in client.get("/review?lang=ja").text


def test_pages_need_no_network_and_no_inline_code(client, store):
    store.append([item(1)]).result()
    page = client.get("/review")
    assert "http://" not in page.text and "https://" not in page.text
    assert "<style" not in page.text and " style=" not in page.text and " onclick" not in page.text
    policy = page.headers["content-security-policy"]
    assert "script-src 'self';" in policy and "unsafe" not in policy
    for name, media_type in (
        ("pages.css", "text/css"),
        ("pages.js", "text/javascript"),
        ("htmx.min.js", "text/javascript"),
    ):
        assert client.get(f"/static/{name}").headers["content-type"].startswith(media_type)
    assert "script-src" not in client.get("/v1/models").headers["content-security-policy"]
