"""Measure `egbad score` from Parquet to a folder of parts: in one process, and with one and two Ray workers.

    python benchmarks/speed/engines.py --rows 4000000

The rows are KDD99's, as in `large.py`. Each engine scores a quarter of the rows and all of them; the difference gives the rate
without start-up. All engines must write the same bytes.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from large import write

from egbad import datasets
from egbad.benchmark import protocols
from egbad.detectors.registry import create

ENGINES = {
    "local": (),
    "ray, 1 worker": ("--engine", "ray", "--workers", "1"),
    "ray, 2 workers": ("--engine", "ray", "--workers", "2"),
}


def seconds(model: Path, data: Path, out: Path, options: tuple[str, ...]) -> float:
    """Return the duration of one command."""
    started = time.perf_counter()
    command = [
        str(Path(sys.executable).with_name("egbad")),
        "score",
        str(model),
        str(data),
        "--out",
        str(out),
        *options,
    ]
    subprocess.run(command, check=True, capture_output=True, env=os.environ | {"RAY_worker_niceness": "0"})
    return time.perf_counter() - started


def main() -> None:
    """Print one JSON line per engine."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=4_000_000)
    options = parser.parse_args()
    split = protocols.kdd99(datasets.load("kdd99"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        create("egbad", training__steps=200, random_state=0).fit(split.x_train[:20_000]).save(folder / "m.egbad")
        parts: dict[int, dict[str, bytes]] = {}
        took: dict[tuple[str, int], float] = {}
        for n in (options.rows // 4, options.rows):
            data = folder / f"{n}.parquet"
            write(data, split.x_train[:20_000], n)
            for engine, given in ENGINES.items():
                out = folder / f"{engine} {n}"
                took[engine, n] = seconds(folder / "m.egbad", data, out, given)
                written = {part.name: part.read_bytes() for part in out.glob("part-*")}
                assert parts.setdefault(n, written) == written, "every engine writes the same bytes"
        few, all_ = options.rows // 4, options.rows
        for engine in ENGINES:
            rate = (all_ - few) / (took[engine, all_] - took[engine, few])
            start = took[engine, all_] - all_ / rate
            line = {
                "engine": engine,
                "rows": all_,
                "seconds": took[engine, all_],
                "rows_per_second": rate,
                "start": start,
            }
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
