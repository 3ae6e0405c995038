"""Compare the search of nearest rows in cells with scikit-learn's search among all rows, on one core.

    python benchmarks/speed/neighbors.py --rows 1000000 --columns 40
    python benchmarks/speed/neighbors.py --rows 10000000 --recall 0.95 --queries 1024

Rows are drawn from 50 groups, each near a surface of eight dimensions ("groups"), or from one normal distribution that fills all
dimensions ("normal"), where cells do not help an exact search. In turns, on the same rows; CPU time. One JSON line for each kind.
With `--recall` the search in cells visits as many of them as find that share of the neighbours of sampled rows.
"""

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.neighbors import NearestNeighbors

from egbad.nn.cells import CellIndex
from egbad.nn.threads import blas_threads

N_GROUPS, N_DIMENSIONS = 50, 8


def draw(kind: str, n: int, d: int) -> np.ndarray:
    """Draw rows (n, d) in single precision."""
    rng = np.random.default_rng(0)
    if kind == "normal":
        return rng.normal(size=(n, d)).astype(np.float32)
    group, x = rng.integers(N_GROUPS, size=n), np.empty((n, d), np.float32)
    for i in range(N_GROUPS):
        own = group == i
        surface = rng.normal(size=(own.sum(), N_DIMENSIONS)) @ rng.normal(size=(N_DIMENSIONS, d))
        x[own] = 3 * rng.normal(size=d) + surface / 2 + 0.05 * rng.normal(size=(own.sum(), d))
    return x


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    """Return the CPU seconds of a function, and its result."""
    started = time.process_time()
    result = function()
    return time.process_time() - started, result


def compare(kind: str, options: argparse.Namespace) -> dict[str, Any]:
    """Return build time, times of a query and their ratio."""
    n, d, n_queries, k = options.rows, options.columns, options.queries, options.neighbors
    x = draw(kind, n + n_queries, d)
    rows, queries = x[:n], x[n:]
    few = queries[: max(1, n_queries // 20)]  # scikit-learn takes as long for each
    build, index = timed(lambda: CellIndex(rows))
    tuning, stated = timed(lambda: index.choose_probes(options.recall, k) if options.recall < 1 else 1.0)
    brute = NearestNeighbors(algorithm="brute").fit(rows)
    ms: dict[str, list[float]] = {"cells": [], "scikit-learn": []}
    for _ in range(options.repeats):
        seconds, found = timed(lambda: index.query(queries, k))
        ms["cells"].append(1000 * seconds / n_queries)
        seconds, expected = timed(lambda: brute.kneighbors(few, k))
        ms["scikit-learn"].append(1000 * seconds / len(few))
    medians = {name: round(float(np.median(values)), 4) for name, values in ms.items()}
    return {
        "kind": kind,
        "rows": n,
        "columns": d,
        "neighbors": k,
        "queries": n_queries,
        "build_seconds": round(build, 2),
        "tuning_seconds": round(tuning, 2),
        "cells_visited": index.n_probes,
        "stated_recall": round(stated, 4),
        "ms_per_query": medians,
        "ratio": round(medians["scikit-learn"] / medians["cells"], 1),
        "recall": round(float(np.mean([len({*a} & {*b}) / k for a, b in zip(found[1], expected[1], strict=False)])), 4),
    }


def main() -> None:
    """Print a line for each kind of rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=40)
    parser.add_argument("--queries", type=int, default=4096)
    parser.add_argument("--neighbors", type=int, default=5)
    parser.add_argument("--recall", type=float, default=1.0)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with blas_threads.single_thread():
        for kind in ("groups", "normal"):
            print(json.dumps(compare(kind, options)), flush=True)


if __name__ == "__main__":
    main()
