"""Measure training and scoring on a GPU, and with --tables the paper's two tables in one go.

    python benchmarks/speed/gpu.py --out benchmarks/results/gpu.jsonl
    EGBAD_DATA=... python benchmarks/speed/gpu.py --tables runs --jobs 5 --out benchmarks/results/gpu.jsonl

Steps a second come from two lengths of one training, so one-off work does not count. Cases alternate and repeat; the lines have
median, minimum and maximum. Operations are multiplications and additions of products and convolutions, from torch's counter,
relative to the rate of one large matrix product on the same GPU.
"""

import argparse
import json
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

import numpy as np
import torch
from growth import random_data
from torch.utils.flop_counter import FlopCounterMode

from egbad import EGBAD
from egbad.benchmark import runner, suites
from egbad.benchmark.jobs import make_jobs
from egbad.benchmark.run_log import RunLog
from egbad.benchmark.suites import Variant
from egbad.errors import CalibrationWarning, HealthWarning
from egbad.nn.precision import matmul_precision
from egbad.training import EarlyStopping, TrainingConfig

REPEATS = 3
ROWS, IMAGES = (121,), (28, 28)
CHUNKS = {"rows": 32_768, "images": 4_096}  # rows or images in one chunk on a GPU
Line = dict[str, Any]


def pixels(n: int) -> np.ndarray:
    """Return images (n, 28, 28) of bytes."""
    return (np.tanh(random_data(n, IMAGES)) * 127 + 128).astype(np.uint8)


def seconds(work: Callable[[], object]) -> float:
    """Return the duration of a call, including its work on the GPU."""
    torch.cuda.synchronize()
    started = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - started


def spread(values: list[float]) -> Line:
    """Return median, minimum and maximum."""
    return {"median": median(values), "least": min(values), "most": max(values)}


def steps(x: np.ndarray, lengths: tuple[int, int], cases: list[Line]) -> Iterator[Line]:
    """Yield the steps a second of each case, from trainings of two lengths."""

    def fit(n: int, case: Line) -> float:
        # discriminator_loss="fm" avoids the memory bank, which is built after training on the CPU.
        return seconds(
            lambda: EGBAD(
                training=TrainingConfig(steps=n, precision=case.get("precision")),
                early_stopping=EarlyStopping(criterion="none"),
                discriminator_loss="fm",
                random_state=0,
                members=case["members"],
            ).fit(x)
        )

    fit(50, cases[0])  # warm-up
    few, many = lengths
    found: list[list[float]] = [[] for _ in cases]
    for _ in range(REPEATS):
        for case, rates in zip(cases, found, strict=True):
            rates.append((many - few) / (fit(many, case) - fit(few, case)))
    for case, rates in zip(cases, found, strict=True):
        yield case | {"steps a second": spread(rates)}


def product_rate(precision: str) -> float:
    """Return the operations a second of one large matrix product."""
    a = torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16 if precision == "bf16" else torch.float32)
    with matmul_precision("float32" if precision == "bf16" else precision, "cuda"):
        for _ in range(3):
            a @ a
        return 10 * 2 * 8192**3 / seconds(lambda: [a @ a for _ in range(10)])


def scoring(fitted_on: np.ndarray, x: np.ndarray, precision: str) -> Line:
    """Measure scoring through `anomaly_score` and by the model alone, and the difference to float32 scores."""
    detector = EGBAD(
        training=TrainingConfig(steps=300), early_stopping=EarlyStopping(criterion="none"), random_state=0
    ).fit(fitted_on)
    exact = detector.anomaly_score(x)
    training = detector.settings_.training.model_copy(update={"precision": precision})
    detector.settings_ = detector.settings_.model_copy(update={"training": training})
    scores = detector.anomaly_score(x)
    public = [len(x) / seconds(lambda: detector.anomaly_score(x)) for _ in range(REPEATS)]
    chunk = CHUNKS[detector.kind_]
    rows = torch.from_numpy(detector.encoder_.encode(x[:chunk])).cuda()[None]
    with torch.no_grad(), matmul_precision(precision, "cuda"):
        with FlopCounterMode(display=False) as counted:
            detector.model_.score_terms(rows)

        def score_repeatedly() -> None:
            for _ in range(50):
                detector.model_.score_terms(rows)

        score_repeatedly()
        alone = [50 * chunk / seconds(score_repeatedly) for _ in range(REPEATS)]
    operations = counted.get_total_flops() / chunk
    rate = product_rate(precision)
    return {
        "precision": precision,
        "a second": spread(public),
        "model alone": spread(alone),
        "operations each": operations,
        "share of a product's rate": median(alone) * operations / rate,
        "product, TFLOP/s": rate / 1e12,
        "largest change of a score": float((np.abs(scores - exact) / np.abs(exact)).max()),
        "median change of a score": float(np.median(np.abs(scores - exact) / np.abs(exact))),
    }


def speeds() -> Iterator[Line]:
    """Yield the lines of training and scoring."""
    rows, images = random_data(100_000, ROWS), pixels(10_000)
    yield from (
        {"what": "training, rows"} | line for line in steps(rows, (300, 1500), [{"members": k} for k in (1, 10, 50)])
    )
    yield from (
        {"what": "training, images"} | line for line in steps(images, (100, 300), [{"members": k} for k in (1, 10)])
    )
    coarse = [{"members": 10, "precision": p} for p in ("tf32", "bf16")]
    yield from ({"what": "training, images"} | line for line in steps(images, (100, 300), coarse))
    for what, few, many in (
        ("rows", rows[:20_000], random_data(2_000_000, ROWS, 1)),
        ("images", images, pixels(60_000)),
    ):
        for precision in ("float32", "tf32", "bf16"):
            yield {"what": f"scoring, {what}"} | scoring(few, many, precision)


def tables(folder: Path, jobs: int) -> Iterator[Line]:
    """Run EGBAD's default on KDD99 with ten seeds and on MNIST with three seeds for each digit left out."""
    started, entry = time.perf_counter(), [Variant("EGBAD", "egbad", {})]
    todo = []
    for suite, seeds in (("mnist", 3), ("kdd99", 10)):
        todo += make_jobs(suites.find_suite(suite, "clean").tasks("clean", None), entry, seeds)
    runs = RunLog(folder)
    runner.run_jobs(todo, runs, n_workers=jobs)
    wall = time.perf_counter() - started
    lines = [line for line in runs.records.values() if line["status"] == "ok"]
    for dataset, metric in (("kdd99", "f1"), ("mnist", "average_precision")):
        own = [line for line in lines if line["dataset"] == dataset]
        values = [line["metrics"]["top"]["f1"] if metric == "f1" else line["metrics"][metric] for line in own]
        fits = [line["seconds"]["fit"] for line in own]
        yield {"what": f"table, {dataset}", "runs": len(own), metric: mean(values), "spread": stdev(values),
               "seconds to fit": spread(fits), "of": len(todo)}  # fmt: skip
    yield {"what": "both tables, wall seconds", "seconds": wall, "jobs": jobs}


def main() -> None:
    """Append one JSON line per measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/gpu.jsonl"))
    parser.add_argument(
        "--tables", type=Path, help="run the paper's tables into this folder instead of the speed measurements"
    )
    parser.add_argument("--jobs", type=int, default=5)
    options = parser.parse_args()
    for quiet in (HealthWarning, CalibrationWarning):
        warnings.simplefilter("ignore", quiet)
    here = {"card": torch.cuda.get_device_name(), "torch": torch.__version__}
    for line in tables(options.tables, options.jobs) if options.tables else speeds():
        print(json.dumps(line), flush=True)
        with options.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(here | line) + "\n")


if __name__ == "__main__":
    main()
