"""Compare `egbad serve` with a bare FastAPI route and with LitServe, which score single rows by the same model.

    python -m venv /tmp/litserve && /tmp/litserve/bin/pip install torch==2.13.0 litserve .
    python benchmarks/service/others.py --out benchmarks/results/service/others.jsonl --litserve /tmp/litserve/bin/python

The services run one at a time, in turn, several rounds, so that other work on the machine affects all. LitServe has one worker
process, batches of at most 256 requests, and waits for them as long as `egbad serve` does by default (5 ms). All scores are
compared with those of the library. The others answer with scores and flags, `egbad serve` also with p-values and terms.
"""

import argparse
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from client import JSON, Answer, Server, closed_loop, json_body, post, process, recorder, send_once, table

from egbad import load
from egbad.detectors.registry import create

CONNECTIONS = (1, 16, 256)
HERE = Path(__file__).parent
START_SECONDS = 300


@contextmanager
def process_on_port(*command: str) -> Iterator[Server]:
    """Start a service that takes its port as the last argument, and yield it once it listens. Its children end with it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([*command, str(port)], start_new_session=True, **quiet) as started:
        try:
            end = time.monotonic() + START_SECONDS
            while not _listens(port):
                if started.poll() is not None or time.monotonic() > end:
                    raise SystemExit(f"The service must start: {' '.join(command)}")
                time.sleep(0.1)
            yield Server(port, started.pid)
        finally:
            os.killpg(started.pid, signal.SIGKILL)  # its worker processes would outlive it


def _listens(port: int) -> bool:
    """Return True if a process accepts connections."""
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


def check_scores(server: Server, path: str, scores: list[float]) -> bool:
    """Return True if the scores of a service are those of the library, bit for bit. Wait until it answers."""
    answer = Answer(0, b"", b"")
    end = time.monotonic() + START_SECONDS
    while answer.status != 200 and time.monotonic() < end:
        answer = asyncio.run(send_once(server, post(path, json_body(table(3)), JSON)))
        time.sleep(0.1)
    return [row["score"] for row in json.loads(answer.body)["results"]] == scores


def measure(arguments: argparse.Namespace) -> None:
    """Fit a model, start the services in turn, and append a line for each measurement."""
    record = recorder(arguments.out, {"benchmark": "other servers", "detector": arguments.detector})
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "rows.egbad"))
        create(arguments.detector, alpha=0.01, random_state=0).fit(table(3_000)).save(path)
        scores = load(path).anomaly_score(table(3)).tolist()
        body = json_body(table(1))
        services: list[tuple[str, Any, str]] = [
            ("egbad serve", lambda: process("-m", "egbad", "serve", path, "--port", "0"), "/v1/models/rows/score"),
            ("bare route", lambda: process(str(HERE / "bare_route.py"), path), "/score"),
        ]
        if arguments.litserve:
            command = (arguments.litserve, str(HERE / "lit_server.py"), path)
            services.append(("LitServe", lambda: process_on_port(*command), "/score"))
        for round_ in range(arguments.rounds):
            for name, start, route in services:
                with start() as server:
                    same = check_scores(server, route, scores)
                    for n in arguments.connections:
                        found = run(server, post(route, body, JSON), n, arguments.seconds)
                        record(service=name, round=round_, connections=n, scores_of_library=same, **found)


def run(server: Server, request: bytes, connections: int, seconds: float) -> dict[str, Any]:
    """Return what a closed loop finds."""
    return asyncio.run(closed_loop(server, [request], connections, seconds)).line()


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, nargs="+", default=CONNECTIONS)
    parser.add_argument("--detector", default="egbad")
    parser.add_argument("--litserve", metavar="PYTHON", help="interpreter of an environment with LitServe and egbad")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    measure(parse(sys.argv[1:]))
