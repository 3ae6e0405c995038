"""Check the speed targets of the library, or compare its speed with another source tree.

    python benchmarks/speed/check.py                       # exit status 1 if a target is missed
    python benchmarks/speed/check.py --base ../other       # exit status 1 if a line is worse than the base by more than a tenth

Targets are mostly ratios, measured side by side and repeated, so that other load affects both sides. With `--base PATH` every
group of measurements runs in turn with the sources of this checkout and with those in PATH/src. It takes some minutes;
nothing else should run meanwhile.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from egbad import load
from egbad.detectors.registry import create
from egbad.errors import CalibrationWarning, HealthWarning
from egbad.export.to_onnx import export

ROWS, IMAGES = (121,), (28, 28)
REPEATS = 7
ROUNDS = 3  # of a comparison
TOLERANCE = 1.1  # ratio to the base from which a line counts as worse
# Inputs times outputs of the layers that the networks released for KDD99 use for one row.
ENCODER = 121 * 64 + 64 * 32
GENERATOR = 32 * 64 + 64 * 128 + 128 * 121
DISCRIMINATOR = 2 * 121 * 128 + 32 * 128 + 2 * 256 * 128  # features of two pairs that share z
ROW_FLOPS = 2 * (ENCODER + GENERATOR + DISCRIMINATOR)

Work = Callable[[], object]


@dataclass(frozen=True)
class Measurement:
    """One line of the check.

    Parameters
    ----------
    name : str
    value : float
    target : float, optional
        Lines without a target only serve comparisons.
    higher_is_better : bool
    """

    name: str
    value: float
    target: float | None = None
    higher_is_better: bool = False

    @property
    def ok(self) -> bool:
        """Check the value against the target."""
        if self.target is None:
            return True
        return self.value >= self.target if self.higher_is_better else self.value <= self.target

    def __str__(self) -> str:
        if self.target is None:
            return f"{self.name}  {self.value:.3g}"
        sign = ">=" if self.higher_is_better else "<="
        return f"{self.name}  {self.value:.3g}  {sign} {self.target:g}  {'ok' if self.ok else 'missed'}"


def seconds(work: Work, calls: int = 1) -> float:
    """Return the mean duration of consecutive calls."""
    started = time.perf_counter()
    for _ in range(calls):
        work()
    return (time.perf_counter() - started) / calls


def median_seconds(work: Work, calls: int = 1, repeats: int = REPEATS) -> float:
    """Return the median over repeats of the mean duration, after one call that does not count."""
    work()
    return median(seconds(work, calls) for _ in range(repeats))


def ratio(a: Work, b: Work, calls: tuple[int, int] = (1, 1), repeats: int = REPEATS) -> float:
    """Return the median over repeats of seconds of a / seconds of b, alternating."""
    a(), b()

    def once() -> float:
        found = seconds(a, calls[0])
        b()  # after a matrix product torch's threads spin for some milliseconds
        return found / seconds(b, calls[1])

    return median(once() for _ in range(repeats))


def random_data(n: int, shape: tuple[int, ...], seed: int = 1) -> np.ndarray:
    """Return uniform rows or images (n, ...)."""
    return np.random.default_rng(seed).uniform(size=(n, *shape)).astype(np.float32)


def fit(name: str, shape: tuple[int, ...], n: int = 2000, **parameters: Any) -> Any:
    """Fit a detector with the released networks for a moment; speed does not depend on the weights."""
    defaults = {"recipe": "paper", "training__steps": 5, "alpha": 0.1, "random_state": 0}
    return create(name, **{**defaults, **parameters}).fit(random_data(n, shape, 0))


# -- scoring -----------------------------------------------------------------------------------------------------------


def rows(folder: Path) -> Iterator[Measurement]:
    """Compare the rate of scoring, in multiplications and additions, with that of one large matrix product."""
    detector, x = fit("egbad", ROWS), random_data(4096, ROWS)
    a, b = torch.randn(2048, 2048), torch.randn(2048, 2048)
    product_flops = 2 * 2048**3
    export(detector, folder / "rows.onnx")
    for label, scorer in (("exported graph", load(folder / "rows.onnx")), ("torch", detector)):
        found = ratio(lambda: a @ b, lambda: scorer.anomaly_score(x), (3, 10), 15)  # noqa: B023
        share = found * len(x) * ROW_FLOPS / product_flops
        yield Measurement(f"scoring rows, {label}: relative to the rate of a large product", share, 0.8, True)
    yield Measurement("scoring 4,096 rows: ms", 1000 * median_seconds(lambda: detector.anomaly_score(x), 10))
    large = random_data(100_000, ROWS)
    yield Measurement("scoring 100,000 rows: ms", 1000 * median_seconds(lambda: detector.anomaly_score(large)))


def narrow_rows(folder: Path) -> Iterator[Measurement]:
    """Time rows of few columns, where memory allocation counts most."""
    x = random_data(4096, (8,))
    detector = create("egbad", training__steps=5, alpha=0.1, random_state=0).fit(random_data(2000, (8,), 0))
    yield Measurement(
        "scoring 4,096 rows of 8 columns: ms", 1000 * median_seconds(lambda: detector.anomaly_score(x), 10)
    )


class RecordOperations(TorchDispatchMode):
    """Record the matrix products and convolutions that run in this mode, with the shapes of their tensors."""

    NAMES = ("mm", "addmm", "bmm", "baddbmm", "convolution")

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation and record it."""
        if func.overloadpacket.__name__ in self.NAMES:
            self.operations.append((func, args, kwargs or {}))
        return func(*args, **(kwargs or {}))


def images(folder: Path) -> Iterator[Measurement]:
    """Compare scoring with the time of its products and convolutions alone, each in its faster memory layout."""
    detector, x = fit("egbad", IMAGES, 300), random_data(256, IMAGES)
    encoded = torch.from_numpy(detector.encoder_.encode(x))[None]
    with torch.no_grad(), RecordOperations() as recorded:
        detector.model_.score_terms(encoded)
    alone = sum(fastest(*operation) for operation in recorded.operations)
    own = median_seconds(lambda: detector.anomaly_score(x))
    yield Measurement("scoring images: relative to its products and convolutions alone", alone / own, 0.7, True)
    yield Measurement("scoring 256 images: ms", 1000 * own)


def fastest(operation: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> float:
    """Return the duration of one operation, for images in the faster of two memory layouts."""

    def channels_last(value: Any) -> Any:
        is_images = isinstance(value, torch.Tensor) and value.ndim == 4
        return value.contiguous(memory_format=torch.channels_last) if is_images else value

    layouts = [args]
    if "convolution" in str(operation):
        layouts.append(tuple(channels_last(value) for value in args))
    with torch.no_grad():
        return min(median_seconds(lambda: operation(*given, **kwargs)) for given in layouts)  # noqa: B023


def one_row(folder: Path) -> Iterator[Measurement]:
    """Time a single row."""
    detector, x = fit("egbad", ROWS), random_data(1, ROWS)
    export(detector, folder / "row.onnx")
    exported = load(folder / "row.onnx")
    yield Measurement(
        "one row, exported graph: microseconds", 1e6 * median_seconds(lambda: exported.anomaly_score(x), 200), 60
    )
    eager = ratio(lambda: detector.anomaly_score(x), lambda: exported.anomaly_score(x), (50, 200))
    yield Measurement("one row: eager torch / exported graph", eager, 4, True)


def anogan(folder: Path) -> Iterator[Measurement]:
    """Compare EGBAD's pass with 500 steps of AnoGAN's search."""
    for shape, label, target, batches in ((ROWS, "rows", 1000, (8192, 1024)), (IMAGES, "images", 700, (256, 64))):
        one_pass, search = fit("egbad", shape, 300), fit("anogan", shape, 300, search_steps=500)
        x, y = random_data(batches[0], shape), random_data(batches[1], shape)
        found = ratio(lambda: search.anomaly_score(y), lambda: one_pass.anomaly_score(x), (1, 5), 3)  # noqa: B023
        each = found * len(x) / len(y)
        yield Measurement(f"{label}: 500 steps of AnoGAN / one pass of EGBAD", each, target, True)


# -- members and training ----------------------------------------------------------------------------------------------


def members(folder: Path) -> Iterator[Measurement]:
    """Compare several members with one, in scoring and in training on one thread."""
    x = random_data(4096, ROWS)
    five, one = (fit("egbad", ROWS, members=k) for k in (5, 1))
    found = ratio(lambda: five.anomaly_score(x), lambda: one.anomaly_score(x), (3, 10))
    yield Measurement("scoring: five members / one", found, 4.5)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for batch_size in (128, 50):

            def train(k: int, batch_size: int = batch_size) -> Any:
                return fit("egbad", ROWS, members=k, training__batch_size=batch_size, training__steps=60)

            both = ratio(lambda: train(10), lambda: train(1), repeats=5)
            yield Measurement(f"training, batch {batch_size}: time per member of ten / one alone", both / 10, 0.5)
    finally:
        torch.set_num_threads(threads)


def training(folder: Path) -> Iterator[Measurement]:
    """Time training steps, from two lengths of the same training."""
    for name, shape, n_steps in (("egbad", ROWS, 100), ("egbad", IMAGES, 10), ("contrastive", IMAGES, 10)):

        def train(n: int, name: str = name, shape: tuple[int, ...] = shape) -> Any:
            x = random_data(400, shape, 0)
            return create(name, training__steps=n, alpha=0.1, random_state=0).fit(x)

        train(2)
        step = median((seconds(lambda: train(3 * n_steps)) - seconds(lambda: train(n_steps))) / (2 * n_steps)  # noqa: B023
                      for _ in range(3))  # fmt: skip
        label = "rows" if shape == ROWS else "images"
        yield Measurement(f"training {name} on {label}: ms a step", 1000 * step)


# -- the command line --------------------------------------------------------------------------------------------------


def command(folder: Path) -> Iterator[Measurement]:
    """Measure start-up and memory of `egbad score` in processes of its own."""
    fit("egbad", ROWS).save(folder / "m.egbad")
    names = [f"c{i}" for i in range(ROWS[0])]
    for n in (1, 100_000, 1_000_000):
        with pq.ParquetWriter(folder / f"{n}.parquet", pa.schema([(name, pa.float32()) for name in names])) as writer:
            for start in range(0, n, 50_000):
                x = random_data(min(50_000, n - start), ROWS)
                writer.write_table(pa.table(dict(zip(names, x.T, strict=True))))
    score = [str(Path(sys.executable).with_name("egbad")), "score", str(folder / "m.egbad")]
    started = median(
        seconds(lambda: run([*score, str(folder / "1.parquet"), "--out", str(folder / "s.csv")])) for _ in range(5)
    )
    imported = median(seconds(lambda: run([sys.executable, "-c", "import torch"])) for _ in range(5))
    yield Measurement("`egbad score` on one row: seconds more than importing torch", started - imported, 0.6)
    peaks = [
        median(peak([*score[1:], str(folder / f"{n}.parquet"), "--out", str(folder / "s.parquet")]) for _ in range(3))
        for n in (100_000, 1_000_000)
    ]
    yield Measurement("memory of `egbad score`: 1,000,000 rows / 100,000", peaks[1] / peaks[0], 1.1)
    yield Measurement("memory of `egbad score`: GiB", peaks[1] / 2**30, 1.2)


def run(arguments: list[str]) -> None:
    """Run a command and discard its output."""
    subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


# getrusage would include the memory of the parent process; /proc does not.
_PEAK_SCRIPT = """
import re, sys
from egbad.cli import main
code = main(sys.argv[1:])
print(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
sys.exit(code)
"""


def peak(arguments: list[str]) -> int:
    """Return the peak memory of an `egbad` command in bytes."""
    done = subprocess.run([sys.executable, "-c", _PEAK_SCRIPT, *arguments], check=True, capture_output=True, text=True)
    return 1024 * int(done.stdout)


# -- check and comparison ----------------------------------------------------------------------------------------------

GROUPS: dict[str, Callable[[Path], Iterator[Measurement]]] = {
    group.__name__: group for group in (rows, narrow_rows, images, one_row, anogan, members, training, command)
}


def check(groups: list[str], out: Path | None, *, as_json: bool) -> bool:
    """Measure and print groups of lines; return whether every target is met."""
    ok = True
    with tempfile.TemporaryDirectory() as folder:
        for name in groups:
            for found in GROUPS[name](Path(folder)):
                ok &= found.ok
                print(json.dumps(asdict(found)) if as_json else found, flush=True)
                if out is not None:
                    line = {"name": found.name, "found": found.value, "target": found.target, "ok": found.ok}
                    line |= {"threads": torch.get_num_threads(), "torch": torch.__version__}
                    with out.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(line) + "\n")
    return ok


def measure_tree(sources: str, group: str) -> list[Measurement]:
    """Measure one group in a process that imports egbad from `sources`, a value of PYTHONPATH."""
    command = [sys.executable, __file__, "--json", "--only", group]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": sources}, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        raise SystemExit(f"The group '{group}' failed with the sources in {sources}:\n{done.stderr}")
    return [Measurement(**json.loads(line)) for line in lines]


def compare(groups: list[str], base: str, rounds: int) -> bool:
    """Measure groups in turn with both source trees and print ratios; return whether no line is worse than tolerated."""
    here, ok = str(Path(__file__).resolve().parents[2] / "src"), True
    print("| line | here | base | here / base | |\n| --- | --- | --- | --- | --- |")
    for group in groups:
        values: dict[str, dict[str, list[float]]] = defaultdict(lambda: {here: [], base: []})
        better = {}
        for _ in range(rounds):
            for sources in (here, base):
                for found in measure_tree(sources, group):
                    values[found.name][sources].append(found.value)
                    better[found.name] = found.higher_is_better
        for name, by_sources in values.items():
            own, other = median(by_sources[here]), median(by_sources[base])
            worse = (other / own if better[name] else own / other) > TOLERANCE
            ok &= not worse
            print(
                f"| {name} | {own:.3g} | {other:.3g} | {own / other:.2f} | {'worse' if worse else 'ok'} |", flush=True
            )
    return ok


def main() -> int:
    """Check the targets, or compare with another source tree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=[*GROUPS], help="groups of lines")
    parser.add_argument("--base", type=Path, help="a checkout to compare with; its sources are in BASE/src")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="rounds of a comparison")
    parser.add_argument("--json", action="store_true", help="print JSON lines")
    parser.add_argument("--out", type=Path, help="a .jsonl file to append to")
    options = parser.parse_args()
    for category in (HealthWarning, CalibrationWarning):
        warnings.simplefilter("ignore", category)
    if options.base:
        return int(not compare(options.only, str(options.base.resolve() / "src"), options.rounds))
    return int(not check(options.only, options.out, as_json=options.json))


if __name__ == "__main__":
    sys.exit(main())
