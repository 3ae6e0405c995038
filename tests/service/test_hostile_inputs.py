"""Nothing that a client sends ends the service, makes it hang, or gives a status from 500, except 503 and 504."""

import json
import random
import socket
import time
import zipfile
import zlib

import pyarrow as pa
import pytest

from tests.fuzz.targets import csv_files, images, json_lines, parquet_files
from tests.service.conftest import images as make_images
from tests.service.conftest import numbers, png
from tests.service.hostile_bodies import BINARY, CSV, JSON, PARQUET, ZIP, parquet, pixel_bomb, zip_of
from tests.service.processes import service_process

DEADLINE = 5.0
GOOD = {"rows": numbers(3, 0).to_numpy().tolist()}


@pytest.fixture(scope="module")
def service(models, tmp_path_factory):
    log = tmp_path_factory.mktemp("hostile") / "log"
    paths = [models / name for name in ("numbers.egbad", "table.egbad", "images.egbad")]
    with service_process(log, *paths, "--deadline", DEADLINE) as service:
        yield service
        assert service.process.poll() is None, log.read_text()
        assert "Traceback" not in log.read_text() and '"error"' not in log.read_text()


@pytest.fixture(scope="module")
def client(service):
    with service.client() as client:
        yield client


def send(client, path, content, headers):
    """Send a body, and check that the answer is a score or one sentence that comes in time."""
    headers = {"content-type": headers} if isinstance(headers, str) else headers
    started = time.monotonic()
    response = client.post(path, content=content, headers=headers)
    assert time.monotonic() - started < 4 * DEADLINE
    assert response.status_code < 500 or response.status_code in (503, 504), (path, response.text)
    if response.status_code >= 400:
        assert response.headers["content-type"] == "application/problem+json", response.text
        detail = response.json()["detail"]
        assert detail and "Traceback" not in detail and "\n" not in detail and "/tmp" not in detail
    return response


@pytest.fixture(autouse=True)
def still_answers(client):
    """Check after each test that the service still scores."""
    yield
    assert client.post("/v1/models/numbers/score", json=GOOD).status_code == 200


@pytest.mark.parametrize("seed", range(3))
def test_random_bytes(client, seed):
    rng = random.Random(seed)
    for path in ("/v1/models/numbers/score", "/v1/models/images/score", "/v2/models/table/infer"):
        for media_type in (JSON, CSV, ZIP, PARQUET, BINARY, "image/png", "text/tab-separated-values"):
            content = rng.randbytes(rng.choice((0, 1, 10, 1000)))
            response = send(client, path, content, media_type)
            # A few bytes may be a table of one column, and are refused all the same.
            assert response.status_code in (400, 413, 415)


@pytest.mark.parametrize(
    ("target", "path", "media_type"),
    [
        (csv_files, "/v1/models/table/score", CSV),
        (parquet_files, "/v1/models/table/score", PARQUET),
        (images, "/v1/models/images/score", "image/png"),
        (json_lines, "/v1/models/table/score", JSON),
    ],
)
def test_damaged_files(client, target, path, media_type):
    rng, seeds = random.Random(0), target.seeds()
    for i in range(20):
        send(client, path, target.mutate(seeds[i % len(seeds)], rng), media_type)


@pytest.mark.parametrize("kind", ["score", "infer", "parquet", "zip"])
def test_damaged_good_bodies(client, kind):
    rows = {"name": "rows", "shape": [3, 3], "datatype": "FP64", "data": GOOD["rows"]}
    body, path, media_type = {
        "score": (json.dumps(GOOD).encode(), "/v1/models/numbers/score", JSON),
        "infer": (json.dumps({"inputs": [rows]}).encode(), "/v2/models/numbers/infer", JSON),
        "parquet": (parquet(pa.Table.from_pandas(numbers(20, 0))), "/v1/models/numbers/score", PARQUET),
        "zip": (zip_of(*map(png, make_images(3, 0))), "/v1/models/images/score", ZIP),
    }[kind]
    rng = random.Random(1)
    for _ in range(20):
        damaged = bytearray(body)
        for _ in range(rng.choice((1, 2, 8))):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        if rng.random() < 0.2:
            del damaged[rng.randrange(len(damaged)) :]
        send(client, path, bytes(damaged), media_type)


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100_000,
        b'{"rows":' * 50_000,
        b'{"rows": [' + b"[" * 900 + b"]" * 900 + b"]}",
        b'{"rows": [{"x": ' + b'{"y":' * 900 + b"1" + b"}" * 900 + b"}]}",
        b'{"rows": [[1' + b"0" * 5000 + b", 1, 1]]}",
        b'{"rows": [[1' + b"0" * 400 + b", 1, 1]]}",
        b'{"rows": [[1e999, 1, 1]]}',
        b'{"rows": [[NaN, Infinity, -Infinity]]}',
        b'{"rows": [[1e308, -1e308, 1e308]]}',
        b'{"rows": [["\\ud800", 1, 1]]}',
        b'{"rows": [{"x": 1, "x": 2, "y": 1, "z": 1}]}',
        b'{"rows": [{"\\ud800": 1, "x": 1, "y": 1, "z": 1, "id": "\\ud800"}]}',
        b'{"rows": [{"id": [1], "x": 1, "y": 1, "z": 1}]}',
        b'{"rows": [{"id": 1e999, "x": 1, "y": 1, "z": 1}]}',
        b'{"rows": {"x": 1}}',
        b'{"rows": [[[1], [2], [3]]]}',
        b'{"rows": [null, true, 3]}',
        b'{"rows": [[1,2,3]], "rows": [[1,2,3]]}',
        b'{"rows": ["' + b"x" * 1_000_000 + b'"]}',
        b"\xff\xfe{}",
        b'"\\u0000"',
        b'{"images": [1, null, {}]}',
    ],
    ids=lambda content: content[:30].decode("latin-1"),
)
def test_json_values(client, content):
    for path in ("/v1/models/numbers/score", "/v1/models/table/score?explain=true", "/v2/models/numbers/infer"):
        send(client, path, content, JSON)


def test_large_numbers_of_columns_are_refused_or_scored(client):
    for value in ("1e308", "-1.7976931348623157e308", "5e-324", "1e18"):
        for explain in ("", "?explain=true"):
            body = f'{{"rows": [[{value}, {value}, 0], [0, 0, {value}]]}}'.encode()
            send(client, f"/v1/models/numbers/score{explain}", body, JSON)


def test_bombs_of_archives_and_pixels(client):
    path = "/v1/models/images/score"
    assert send(client, path, zip_of(b"\0" * 50_000_000), ZIP).status_code == 413
    assert send(client, path, zip_of(zip_of(b"\0" * 1_000_000)), ZIP).status_code == 400
    assert send(client, path, zip_of(*[b"x"] * 10_001), ZIP).status_code == 413
    assert send(client, path, zip_of(b"x", method=zipfile.ZIP_LZMA), ZIP).status_code == 400
    for size in ((12_000, 9_000), (50_000, 50_000), (2**31 - 1, 2**31 - 1)):
        assert send(client, path, pixel_bomb(*size), "image/png").status_code == 400
        assert send(client, path, zip_of(pixel_bomb(*size)), ZIP).status_code == 400


def test_an_entry_of_an_archive_without_a_name(client):
    content = zip_of(png(make_images(1, 0)[0])).replace(b"0.png", b"\0.png")  # names end at their first zero
    assert send(client, "/v1/models/images/score", content, ZIP).status_code in (200, 400)


def test_bombs_of_tables(client):
    path, n = "/v1/models/table/score", 10_000
    long_text = pa.DictionaryArray.from_arrays(pa.array([0] * n, pa.int32()), ["x" * 1_000_000])
    table = pa.table({"a": [0.0] * n, "city": long_text, "when": [0] * n})
    assert send(client, path, parquet(table), PARQUET).status_code == 413
    many = pa.table({"a": pa.array([0.0]).take(pa.array([0] * 3_000_000))})
    assert send(client, path, parquet(many), PARQUET).status_code == 413
    lists = pa.table({"a": [[0.0] * 100_000], "city": ["x"], "when": ["x"]})
    assert send(client, path, parquet(lists), PARQUET).status_code == 413
    wide = pa.table({f"c{i}": [0.0] for i in range(10_001)})
    assert send(client, path, parquet(wide), PARQUET).status_code == 413
    assert send(client, path, zlib.compress(b"a,b\n" * 10**6, wbits=31), CSV).status_code == 400
    assert send(client, path, b"a," * 100_000 + b"b\n1\n", CSV).status_code == 400
    assert send(client, path, b'a,city,when\n1,"' + b"x" * 10_000_000, CSV).status_code in (400, 413, 504)
    assert send(client, path, b"\n" * 1_000_000, CSV).status_code == 400


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": ""},
        {"content-type": "x" * 5000},
        {"content-type": "application/json; charset=utf-7"},
        {"content-type": "multipart/form-data; boundary=x"},
        {"content-type": "image/svg+xml"},
        {"content-type": JSON, "content-encoding": "gzip"},
        {"content-type": JSON, "content-encoding": "br, gzip"},
        {"content-type": JSON, "x-request-id": "\x7f" * 100},
        {"content-type": BINARY, "inference-header-content-length": "1" * 5000},
        {"content-type": BINARY, "inference-header-content-length": "²"},
    ],
    ids=str,
)
def test_headers(client, headers):
    headers = {name: value.encode("latin-1") for name, value in headers.items()}
    for path in ("/v1/models/numbers/score", "/v2/models/numbers/infer"):
        send(client, path, json.dumps(GOOD).encode(), headers)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/models/%00/score",
        "/v1/models/..%2f..%2fetc%2fpasswd/score",
        "/v1/models/" + "x" * 10_000 + "/score",
        "/v1/models/%ff%fe/score",
        "/v1/models/numbers/versions/%0a/score",
        "/v1/models/numbers/score?explain=%ff&explain=1",
        "/v1/models/numbers/score?" + "a=1&" * 5000,
        "/v2/models/numbers/versions/" + "9" * 5000 + "/infer",
        "//v1/models",
        "/v1/admin/models",
        "/v1/admin/models/x/default",
    ],
    ids=lambda path: path[:40],
)
def test_paths(client, path):
    send(client, path, json.dumps(GOOD).encode(), JSON)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x00" * 100,
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST /v1/models/numbers/score HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/models/numbers/score HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST /v1/models/numbers/score HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n12345",
        b"GET /" + b"x" * 200_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    ],
    ids=lambda request: request[:30].decode("latin-1"),
)
def test_raw_requests(service, request_bytes):
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
        connection.sendall(request_bytes)
        answer = connection.recv(4096)
    assert not answer.startswith((b"HTTP/1.1 500", b"HTTP/1.1 502"))


def test_bodies_that_break_off(service, client):
    head = b"POST /v1/models/numbers/score HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\n"
    connections = [socket.create_connection(("127.0.0.1", service.port), timeout=30) for _ in range(30)]
    for connection in connections:
        connection.sendall(head + b"Content-Length: 100000\r\n\r\nx,y,z\n")
    assert client.post("/v1/models/numbers/score", json=GOOD).status_code == 200
    for connection in connections:
        connection.close()
