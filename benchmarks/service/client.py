"""Clients of `egbad serve` over loopback, and processes of services. The other scripts of this folder use them."""

import asyncio
import io
import json
import os
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

COLUMNS = 30
JSON, PARQUET = "application/json", "application/vnd.apache.parquet"
_TICK = 0.002  # seconds between two looks at what an open loop has to send


class Server(NamedTuple):
    """Process of a service, and its port."""

    port: int
    pid: int

    def cpu_seconds(self) -> float:
        """Return the processor time of the process so far, which other work on the machine hardly changes."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mib(self) -> float:
        """Return the memory that the process holds."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def open_files(self) -> int:
        """Return the number of open files and connections."""
        return sum(1 for _ in Path(f"/proc/{self.pid}/fd").iterdir())


@contextmanager
def process(*command: str, executable: str = sys.executable) -> Iterator[Server]:
    """Start a service, and yield its process and the port that its first line of JSON names. It is killed at the end."""
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen([executable, *command], stderr=subprocess.PIPE, env=environment) as started:
        assert started.stderr is not None
        first = started.stderr.readline()
        while first and not first.startswith(b"{"):  # warnings of other libraries
            first = started.stderr.readline()
        # The log is read to the end, so that the service never waits for its reader.
        reader = subprocess.Popen(["cat"], stdin=started.stderr, stdout=subprocess.DEVNULL)
        try:
            yield Server(json.loads(first)["port"], started.pid)
        finally:
            started.kill()
            reader.wait()


def post(path: str, body: bytes, media_type: str, method: str = "POST", **headers: str) -> bytes:
    """Return a request. Underscores in the names of headers stand for hyphens."""
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    more += f"Content-Type: {media_type}\r\nContent-Length: {len(body)}\r\n"
    return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n".encode() + body


def table(n: int, seed: int | None = None) -> pd.DataFrame:
    """Return rows of random numbers."""
    x = np.random.default_rng(n if seed is None else seed).normal(size=(n, COLUMNS))
    return pd.DataFrame(x, columns=[f"c{j}" for j in range(COLUMNS)])


def json_body(frame: pd.DataFrame) -> bytes:
    """Return rows as a body of JSON."""
    return json.dumps({"rows": frame.to_numpy().tolist()}).encode()


def parquet_body(frame: pd.DataFrame) -> bytes:
    """Return rows as a Parquet file."""
    buffer = io.BytesIO()
    frame.to_parquet(buffer)
    return buffer.getvalue()


class Answer(NamedTuple):
    """Answer to a request. The status is 0 if the connection ended without one."""

    status: int
    head: bytes
    body: bytes


class Connection(asyncio.Protocol):
    """One connection, with at most one request at a time.

    Parameters
    ----------
    done : callable
        Called with the connection and the answer to its request.
    """

    def __init__(self, done: Callable[["Connection", Answer], None]) -> None:
        self._done, self._received = done, bytearray()
        self._transport: asyncio.Transport | None = None
        self.token: Any = None
        self.waits = False

    @property
    def is_open(self) -> bool:
        """True if a request can be sent."""
        return self._transport is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def send(self, request: bytes, token: Any) -> None:
        """Send a request. `token` is kept until it is answered."""
        assert self._transport is not None
        self.token, self.waits = token, True
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Report an answer once it is complete."""
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        if len(body) >= length:
            self._received.clear()
            self._finish(Answer(int(head[9:12]), bytes(head), bytes(body)))

    def connection_lost(self, error: Exception | None) -> None:
        """Report a request that will not be answered."""
        self._transport = None
        if self.waits:
            self._finish(Answer(0, b"", b""))

    def _finish(self, answer: Answer) -> None:
        self.waits = False
        self._done(self, answer)

    def close(self) -> None:
        """End the connection at once."""
        self.waits = False
        if self._transport is not None:
            self._transport.abort()


async def connect(server: Server, done: Callable[[Connection, Answer], None]) -> Connection:
    """Open a connection."""
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(lambda: Connection(done), "127.0.0.1", server.port)
    return connection


async def send_once(server: Server, request: bytes) -> Answer:
    """Send one request over a connection of its own, and return the answer."""
    answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    connection = await connect(server, lambda _, answer: answered.set_result(answer))
    connection.send(request, None)
    answer = await answered
    connection.close()
    return answer


@dataclass
class Found:
    """Statuses and latencies of the answers of a time.

    Attributes
    ----------
    seconds : float
        Duration of the measurement.
    latencies : list of float
        Seconds of each answer with status 200.
    statuses : Counter
        Number of answers by status, 0 for connections that broke off.
    all_answers : int
        With those that came before the measurement began.
    notes : Counter
        Number of answers by what a check has found.
    unsent : int
        Requests that were due but not sent, because all connections waited.
    """

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    all_answers: int = 0
    notes: Counter[str] = field(default_factory=Counter)
    unsent: int = 0

    def line(self) -> dict[str, Any]:
        """Return what was found, for a line of JSON."""
        answers = sum(self.statuses.values())
        quantiles = {f"p{q}_ms": 1000 * float(np.quantile(self.latencies, q / 100)) for q in (50, 99) if self.latencies}
        return {
            "seconds": round(self.seconds, 1),
            "requests_per_second": answers / self.seconds,
            "accepted_per_second": self.statuses[200] / self.seconds,
            **quantiles,
            "statuses": {str(status): n for status, n in sorted(self.statuses.items())},
            **({"checks": dict(self.notes)} if self.notes else {}),
            "failed": answers - self.statuses[200],
            "unsent": self.unsent,
        }


Check = Callable[[int, Answer], str | None]


def no_check(index: int, answer: Answer) -> str | None:
    """Return nothing about an answer."""
    return None


async def closed_loop(
    server: Server, requests: Sequence[bytes], connections: int, seconds: float, check: Check = no_check
) -> Found:
    """Send requests over connections that each send the next one when they have an answer. The first second does not count."""
    found, number = Found(), 0

    def send(connection: Connection) -> None:
        nonlocal number
        number += 1
        connection.send(requests[number % len(requests)], (number % len(requests), time.perf_counter()))

    def done(connection: Connection, answer: Answer) -> None:
        _observe(found, connection, answer, check)
        if connection.is_open:
            send(connection)

    opened = [await connect(server, done) for _ in range(connections)]
    for connection in opened:
        send(connection)
    await asyncio.sleep(min(1.0, seconds / 3))
    found.latencies, found.statuses, found.notes = [], Counter(), Counter()
    started = time.perf_counter()
    await asyncio.sleep(seconds)
    found.seconds = time.perf_counter() - started
    for connection in opened:
        connection.close()
    return found


async def open_loop(
    server: Server,
    requests: Sequence[bytes],
    rate: float,
    seconds: float,
    check: Check = no_check,
    max_connections: int = 1_000,
) -> Found:
    """Send requests at a fixed rate, however slow the answers are. Latencies count from the time that a request was due."""
    found, due = Found(), deque[tuple[int, float]]()
    idle, opened = list[Connection](), list[Connection]()
    opening = set[asyncio.Task[None]]()

    def done(connection: Connection, answer: Answer) -> None:
        _observe(found, connection, answer, check)
        if connection.is_open:
            idle.append(connection)
            send_due()

    def send_due() -> None:
        while due and idle:
            connection = idle.pop()
            if connection.is_open:
                index, when = due.popleft()
                connection.send(requests[index], (index, when))

    async def open_one() -> None:
        connection = await connect(server, done)
        opened.append(connection)
        idle.append(connection)
        send_due()

    started, n = time.perf_counter(), 0
    while (now := time.perf_counter() - started) < seconds:
        while n < now * rate:
            due.append((n % len(requests), started + n / rate))
            n += 1
        send_due()
        for _ in range(min(len(due), max_connections - len(opened) - len(opening), 50)):
            opening.add(task := asyncio.ensure_future(open_one()))
            task.add_done_callback(opening.discard)
        await asyncio.sleep(_TICK)
    found.unsent = len(due)
    due.clear()
    end = time.perf_counter() + 30
    while any(connection.waits for connection in opened) and time.perf_counter() < end:
        await asyncio.sleep(0.01)
    found.seconds = time.perf_counter() - started
    for connection in opened:
        connection.close()
    return found


def _observe(found: Found, connection: Connection, answer: Answer, check: Check) -> None:
    """Count an answer."""
    index, when = connection.token
    found.statuses[answer.status] += 1
    found.all_answers += 1
    if answer.status == 200:
        found.latencies.append(time.perf_counter() - when)
    note = check(index, answer)
    if note is not None:
        found.notes[note] += 1


def recorder(out: Path, about: Mapping[str, Any]) -> Callable[..., None]:
    """Return a function that prints and appends a line with the facts in `about`, the cores and the load of the machine."""
    out.parent.mkdir(parents=True, exist_ok=True)

    def record(**found: Any) -> None:
        line = json.dumps({**about, "cores": os.cpu_count(), "load": os.getloadavg()[0], **found})
        print(line, flush=True)
        with out.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    return record
