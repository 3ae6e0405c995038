"""Requests beyond a limit, a full queue, and deadlines."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from egbad.errors import InvalidInputError
from egbad.service.limits import Capacity
from egbad.service.problems import ProblemError
from egbad.service.settings import ServiceSettings
from tests.service.conftest import images, numbers, png, running, wait_until

ROWS = numbers(8, 0).to_numpy().tolist()


@pytest.fixture(scope="module")
def small(models):
    """A server with low limits."""
    settings = ServiceSettings(
        max_body=20_000, max_rows=5, max_pixels=1000, queue_rows=6, deadline=1.0, max_explained=2
    )
    with running([models / "numbers.egbad", models / "images.egbad"], settings=settings) as server:
        yield server


@pytest.fixture
def client(small):
    with small.client() as client:
        yield client


def block(server, name):
    """Make the scores of a model wait, and return the event that lets them go on."""
    release, scoring = threading.Event(), server.service.registry.find(name).batcher
    process = scoring._process

    def wait(items):
        assert release.wait(20)
        return process(items)

    scoring._process = wait
    return release, lambda: setattr(scoring, "_process", process)


@pytest.mark.parametrize(
    ("path", "options", "status", "words"),
    [
        ("numbers", {"json": {"rows": ROWS[:6]}}, 413, "at most 5 rows"),
        (
            "numbers",
            {"content": b"x,y,z\n" + b"1,2,3\n" * 6, "headers": {"content-type": "text/csv"}},
            413,
            "at most 5 rows",
        ),
        ("numbers?explain=true", {"json": {"rows": ROWS[:3]}}, 413, "at most 2 rows"),
        ("numbers", {"json": {"rows": ["x" * 20_000]}}, 413, "at most 20,000 bytes"),
        ("images", {"content": png(images(1, 0)[0].repeat(3, 0).repeat(3, 1))}, 400, "at most 1,000 pixels"),
        ("images", {"json": {"images": ["aGk="] * 6}}, 413, "at most 5 images"),
        (
            "numbers",
            {"content": b"", "headers": {"content-type": "text/csv", "content-encoding": "gzip"}},
            415,
            "compressed",
        ),
    ],
)
def test_a_request_beyond_a_limit_is_refused(client, path, options, status, words):
    response = client.post(
        f"/v1/models/{path.replace('?', '/score?') if '?' in path else path + '/score'}",
        **{"headers": {"content-type": "image/png"} if "content" in options else {}, **options},
    )
    assert response.status_code == status and words in response.json()["detail"], response.text


def test_a_body_without_a_length_is_bounded(client):
    response = client.post("/v1/models/numbers/score", content=(b"x" * 1000 for _ in range(100)))
    assert response.status_code == 413


def test_a_full_queue_answers_503_and_every_request_gets_an_answer(small, client):
    release, restore = block(small, "numbers")
    with ThreadPoolExecutor(12) as pool:
        waiting = [pool.submit(client.post, "/v1/models/numbers/score", json={"rows": ROWS[:3]}) for _ in range(2)]
        wait_until(lambda: small.service.capacity.rows == 6)
        refused = client.post("/v1/models/numbers/score", json={"rows": ROWS[:1]})
        release.set()
        answers = [future.result() for future in waiting]
    restore()
    assert refused.status_code == 503 and refused.headers["retry-after"] == "1" and "full" in refused.json()["detail"]
    assert [answer.status_code for answer in answers] == [200, 200]
    wait_until(lambda: (small.service.capacity.rows, small.service.capacity.bytes) == (0, 0))
    assert client.post("/v1/models/numbers/score", json={"rows": ROWS[:1]}).status_code == 200


def test_a_request_beyond_its_deadline_answers_504_and_holds_nothing(small, client):
    release, restore = block(small, "numbers")
    response = client.post("/v1/models/numbers/score", json={"rows": ROWS[:1]})
    assert response.status_code == 504 and "not ready in time" in response.json()["detail"]
    wait_until(lambda: (small.service.capacity.rows, small.service.capacity.bytes) == (0, 0))
    release.set()
    restore()


def test_a_body_that_comes_too_slowly_is_refused(small):
    host, port = small.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(
            b"POST /v1/models/numbers/score HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\nContent-Length: 100\r\n\r\nx"
        )
        assert connection.recv(4096).startswith(b"HTTP/1.1 408")


def test_capacity_counts_what_is_held():
    capacity = Capacity(10, 100)
    with capacity.reserve() as one, capacity.reserve() as two:
        one.add(rows=6, bytes=50)
        with pytest.raises(ProblemError, match="queue is full"):
            two.add(rows=5)
        two.add(rows=4, bytes=50)
        with pytest.raises(ProblemError, match="queue is full"):
            two.add(bytes=1)
    assert (capacity.rows, capacity.bytes) == (0, 0)


def test_the_queue_must_hold_the_largest_request():
    with pytest.raises(InvalidInputError, match="Raise --queue-rows or lower --max-rows"):
        ServiceSettings(max_rows=10, queue_rows=5)
