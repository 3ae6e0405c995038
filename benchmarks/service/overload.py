"""Measure `egbad serve` under load: twice its top rate, latency at 70 % of it, a soak, and the replacement of a model.

    python benchmarks/service/overload.py --out benchmarks/results/service/overload.jsonl
    python benchmarks/service/overload.py --out benchmarks/results/service/overload.jsonl --phases soak --minutes 30

The top rate is that of a closed loop. Then requests are sent at a fixed rate, however slow the answers are, and their latencies
count from the time that they were due. Every accepted answer is compared with the scores of the library, bit for bit. The client
runs beside the service on the same cores.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from client import (
    JSON,
    PARQUET,
    Answer,
    Found,
    Server,
    closed_loop,
    json_body,
    open_loop,
    parquet_body,
    post,
    process,
    recorder,
    send_once,
    table,
)

from egbad import load
from egbad.detectors.registry import create

PHASES = ("overload", "latency", "soak", "swap")
BATCH_ROWS = 1_000
BODIES = 8  # different requests of a kind
SHARE = 0.7  # of the top rate
SAMPLE_SECONDS = 1.0  # between two looks at the memory
SWAP_SECONDS = 0.5  # between two models
PATH = "/v1/models/rows/score"


@dataclass
class Workload:
    """Requests of one kind, and the scores of the library for each.

    Attributes
    ----------
    kind : str
    requests : list of bytes
    scores : list of list of list of float
        For each model and each request the scores that are right.
    rows : int
        Of a request.
    connections : int
        Of a closed loop.
    """

    kind: str
    requests: list[bytes]
    scores: list[list[list[float]]]
    rows: int
    connections: int
    _known: set[tuple[int, bytes]] = field(default_factory=set)

    def check(self, index: int, answer: Answer) -> str | None:
        """Return "wrong" for an accepted answer with other scores, and "no Retry-After" for a refusal without it."""
        if answer.status == 503:
            return None if b"retry-after:" in answer.head.lower() else "503 without Retry-After"
        if answer.status != 200 or (index, answer.body) in self._known:
            return None
        found = [row["score"] for row in json.loads(answer.body)["results"]]
        if not any(found == right[index] for right in self.scores):
            return "wrong scores"
        if len(self._known) < 4 * BODIES:  # the same bytes need no second look: two files, each with two versions
            self._known.add((index, answer.body))
        return None


def workloads(models: Sequence[Path]) -> tuple[Workload, Workload]:
    """Return requests of one row as JSON, and of a thousand as Parquet."""
    scorers = [load(path) for path in models]

    def make(kind: str, frames: Sequence[pd.DataFrame], connections: int) -> Workload:
        if kind == "single rows":
            requests = [post(PATH, json_body(frame), JSON) for frame in frames]
        else:
            requests = [post(PATH, parquet_body(frame), PARQUET) for frame in frames]
        scores = [[scorer.anomaly_score(frame).tolist() for frame in frames] for scorer in scorers]
        return Workload(kind, requests, scores, len(frames[0]), connections)

    single = make("single rows", [table(1, seed) for seed in range(BODIES)], 64)
    return single, make("1,000 rows as Parquet", [table(BATCH_ROWS, seed) for seed in range(BODIES)], 8)


@dataclass
class MemoryLog:
    """Memory and open files of the service, looked at again and again.

    Attributes
    ----------
    server : Server
    seconds : float
        Between two looks.
    """

    server: Server
    seconds: float = SAMPLE_SECONDS
    samples: list[float] = field(default_factory=list)

    async def watch(self) -> None:
        """Look until the task is cancelled."""
        while True:
            self.samples.append(self.server.memory_mib())
            await asyncio.sleep(self.seconds)

    def line(self) -> dict[str, Any]:
        """Return the memory at the beginning and end, its highest value, and the growth per hour of its last two thirds."""
        late = self.samples[len(self.samples) // 3 :]
        hours = np.arange(len(late)) * self.seconds / 3600
        growth = float(np.polyfit(hours, late, 1)[0]) if len(late) > 2 else 0.0
        names = {
            "first": self.samples[0],
            "highest": max(self.samples),
            "last": self.samples[-1],
            "growth_per_hour": growth,
        }
        return {f"memory_{name}_mib": round(value, 1) for name, value in names.items()}


async def watched(server: Server, load: Any) -> tuple[Found, dict[str, Any]]:
    """Return what a load finds, and the memory of the service meanwhile."""
    log = MemoryLog(server)
    watching = asyncio.ensure_future(log.watch())
    found = await load
    watching.cancel()
    return found, log.line() | {"open_files": server.open_files()}


def top_rate(server: Server, work: Workload, seconds: float) -> float:
    """Return the requests per second of a closed loop."""
    found = asyncio.run(closed_loop(server, work.requests, work.connections, seconds, work.check))
    return found.statuses[200] / found.seconds


def at_rate(server: Server, work: Workload, rate: float, seconds: float) -> dict[str, Any]:
    """Return what a load at a fixed rate finds."""
    found, memory = asyncio.run(watched(server, open_loop(server, work.requests, rate, seconds, work.check)))
    return {"offered_per_second": rate} | found.line() | memory


async def swap(server: Server, work: Workload, files: Sequence[str], seconds: float) -> tuple[Found, int]:
    """Replace the model again and again while requests run, and return what those find and the number of replacements."""
    end, number = time.perf_counter() + seconds, 0

    async def replace_models() -> None:
        nonlocal number
        while time.perf_counter() < end:
            number += 1
            body = {"file": files[number % 2], "name": "rows", "version": str(1 + number // 2 % 2)}
            answer = await send_once(server, post("/v1/admin/models", json.dumps(body).encode(), JSON))
            if answer.status != 201:
                raise SystemExit(f"A model could not be loaded: {answer.body.decode()}")
            await asyncio.sleep(SWAP_SECONDS)

    found, _ = await asyncio.gather(
        closed_loop(server, work.requests, work.connections, seconds, work.check), replace_models()
    )
    return found, number


def measure(arguments: argparse.Namespace) -> None:
    """Fit two models, start the service, and append a line for each measurement."""
    record = recorder(arguments.out, {"benchmark": "overload", "detector": arguments.detector})
    seconds = arguments.seconds
    with tempfile.TemporaryDirectory() as folder:
        files = ["rows.egbad", "other.egbad"]
        for seed, file in enumerate(files):
            create(arguments.detector, alpha=0.01, random_state=seed).fit(table(3_000)).save(Path(folder, file))
        paths = [Path(folder, file) for file in files]
        with process("-m", "egbad", "serve", str(paths[0]), "--models-dir", folder, "--port", "0") as server:
            for work in workloads(paths):
                about = {"kind": work.kind, "rows": work.rows}
                top = top_rate(server, work, min(seconds, 10.0))
                record(**about, phase="top", requests_per_second=top, connections=work.connections)
                if "overload" in arguments.phases:
                    record(**about, phase="overload", top=top, **at_rate(server, work, 2 * top, seconds))
                if "latency" in arguments.phases:
                    record(**about, phase="latency", top=top, **at_rate(server, work, SHARE * top, seconds))
                if "soak" in arguments.phases:
                    record(
                        **about, phase="soak", top=top, **at_rate(server, work, SHARE * top, 60 * arguments.minutes / 2)
                    )
                if "swap" in arguments.phases:
                    found, swaps = asyncio.run(swap(server, work, files, seconds))
                    record(**about, phase="swap", swaps=swaps, **found.line(), memory_last_mib=server.memory_mib())


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each phase except the soak")
    parser.add_argument(
        "--minutes", type=float, default=30.0, help="of the soak, half of them for each kind of request"
    )
    parser.add_argument("--phases", nargs="+", choices=PHASES, default=PHASES)
    parser.add_argument("--detector", default="egbad")
    measure(parser.parse_args())


if __name__ == "__main__":
    main()
