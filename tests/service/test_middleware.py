"""Headers, ids and logs of all requests."""

import json
import socket

import pytest

from egbad.service.logs import make_logger
from egbad.service.server import Listen
from tests.service.conftest import numbers, running


@pytest.mark.parametrize("path", ["/v1/models", "/nothing", "/v1/models/nothing"])
def test_all_answers_have_security_headers(client, path):
    headers = client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert headers["cache-control"] == "no-store" and "server" not in headers


def test_a_request_id_is_repeated_or_made(client):
    assert client.get("/v1/models", headers={"x-request-id": "a-1"}).headers["x-request-id"] == "a-1"
    for given in ("", "a b", "x" * 65, "é"):
        made = client.get("/v1/models", headers={"x-request-id": given.encode()}).headers["x-request-id"]
        assert made != given and len(made) == 32


def test_unknown_pages_and_methods_are_problems(client):
    for response, status in ((client.get("/nothing"), 404), (client.put("/v1/models"), 405)):
        assert response.status_code == status == response.json()["status"]
        assert response.headers["content-type"] == "application/problem+json"


def test_logs_hold_ids_and_no_rows(models, capfd):
    row = {"x": 12345.678, "y": 1.0, "z": 2.0, "id": "secret-key"}
    with running([models / "numbers.egbad"]) as server, server.client() as client:
        client.post("/v1/models/numbers/score", json={"rows": [row]}, headers={"x-request-id": "log-1"})
        client.get("/v1/secret-path")
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    (line,) = [line for line in lines if line.get("request_id") == "log-1"]
    assert (line["route"], line["name"], line["status"]) == ("/v1/models/{name}/score", "numbers", 200)
    assert "secret" not in json.dumps(lines) and "12345" not in json.dumps(lines)


def test_text_logs_are_lines(capfd):
    make_logger("text").info("serving", port=1)
    assert "serving" in capfd.readouterr().err


def test_a_bug_is_answered_without_a_traceback(server, monkeypatch):
    def fail(items):
        raise RuntimeError("internal detail")

    monkeypatch.setattr(server.service.registry.find("exported").batcher, "_process", fail)
    with server.client() as client:
        response = client.post("/v1/models/exported/score", json={"rows": numbers(1, 0).to_numpy().tolist()})
    assert response.status_code == 500 and response.headers["content-type"] == "application/problem+json"
    assert "internal detail" not in response.text and response.headers["x-request-id"]


def test_connections_send_the_body_of_an_answer_at_once():
    with Listen(port=0).bind() as listener, socket.create_connection(listener.getsockname()):
        connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
