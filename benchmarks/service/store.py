"""Measure the store of scored items: items appended a second, time until they are acknowledged, and queries.

    python benchmarks/service/store.py /data/reviews.db
    python benchmarks/service/store.py postgresql://root@127.0.0.1:5432/test --items 200000

The store must be new: its items are those of the benchmark. An append is acknowledged once its transaction is on the disk.
Throughput is measured with calls of several sizes, up to a number of calls at a time; latency with one call at a time, and
with one hundred calls a second of ten items while nothing else happens. `payload` is the size of the row that is kept, and CPU
that of this process.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from threading import Semaphore
from typing import Any

import numpy as np

from egbad.service.store import ItemFilter, ScoredItem, Store, open_store

START = datetime(2026, 1, 1, tzinfo=UTC)
IN_FLIGHT = 64  # calls that are not acknowledged yet, while throughput is measured
FLAGGED = 0.01  # share of items
LATENCY_CALLS = 300


def make_items(n: int, first: int, payload: int) -> list[ScoredItem]:
    """Return n items, one a second, with a row of some bytes if payload is not 0."""
    scores = np.random.default_rng(first).exponential(size=n)
    p_values = np.exp(-scores)
    row = {"payload": b"x" * payload, "media_type": "application/json"} if payload else {}
    return [
        ScoredItem(
            time=START + timedelta(seconds=first + i),
            request_id=f"request {first}",
            model="payments",
            version="1",
            digest="0" * 64,
            key=f"row {first + i}",
            score=float(scores[i]),
            p_value=float(p_values[i]),
            flagged=bool(p_values[i] <= FLAGGED),
            alpha=FLAGGED,
            **row,
        )
        for i in range(n)
    ]


def throughput(store: Store, n: int, size: int, payload: int, first: int) -> dict[str, Any]:
    """Append n items in calls of a size, and return the items a second."""
    calls = [make_items(size, first + i, payload) for i in range(0, n, size)]
    free = Semaphore(IN_FLIGHT)
    started, computed = time.perf_counter(), time.process_time()
    futures = []
    for items in calls:
        free.acquire()
        future = store.append(items)
        future.add_done_callback(lambda _: free.release())
        futures.append(future)
    for future in futures:
        future.result()
    seconds = time.perf_counter() - started
    computed = time.process_time() - computed
    return {
        "measured": "throughput",
        "items": n,
        "call": size,
        "payload": payload,
        "per_second": round(n / seconds),
        "cpu_us_per_item": round(1e6 * computed / n, 1),
    }


def latency(store: Store, size: int, pause: float, first: int) -> dict[str, Any]:
    """Append calls with a pause between them, or each after the one before, and return the time to acknowledgement."""
    times, waiting = list[float](), list[Future[None]]()

    def append(items: list[ScoredItem]) -> Future[None]:
        called = time.perf_counter()
        future = store.append(items)
        future.add_done_callback(lambda _: times.append(time.perf_counter() - called))
        return future

    for i in range(LATENCY_CALLS):
        waiting.append(append(make_items(size, first + i * size, 0)))
        if pause:
            time.sleep(pause)
        else:
            waiting[-1].result()
    for future in waiting:
        future.result()
    cuts = statistics.quantiles(times, n=100)
    milliseconds = {f"p{q}_ms": round(1000 * cuts[q - 1], 2) for q in (50, 95, 99)}
    return {"measured": "latency", "call": size, "calls_per_second": round(1 / pause) if pause else None} | milliseconds


def query(store: Store, name: str, run: Callable[[], object]) -> dict[str, Any]:
    """Return the median time of a query."""
    times = []
    for _ in range(5):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    n = sum(model.scored for model in store.models())
    return {"measured": "query", "query": name, "stored": n, "median_ms": round(1000 * statistics.median(times), 2)}


def main() -> None:
    """Run all measurements and print one JSON line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", help="a new SQLite file or a URL")
    parser.add_argument("--items", type=int, default=100_000, help="items of a measurement of throughput")
    arguments = parser.parse_args()
    n = arguments.items
    with open_store(arguments.store, keep=True) as store:
        kind = "postgresql" if "://" in store.name else "sqlite"

        def report(line: dict[str, Any]) -> None:
            print(json.dumps({"store": kind} | line), flush=True)

        for i, (size, payload, share) in enumerate([(1, 0, 0.2), (100, 0, 1), (1000, 0, 1), (100, 1000, 0.5)]):
            report(throughput(store, int(n * share), size, payload, i * n))
        report(latency(store, 1, 0.0, 5 * n))
        report(latency(store, 10, 0.01, 6 * n))
        report(query(store, "first page, newest", store.queue))
        report(query(store, "first page, highest score", lambda: store.queue("score")))
        report(query(store, "counts by day", lambda: store.counts("day")))
        report(query(store, "scores of all items", lambda: store.arrivals(ItemFilter(model="payments"))))


if __name__ == "__main__":
    main()
