"""Measure time and memory of `egbad fit` and `egbad score` on ten million rows, Parquet to Parquet.

    python benchmarks/speed/large.py --rows 10000000 --curve docs/images/memory.png

The rows are KDD99's with a little noise, written to a temporary folder.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from egbad import datasets, load
from egbad.benchmark import protocols

BATCH_ROWS = 100_000  # rows written at once
POLL_SECONDS = 0.2  # between readings of the memory of a process
Curve = list[tuple[float, float]]  # seconds since the start, GiB


def write(path: Path, known: np.ndarray, n: int) -> None:
    """Write n rows near known ones (m, d)."""
    rng, names = np.random.default_rng(0), [f"c{i}" for i in range(known.shape[1])]
    noise = 0.01 * known.std(axis=0)
    with pq.ParquetWriter(path, pa.schema([(name, pa.float32()) for name in names])) as writer:
        for start in range(0, n, BATCH_ROWS):
            x = known[rng.integers(len(known), size=min(BATCH_ROWS, n - start))]
            x = (x + noise * rng.normal(size=x.shape)).astype(np.float32)
            writer.write_table(pa.table(dict(zip(names, x.T, strict=True))))


def memory_curve(arguments: list[str]) -> Curve:
    """Run an `egbad` command and return its memory over time."""
    found: Curve = []
    page, started = resource.getpagesize(), time.perf_counter()
    process = subprocess.Popen([str(Path(sys.executable).with_name("egbad")), *arguments], stderr=subprocess.DEVNULL)
    while process.poll() is None:
        resident = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * page
        found.append((time.perf_counter() - started, resident / 2**30))
        time.sleep(POLL_SECONDS)
    if process.returncode:
        raise SystemExit(f"egbad {arguments[0]} ended with {process.returncode}.")
    return found


def peak(curve: Curve) -> float:
    """Return the largest memory of a curve in GiB."""
    return max(gib for _, gib in curve)


def draw(path: Path, curves: dict[str, dict[int, Curve]]) -> None:
    """Draw memory over time, by command and number of rows."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(curves), figsize=(9, 3), sharey=True, layout="constrained")
    for axis, (command, by_rows) in zip(axes, curves.items(), strict=True):
        for (n, curve), style in zip(by_rows.items(), ("--", "-"), strict=True):
            axis.plot(*zip(*curve, strict=True), style, color="#1f5fa8", label=f"{n / 1e6:g} million rows")
        axis.set(title=command, xlabel="seconds", ylim=(0, 1.6))
        axis.spines[["top", "right"]].set_visible(False)
        axis.axhline(1.5 if "fit" in command else 1.2, color="#b0552b", linewidth=1)
    axes[0].set_ylabel("memory, GiB")
    axes[0].legend(frameon=False, loc="lower right")
    figure.savefig(path, dpi=110)


def main() -> None:
    """Print one JSON line per number of rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--curve", type=Path, help="a .png file for memory over time")
    options = parser.parse_args()
    curves: dict[str, dict[int, Curve]] = {"egbad fit": {}, "egbad score": {}}
    split = protocols.kdd99(datasets.load("kdd99"))
    known = split.x_train[:20_000]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for n in (options.rows // 10, options.rows):
            data, out = folder / "rows.parquet", folder / "scores.parquet"
            write(data, known, n)
            started = time.perf_counter()
            fitting = memory_curve(
                ["fit", str(data), "--out", str(folder / "m.egbad"), "--detector", "egbad", "--quiet"]
            )
            learned = time.perf_counter() - started
            started = time.perf_counter()
            scoring = memory_curve(["score", str(folder / "m.egbad"), str(data), "--out", str(out)])
            took = time.perf_counter() - started
            curves["egbad fit"][n], curves["egbad score"][n] = fitting, scoring
            first = pq.ParquetFile(data).read_row_group(0).to_pandas()
            scores = pq.read_table(out)["score"].to_numpy()
            assert len(scores) == n
            ours = load(folder / "m.egbad").anomaly_score(first)
            assert np.array_equal(scores[: len(ours)], ours), "a score must depend on its row alone"
            line = {
                "rows": n,
                "data_gib": data.stat().st_size / 2**30,
                "fit_seconds": learned,
                "fit_peak_gib": peak(fitting),
                "seconds": took,
                "rows_per_second": n / took,
                "peak_gib": peak(scoring),
            }
            print(json.dumps(line), flush=True)
    if options.curve is not None:
        draw(options.curve, curves)


if __name__ == "__main__":
    main()
