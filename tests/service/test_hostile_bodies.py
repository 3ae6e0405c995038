"""Hundreds of hostile requests, or ten thousand, leave the service as it was."""

import json
import random
import socket
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.service.conftest import numbers, wait_until
from tests.service.hostile_bodies import HostileBodies
from tests.service.processes import service_process

DEADLINE, PATIENCE = 30, 120  # seconds, of which nothing should take more than a few
CONNECTIONS = 8
GOOD = {"rows": numbers(50, 1).to_numpy().tolist()}
MIB = 2**20
GROWTH = 100 * MIB  # of memory after the first requests, with which the buffers of all kinds have their largest size
FIRST = 1_000  # requests, or all but a hundred


@pytest.fixture
def service(models, tmp_path):
    paths = [models / name for name in ("numbers.egbad", "table.egbad", "images.egbad")]
    (tmp_path / "files").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(tmp_path / "files"))
        with service_process(tmp_path / "log", *paths, "--deadline", DEADLINE) as service:
            yield service


BROKEN = {"wrong_length", "chunks", "headers"}  # kinds that may promise more than they send


def exchange(port, kind, request):
    """Send a request, and return the status of the answer, 0 if the service closed the connection without one."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        try:
            connection.sendall(request)
            if kind in BROKEN:
                connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(65_536)
        except (ConnectionResetError, BrokenPipeError):  # it has read enough
            return 0
        return int(answer[9:12]) if answer else 0


def memory(service):
    """Bytes of memory that the process holds."""
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def send_all(service, bodies, n):
    """Send requests over several connections at a time, and count the statuses of each kind."""
    found = Counter()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        sent = [bodies.make() for _ in range(n)]
        statuses = pool.map(lambda made: exchange(service.port, *made), sent)
        for (kind, request), status in zip(sent, statuses, strict=True):
            assert status < 500 or status in (503, 504), (kind, status, request[:2_000])
            found[kind, status] += 1
    return found


def check_hostile_bodies(service, n, tmp_path):
    bodies = HostileBodies(random.Random(n))
    with service.client() as client:
        before = client.post("/v1/models/numbers/score", json=GOOD).json()
        files = len([*Path(f"/proc/{service.process.pid}/fd").iterdir()])
        found, first = Counter(), min(FIRST, n - 100)
        for sent in range(0, n, 100):
            if sent == first:
                start = memory(service)
            found += send_all(service, bodies, 100)
        assert service.process.poll() is None, service.log_path.read_text()[-5_000:]
        wait_until(lambda: "egbad_held_bytes 0.0" in client.get("/metrics").text, PATIENCE)
        assert "egbad_held_rows 0.0" in client.get("/metrics").text
        wait_until(lambda: len([*Path(f"/proc/{service.process.pid}/fd").iterdir()]) <= files + 2, PATIENCE)
        assert client.post("/v1/models/numbers/score", json=GOOD).json() == before
    assert memory(service) < start + GROWTH, (start, memory(service))
    assert [*(tmp_path / "files").iterdir()] == []
    log = [json.loads(line) for line in service.log_path.read_text().splitlines()]
    assert not [line for line in log if line["level"] == "error" or "exception" in line]
    # The requests reach what they are for: some of each kind are read, and refused for what they say.
    assert {kind for kind, status in found if status in (200, 400, 413, 415)} == {
        kind.__name__ for kind in bodies.kinds
    }


def test_hostile_bodies(service, tmp_path):
    check_hostile_bodies(service, 300, tmp_path)


@pytest.mark.slow
def test_ten_thousand_hostile_bodies(service, tmp_path):
    check_hostile_bodies(service, 10_000, tmp_path)
