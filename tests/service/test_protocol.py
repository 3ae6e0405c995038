"""A client cannot make the service keep more than the head of a request, without a token or a body."""

import socket
import time

import pytest

from egbad.service.protocol import MAX_HEAD
from tests.service.conftest import numbers

CHUNKED = (
    b"POST /v1/models/numbers/score HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Type: text/csv\r\nTransfer-Encoding: chunked\r\n\r\n"
)
HEADER = b"X-Y: z\r\n"
STARTS = {
    "address": (b"GET /", b"y"),
    "headers": (b"GET / HTTP/1.1\r\nHost: localhost\r\n", HEADER),
    "header": (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ", b"y"),
    "trailers": (CHUNKED + b"1\r\nx\r\n0\r\n", HEADER),
    "extension": (CHUNKED + b"1;x=", b"y"),
}


def send_without_end(connection, parts):
    """Send parts again and again, and fail after a hundred million bytes."""
    for _ in range(100_000_000 // len(parts)):
        connection.sendall(parts)


@pytest.mark.parametrize("kind", STARTS)
def test_an_endless_head_ends_the_connection(server, kind):
    start, part = STARTS[kind]
    with socket.create_connection(("127.0.0.1", server.socket.getsockname()[1]), timeout=30) as connection:
        connection.sendall(start)
        with pytest.raises(ConnectionError):
            send_without_end(connection, part * (16_384 // len(part)))


def test_a_long_head_is_refused_with_a_sentence(server):
    with socket.create_connection(("127.0.0.1", server.socket.getsockname()[1]), timeout=30) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        end = time.monotonic() + 30
        for _ in range(MAX_HEAD // 1_000 + 2):
            connection.sendall(b"X-Y: " + b"z" * 993 + b"\r\n")
            assert time.monotonic() < end
        answer = connection.recv(4096)
    assert answer.startswith(b"HTTP/1.1 400") and b"at most 65,536 bytes" in answer
    assert b"content-type: application/problem+json" in answer


def test_heads_and_bodies_within_the_limits_are_answered(server, client):
    rows = {"rows": numbers(3_000, 0).to_numpy().tolist()}
    headers = {f"x-{i}": "y" * 1_000 for i in range(50)}
    answers = [client.post("/v1/models/numbers/score", json=rows, headers=headers) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3
    text = numbers(20_000, 0).to_csv(index=False).encode()
    parts = [text[i : i + 7] for i in range(0, 70_000, 7)]  # chunks of seven bytes, more than the limit in all
    answer = client.post(
        "/v1/models/numbers/score", content=iter([*parts, b"\n"]), headers={"content-type": "text/csv"}
    )
    assert answer.status_code in (200, 400) and answer.headers["content-type"].startswith("application/")
