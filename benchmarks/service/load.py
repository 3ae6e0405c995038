"""Measure requests per second and latency of `egbad serve` over loopback, beside a bare FastAPI route and the library.

    python benchmarks/service/load.py --out benchmarks/results/service.jsonl --seconds 5

This process is the client. The services run in processes of their own. The bare route parses one row with pydantic and scores
it by `anomaly_score` in FastAPI's thread pool, without batches.
"""

import argparse
import asyncio
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from PIL import Image

from egbad import load
from egbad.detectors.registry import create

COLUMNS = 30
CONNECTIONS = (1, 16, 256)
BATCH_ROWS = 1_000
HERE = Path(__file__).parent
JSON, PARQUET = "application/json", "application/vnd.apache.parquet"


class Connection(asyncio.Protocol):
    """One connection that sends the same request again whenever it has an answer."""

    def __init__(self, request: bytes, results: list[tuple[float, int]]) -> None:
        self.request, self.results = request, results
        self.received = bytearray()
        self.started = 0.0

    def connection_made(self, transport: Any) -> None:
        """Send the first request."""
        self.transport = transport
        self._send()

    def _send(self) -> None:
        self.started = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        """Send the next request once an answer is complete."""
        self.received += data
        head, found, body = self.received.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        if len(body) >= length:
            self.results.append((time.perf_counter() - self.started, int(head[9:12])))
            self.received.clear()
            self._send()


class Server(NamedTuple):
    """Process of a service, and its port."""

    port: int
    pid: int

    def cpu_seconds(self) -> float:
        """Return the processor time of the process so far, which other work on the machine hardly changes."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def post(path: str, body: bytes, media_type: str) -> bytes:
    """Return a request."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {media_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def run_load(server: Server, request: bytes, connections: int, seconds: float) -> dict[str, Any]:
    """Return requests per second, and quantiles of the latency in milliseconds."""
    results: list[tuple[float, int]] = []
    loop = asyncio.get_running_loop()
    opened = [
        await loop.create_connection(lambda: Connection(request, results), "127.0.0.1", server.port)
        for _ in range(connections)
    ]
    await asyncio.sleep(min(1.0, seconds / 3))
    results.clear()
    started, cpu = time.perf_counter(), server.cpu_seconds()
    await asyncio.sleep(seconds)
    elapsed, answers, cpu = time.perf_counter() - started, [*results], server.cpu_seconds() - cpu
    for transport, _ in opened:
        transport.abort()
    if not answers:
        raise SystemExit(f"No answer came within {seconds} seconds. Choose more --seconds.")
    times = np.array([duration for duration, _ in answers])
    return {
        "requests_per_second": len(answers) / elapsed,
        "cpu_ms_per_request": 1000 * cpu / len(answers),
        "p50_ms": 1000 * float(np.quantile(times, 0.5)),
        "p99_ms": 1000 * float(np.quantile(times, 0.99)),
        "failed": sum(status != 200 for _, status in answers),
    }


@contextmanager
def process(*command: str) -> Iterator[Server]:
    """Start a service, and yield its process and the port that its first line of JSON names."""
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen([sys.executable, *command], stderr=subprocess.PIPE, env=environment) as started:
        assert started.stderr is not None
        first = started.stderr.readline()
        # The log is read to the end, so that the service never waits for its reader.
        reader = subprocess.Popen(["cat"], stdin=started.stderr, stdout=subprocess.DEVNULL)
        try:
            yield Server(json.loads(first)["port"], started.pid)
        finally:
            started.kill()
            reader.wait()


def table(n: int) -> pd.DataFrame:
    """Return rows of random numbers."""
    x = np.random.default_rng(n).normal(size=(n, COLUMNS))
    return pd.DataFrame(x, columns=[f"c{j}" for j in range(COLUMNS)])


def library_rows(path: Path, frame: pd.DataFrame, seconds: float) -> float:
    """Return the rows per second of processor time of the library, for batches in memory."""
    scorer, x = load(path), frame.to_numpy()
    scorer.score_terms(frame)
    started, cpu, n = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - started < seconds:
        scorer.score_terms(pd.DataFrame(x, columns=frame.columns))
        n += len(x)
    return n / (time.process_time() - cpu)


def measure(out: Path, seconds: float, detector: str, connections: Sequence[int]) -> None:
    """Fit models, start services, and append a line for each measurement."""
    with tempfile.TemporaryDirectory() as folder:
        rows_path, images_path = Path(folder, "rows.egbad"), Path(folder, "images.egbad")
        create(detector, alpha=0.01, random_state=0).fit(table(3_000)).save(rows_path)
        images = np.random.default_rng(0).integers(0, 256, size=(500, 28, 28)).astype(np.uint8)
        create("pca", alpha=0.05, random_state=0).fit(images).save(images_path)

        def record(kind: str, service: str, connections: int, **found: Any) -> None:
            about = {"benchmark": "service", "kind": kind, "service": service, "connections": connections}
            facts = {"detector": detector, "cores": os.cpu_count(), "load": os.getloadavg()[0]}
            line = json.dumps(about | facts | found)
            print(line, flush=True)
            with out.open("a", encoding="utf-8") as file:
                file.write(line + "\n")

        def run(kind: str, service: str, server: Server, request: bytes, connections: int, rows: int = 1) -> None:
            found = asyncio.run(run_load(server, request, connections, seconds))
            record(kind, service, connections, **found, rows_per_second=rows * found["requests_per_second"])

        one, batch = table(1), table(BATCH_ROWS)
        row = json.dumps({"rows": one.to_numpy().tolist()}).encode()
        with process("-m", "egbad", "serve", str(rows_path), str(images_path), "--port", "0") as server:
            for n in connections:
                run("single row", "egbad serve", server, post("/v1/models/rows/score", row, JSON), n)
            body = json.dumps({"rows": batch.to_numpy().tolist()}).encode()
            run("rows as JSON", "egbad serve", server, post("/v1/models/rows/score", body, JSON), 4, BATCH_ROWS)
            buffer = io.BytesIO()
            batch.to_parquet(buffer)
            body = buffer.getvalue()
            run("rows as Parquet", "egbad serve", server, post("/v1/models/rows/score", body, PARQUET), 4, BATCH_ROWS)
            buffer = io.BytesIO()
            Image.fromarray(images[0]).save(buffer, "PNG")
            request = post("/v1/models/images/score", buffer.getvalue(), "image/png")
            run("image", "egbad serve", server, request, 16)
        with process(str(HERE / "bare_route.py"), str(rows_path)) as server:
            for n in connections:
                run("single row", "bare route", server, post("/score", row, JSON), n)
        record("rows in memory", "library", 0, rows_per_cpu_second=library_rows(rows_path, batch, seconds))


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--detector", default="egbad")
    parser.add_argument("--connections", type=int, nargs="+", default=CONNECTIONS)
    arguments = parser.parse_args()
    measure(arguments.out, arguments.seconds, arguments.detector, arguments.connections)


if __name__ == "__main__":
    main()
