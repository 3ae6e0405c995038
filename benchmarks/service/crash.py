"""Count accepted results that a store loses when the service is killed, or when PostgreSQL stops, under load.

    python benchmarks/service/crash.py --out benchmarks/results/service/crash.jsonl
    python benchmarks/service/crash.py --out benchmarks/results/service/crash.jsonl --postgresql postgresql://root@127.0.0.1/test

Each request has an id of its own. An answer with `"stored": true` promises that all of its rows are in the store; afterwards the
rows are counted by id and their scores compared with those of the answer. Rows of a request without an answer may be there, but
all or none.

The service is killed with SIGKILL and started again on the same store, several times, on SQLite and on PostgreSQL. Then
PostgreSQL is stopped and started while the service runs. PostgreSQL is a new cluster of this script, on a free port, unless
`--postgresql` names a server; that one is not stopped.
"""

import argparse
import asyncio
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from client import JSON, Answer, Connection, Server, connect, json_body, post, process, recorder, table
from sqlalchemy import select

from egbad.detectors.registry import create
from egbad.service.store.database import connect as connect_database
from egbad.service.store.database import parse_url
from egbad.service.store.tables import ItemRow

ROWS = 5  # of a request
CONNECTIONS = 32
PAUSE = 2.0  # seconds that PostgreSQL is away
PATH = "/v1/models/rows/score"


@dataclass
class Promises:
    """Requests that were sent, and what their answers promised.

    Attributes
    ----------
    sent : set of str
        Ids of requests.
    stored : dict of str to list of float
        Scores of answers that are in the store.
    counts : Counter
        Answers by their promise: "stored", "not stored", "not stored, without a warning", "refused", "unanswered".
    """

    sent: set[str] = field(default_factory=set)
    stored: dict[str, list[float]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def keep(self, request_id: str, answer: Answer) -> None:
        """Keep the promise of an answer."""
        if answer.status != 200:
            self.counts["unanswered" if answer.status == 0 else f"status {answer.status}"] += 1
            return
        body = json.loads(answer.body)
        if body["stored"]:
            self.counts["stored"] += 1
            self.stored[request_id] = [row["score"] for row in body["results"]]
        else:
            self.counts["not stored" + ("" if b"warning:" in answer.head.lower() else ", without a warning")] += 1

    def compare(self, store: str) -> dict[str, int]:
        """Return how many promises the store does not keep, and how many requests it holds in part."""
        engine = connect_database(parse_url(store), create=False)
        with engine.connect() as connection:
            chosen = select(ItemRow.request_id, ItemRow.score).order_by(ItemRow.id)
            found: dict[str, list[float]] = {}
            for request_id, score in connection.execute(chosen):
                if request_id in self.sent:
                    found.setdefault(request_id, []).append(score)
        engine.dispose()
        return {
            "promised": len(self.stored),
            "lost": sum(found.get(request_id) != scores for request_id, scores in self.stored.items()),
            "in_part": sum(len(scores) != ROWS for scores in found.values()),
            "found_without_answer": len(found.keys() - self.stored.keys()),
        }


async def send_until(
    server: Server, promises: Promises, event: Callable[[], Awaitable[None]], before: float, after: float
) -> None:
    """Send requests for some seconds before an event and after it, and keep what their answers promise."""
    bodies, ends = [json_body(table(ROWS, seed)) for seed in range(CONNECTIONS)], False

    def send(connection: Connection) -> None:
        request_id = uuid4().hex
        promises.sent.add(request_id)
        body = bodies[len(promises.sent) % len(bodies)]
        connection.send(post(PATH, body, JSON, X_Request_Id=request_id), request_id)

    def done(connection: Connection, answer: Answer) -> None:
        promises.keep(connection.token, answer)
        if connection.is_open and not ends:
            send(connection)

    opened = [await connect(server, done) for _ in range(CONNECTIONS)]
    for connection in opened:
        send(connection)
    await asyncio.sleep(before)
    await event()
    await asyncio.sleep(after)
    ends, limit = True, time.perf_counter() + 30
    while any(connection.waits for connection in opened) and time.perf_counter() < limit:
        await asyncio.sleep(0.05)
    for connection in opened:
        connection.close()


def kill_under_load(command: list[str], store: str, seconds: float, rounds: int) -> dict[str, Any]:
    """Kill the service under load, start it again, and compare the store with the answers, several times."""
    promises, starts = Promises(), list[float]()
    for _ in range(rounds):
        started = time.perf_counter()
        with process(*command, "--store", store) as server:
            starts.append(time.perf_counter() - started)

            async def kill(server: Server = server) -> None:
                os.kill(server.pid, signal.SIGKILL)

            asyncio.run(send_until(server, promises, kill, seconds, 0.5))
    with process(*command, "--store", store):  # it opens the store as it was left
        return {"kills": rounds, "start_seconds": max(starts), "answers": promises.counts, **promises.compare(store)}


def stop_database_under_load(
    command: list[str], store: str, cluster: "Cluster", mode: str, seconds: float
) -> dict[str, Any]:
    """Stop and start PostgreSQL under load, and compare the store with the answers."""
    promises, back = Promises(), list[float]()

    async def stop_and_start() -> None:
        await asyncio.to_thread(cluster.control, "stop", "-m", mode)
        await asyncio.sleep(PAUSE)
        await asyncio.to_thread(cluster.control, "start")
        started, before = time.perf_counter(), promises.counts["stored"]
        while promises.counts["stored"] == before and time.perf_counter() < started + 30:
            await asyncio.sleep(0.01)
        back.append(time.perf_counter() - started)

    with process(*command, "--store", store) as server:
        asyncio.run(send_until(server, promises, stop_and_start, seconds, seconds))
        return {"mode": mode, "back_seconds": back[0], "answers": promises.counts, **promises.compare(store)}


@dataclass
class Cluster:
    """PostgreSQL cluster in a folder.

    Attributes
    ----------
    folder : Path
    binaries : Path
        Folder of `initdb` and `pg_ctl`.
    user : str
        Owner of the processes. PostgreSQL refuses root.
    port : int
    """

    folder: Path
    binaries: Path
    user: str
    port: int

    @property
    def url(self) -> str:
        """URL of its database."""
        return f"postgresql://{self.user}@127.0.0.1:{self.port}/postgres"

    def run(self, program: str, *arguments: str) -> None:
        """Run a program of PostgreSQL as the user."""
        as_user = [] if os.geteuid() else ["runuser", "-u", self.user, "--"]
        command = [*as_user, str(self.binaries / program), "-D", str(self.folder / "data"), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, cwd=self.folder)

    def control(self, *arguments: str) -> None:
        """Start or stop the cluster."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder}"
        more = ("-o", options, "-l", str(self.folder / "log")) if arguments[0] == "start" else ()
        self.run("pg_ctl", "-w", *more, *arguments)


@contextmanager
def new_cluster() -> Iterator[Cluster]:
    """Start a new cluster, and remove it at the end."""
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    found = shutil.which("initdb")
    if not binaries and found is None:
        raise SystemExit(
            "PostgreSQL must be installed, its program initdb was not found. Name a server with --postgresql."
        )
    user = pwd.getpwuid(os.geteuid()).pw_name if os.geteuid() else "postgres"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="egbad-postgresql-") as name:
        folder = Path(name)
        if not os.geteuid():
            shutil.chown(folder, user)
        cluster = Cluster(folder, binaries[-1] if binaries else Path(str(found)).parent, user, port)
        cluster.run("initdb", "-A", "trust", "-U", user)
        cluster.control("start")
        try:
            yield cluster
        finally:
            cluster.control("stop", "-m", "immediate")


def measure(arguments: argparse.Namespace) -> None:
    """Fit a model, and append a line for each experiment."""
    record = recorder(arguments.out, {"benchmark": "crash", "rows": ROWS, "connections": CONNECTIONS})
    seconds, rounds = arguments.seconds, arguments.rounds
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        create("pca", alpha=0.01, random_state=0).fit(table(3_000)).save(folder / "rows.egbad")
        command = ["-m", "egbad", "serve", str(folder / "rows.egbad"), "--port", "0"]
        sqlite = str(folder / "scores.db")
        record(store="SQLite", event="service killed", **kill_under_load(command, sqlite, seconds, rounds))
        cluster = None if arguments.postgresql else stack.enter_context(new_cluster())
        url = arguments.postgresql if cluster is None else cluster.url
        record(store="PostgreSQL", event="service killed", **kill_under_load(command, url, seconds, rounds))
        for mode in ("fast", "immediate") if cluster is not None else ():
            found = stop_database_under_load(command, url, cluster, mode, seconds)
            record(store="PostgreSQL", event="PostgreSQL stopped", **found)


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=10.0, help="of load before an event")
    parser.add_argument("--rounds", type=int, default=10, help="times that the service is killed")
    parser.add_argument("--postgresql", metavar="URL", help="a server, instead of a new cluster")
    measure(parser.parse_args())


if __name__ == "__main__":
    main()
