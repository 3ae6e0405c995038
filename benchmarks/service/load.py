"""Measure requests per second and latency of `egbad serve` over loopback, beside a bare FastAPI route and the library.

    python benchmarks/service/load.py --out benchmarks/results/service/load.jsonl --seconds 5

This process is the client. The services run in processes of their own. The bare route parses one row with pydantic and scores
it by `anomaly_score` in FastAPI's thread pool, without batches.
"""

import argparse
import asyncio
import io
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from client import JSON, PARQUET, Server, closed_loop, json_body, parquet_body, post, process, recorder, table
from PIL import Image

from egbad import load
from egbad.detectors.registry import create

CONNECTIONS = (1, 16, 256)
BATCH_ROWS = 1_000
SIDES = (28, 256)
HERE = Path(__file__).parent


def run_load(server: Server, request: bytes, connections: int, seconds: float) -> dict[str, Any]:
    """Return requests per second, and quantiles of the latency in milliseconds."""
    cpu = server.cpu_seconds()
    found = asyncio.run(closed_loop(server, [request], connections, seconds))
    cpu = server.cpu_seconds() - cpu
    if not found.latencies:
        raise SystemExit(f"No answer came within {seconds} seconds. Choose more --seconds.")
    line = found.line()
    return line | {"cpu_ms_per_request": 1000 * cpu / found.all_answers}


def library_rows(path: Path, frame: pd.DataFrame, seconds: float) -> float:
    """Return the rows per second of processor time of the library, for batches in memory."""
    scorer, x = load(path), frame.to_numpy()
    scorer.score_terms(frame)
    started, cpu, n = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - started < seconds:
        scorer.score_terms(pd.DataFrame(x, columns=frame.columns))
        n += len(x)
    return n / (time.process_time() - cpu)


def noise(n: int, side: int) -> np.ndarray[Any, Any]:
    """Return grey images of random pixels."""
    return np.random.default_rng(side).integers(0, 256, size=(n, side, side)).astype(np.uint8)


def png(image: np.ndarray[Any, Any]) -> bytes:
    """Return an image as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def measure(out: Path, seconds: float, detector: str, connections: Sequence[int]) -> None:
    """Fit models, start services, and append a line for each measurement."""
    record = recorder(out, {"benchmark": "service", "detector": detector})

    def run(kind: str, service: str, server: Server, request: bytes, connections: int, rows: int = 1) -> None:
        found = run_load(server, request, connections, seconds)
        rate = rows * found["requests_per_second"]
        record(kind=kind, service=service, connections=connections, **found, rows_per_second=rate)

    with tempfile.TemporaryDirectory() as folder:
        rows_path = Path(folder, "rows.egbad")
        create(detector, alpha=0.01, random_state=0).fit(table(3_000)).save(rows_path)
        image_paths = [Path(folder, f"images{side}.egbad") for side in SIDES]
        for side, path in zip(SIDES, image_paths, strict=True):
            create("pca", alpha=0.05, random_state=0).fit(noise(300, side)).save(path)
        batch = table(BATCH_ROWS)
        row = json_body(table(1))
        with process("-m", "egbad", "serve", str(rows_path), *map(str, image_paths), "--port", "0") as server:
            for n in connections:
                run("single row", "egbad serve", server, post("/v1/models/rows/score", row, JSON), n)
            for kind, body, media_type in (("JSON", json_body(batch), JSON), ("Parquet", parquet_body(batch), PARQUET)):
                request = post("/v1/models/rows/score", body, media_type)
                run(f"rows as {kind}", "egbad serve", server, request, 4, BATCH_ROWS)
            for side in SIDES:
                request = post(f"/v1/models/images{side}/score", png(noise(1, side)[0]), "image/png")
                run(f"image {side} x {side}", "egbad serve", server, request, 16)
        with process(str(HERE / "bare_route.py"), str(rows_path)) as server:
            for n in connections:
                run("single row", "bare route", server, post("/score", row, JSON), n)
        rate = library_rows(rows_path, batch, seconds)
        record(kind="rows in memory", service="library", connections=0, rows_per_cpu_second=rate)


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
