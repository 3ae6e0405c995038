"""The page that describes the service, its schema, and metrics."""

import re

from egbad.service.store import open_store
from tests.service.conftest import numbers, running


def test_the_page_needs_no_network(client):
    page = client.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "/v1/models/{name}/score" in page.text and "/v2/models/{name}/infer" in page.text
    links = re.findall(r'(?:href|src)="([^"]+)"', page.text)
    assert {*links} == {"docs.css", "openapi.json", "try"} and "<script" not in page.text
    for link in links:
        assert client.get(f"/{link}").status_code == 200


def test_browsers_are_led_to_the_pages_and_programs_are_not(client, models, tmp_path):
    browser = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    answer = client.get("/", headers=browser)
    assert (answer.status_code, answer.headers["location"]) == (303, "/try")
    for accept in ("application/json", "*/*"):
        assert client.get("/", headers={"accept": accept}).text == client.get("/api", headers=browser).text
    paths = [models / "numbers.egbad"]
    with open_store(tmp_path / "reviews.db") as store, running(paths, store=store) as server, server.client() as other:
        assert other.get("/", headers=browser).headers["location"] == "/review"


def test_the_schema_describes_bodies_and_answers(client):
    schema = client.get("/openapi.json").json()
    score = schema["paths"]["/v1/models/{name}/score"]["post"]
    assert {"application/json", "text/csv", "image/png"} <= {*score["requestBody"]["content"]}
    assert score["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].endswith("/ScoreAnswer")
    assert "application/problem+json" in score["responses"]["503"]["content"]
    assert "422" not in score["responses"]
    text = str(schema)
    for name in re.findall(r"#/components/schemas/(\w+)", text):
        assert name in schema["components"]["schemas"]


def test_answers_are_what_the_schema_says(client):
    from egbad.service.schemas import Problem, ScoreAnswer

    answer = client.post("/v1/models/numbers/score?explain=true", json={"rows": numbers(3, 0).to_numpy().tolist()})
    ScoreAnswer.model_validate(answer.json(), extra="forbid")
    Problem.model_validate(client.get("/none").json(), extra="forbid")


def test_metrics_count_requests_and_rows_by_route(client):
    client.post("/v1/models/numbers/score", json={"rows": numbers(7, 0).to_numpy().tolist()})
    client.get("/some/unknown/page")
    text = client.get("/metrics").text
    assert re.search(r'egbad_requests_total\{route="/v1/models/\{name\}/score",status="200"\} \d', text)
    assert re.search(r'egbad_rows_total\{model="numbers",version="1"\} \d', text)
    assert "egbad_batch_rows_bucket" in text and "egbad_held_bytes" in text and "some/unknown" not in text
