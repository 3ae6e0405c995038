"""Ten million rows of KDD99's shape: seconds and memory of `egbad fit`, and of `egbad score` from Parquet to Parquet.

    python benchmarks/speed/large.py --rows 10000000

The rows are KDD99's, each column moved by a little noise, written once to the folder of temporary files.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from check import peak

from egbad import datasets, load
from egbad.benchmark import protocols

A_PART = 100_000  # rows that are made, and written, at once


def write(path: Path, known: np.ndarray, n: int) -> None:
    """n rows near known ones (m, d)."""
    rng, names = np.random.default_rng(0), [f"c{i}" for i in range(known.shape[1])]
    noise = 0.01 * known.std(axis=0)
    with pq.ParquetWriter(path, pa.schema([(name, pa.float32()) for name in names])) as writer:
        for start in range(0, n, A_PART):
            x = known[rng.integers(len(known), size=min(A_PART, n - start))]
            x = (x + noise * rng.normal(size=x.shape)).astype(np.float32)
            writer.write_table(pa.table(dict(zip(names, x.T, strict=True))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    options = parser.parse_args()
    split = protocols.kdd99(datasets.load("kdd99"))
    known = split.x_train[:20_000]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for n in (options.rows // 10, options.rows):
            data, out = folder / "rows.parquet", folder / "scores.parquet"
            write(data, known, n)
            started = time.perf_counter()
            learning = peak(["fit", str(data), "--out", str(folder / "m.egbad"), "--detector", "egbad", "--quiet"])
            learned = time.perf_counter() - started
            started = time.perf_counter()
            bytes_ = peak(["score", str(folder / "m.egbad"), str(data), "--out", str(out)])
            took = time.perf_counter() - started
            first = pq.ParquetFile(data).read_row_group(0).to_pandas()
            scores = pq.read_table(out)["score"].to_numpy()
            assert len(scores) == n
            ours = load(folder / "m.egbad").anomaly_score(first)
            assert np.array_equal(scores[: len(ours)], ours), "a row's score depends on nothing but the row"
            line = {
                "rows": n,
                "data_gib": data.stat().st_size / 2**30,
                "fit_seconds": learned,
                "fit_peak_gib": learning / 2**30,
                "seconds": took,
                "rows_per_second": n / took,
                "peak_gib": bytes_ / 2**30,
            }
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
