"""The page on which people try a model."""

import re

import pytest

from tests.service.conftest import images, numbers, png, running
from tests.service.pages_helpers import form_token, post


@pytest.fixture(scope="module")
def browser(models):
    paths = [models / "numbers.egbad", models / "images.egbad"]
    with running(paths) as server, server.client() as client:
        yield client


def send(client, model, content, media_type, name="file"):
    headers = {"x-csrf-token": form_token(client.get("/try")), "content-type": media_type, "hx-request": "true"}
    return client.post("/try/score", params={"model": model, "name": name}, content=content, headers=headers)


def test_scores_of_a_file_are_those_of_the_service(browser):
    frame = numbers(150, 3)
    answer = browser.post("/v1/models/numbers/score", json={"rows": frame.to_numpy().tolist()}).json()["results"]
    shown = send(browser, "numbers", frame.to_csv(index=False).encode(), "text/csv", "<b>rows.csv")
    rows = re.findall(
        r'<th scope="row">(\d+).*?</th><td class="number">(.*?)</td><td class="number">(.*?)</td>', shown.text
    )
    ranked = sorted(enumerate(answer, 1), key=lambda pair: -pair[1]["score"])[:100]
    assert rows == [(str(i), f"{row['score']:.4g}", f"{row['p_value']:.3g}") for i, row in ranked]
    assert f"{sum(row['flagged'] for row in answer)} of 150 flagged" in shown.text and "<b>rows" not in shown.text


def test_an_image_is_scored(browser):
    shown = send(browser, "images", png(images(1, 0)[0]), "image/png", "tile.png")
    assert shown.status_code == 200 and "of 1 flagged" in shown.text and "tile.png" in shown.text


def test_rows_are_pasted_without_a_script(browser):
    page = post(browser, "/try", "/try", model="numbers", rows="id,x,y,z\n<i>a,90,-90,90\nb,0,0,0\n")
    assert page.status_code == 200 and "1 of 2 flagged" in page.text and "<i>a" not in page.text
    wrong = post(browser, "/try", "/try", model="numbers", rows="x,y\n1,2\n")
    assert wrong.status_code == 400 and "<h1>" in wrong.text and "z" in wrong.text


def test_files_need_the_token_of_a_form(browser):
    headers = {"content-type": "text/csv", "hx-request": "true"}
    answer = browser.post("/try/score?model=numbers", content="x,y,z\n1,2,3\n", headers=headers)
    assert answer.status_code == 403 and "Reload the page" in answer.json()["detail"]


def test_wrong_files_are_answered_by_one_sentence(browser):
    for model, content, media_type, status in (
        ("numbers", b"x", "image/png", 415),
        ("images", b"x", "image/png", 400),
        ("numbers", b"x,y\n1,2\n", "text/csv", 400),
        ("nothing", b"x", "text/csv", 404),
    ):
        answer = send(browser, model, content, media_type)
        assert answer.status_code == status and "\n" not in answer.json()["detail"], answer.text
