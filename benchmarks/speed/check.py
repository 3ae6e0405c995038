"""Whether the library is as fast here as it says: `name ratio target ok|short` for each line, exit 1 if any is short.

    python benchmarks/speed/check.py

Ratios, measured side by side in one process, repeated, the median taken: what else the machine does meets both sides. It
takes some minutes; nothing else should run meanwhile.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch.nn import functional as F

from egbad import load
from egbad.detectors.registry import create
from egbad.errors import CalibrationWarning, HealthWarning
from egbad.export.to_onnx import export
from egbad.nn import layers, networks, ops
from egbad.nn.layers import Conv, Linear

ROWS, IMAGES = (121,), (28, 28)
RELEASED: dict[tuple[int, ...], dict[str, Any]] = {
    ROWS: {"networks": "kdd99", "n_latent": 32, "width": 64},
    IMAGES: {"networks": "mnist", "n_latent": 200},
}
EGBADS = {"distance": "norm", "discriminator_loss": "fm"}
REPEATS = 7

Line = tuple[str, float, float, bool]  # name, ratio, target, and whether at least that much is wanted, or at most


def seconds(work: Callable[[], object], calls: int = 1) -> float:
    started = time.perf_counter()
    for _ in range(calls):
        work()
    return (time.perf_counter() - started) / calls


def ratio(
    a: Callable[[], object], b: Callable[[], object], calls: tuple[int, int] = (1, 1), repeats: int = REPEATS
) -> float:
    """Median over repeats of seconds of a / seconds of b, taking turns."""
    a(), b()

    def once() -> float:
        found = seconds(a, calls[0])
        b()  # after a product torch's threads keep a core busy for some milliseconds, looking out for the next
        return found / seconds(b, calls[1])

    return median(once() for _ in range(repeats))


def learned(name: str, shape: tuple[int, ...], n: int = 2000, **options: Any) -> Any:
    """A detector with the released networks; what its weights are doesn't matter to the time they take."""
    x = np.random.default_rng(0).uniform(size=(n, *shape)).astype(np.float32)
    own = RELEASED[shape] | (EGBADS if name == "egbad" else {})
    return create(name, **{"training__steps": 5, "alpha": 0.1, "random_state": 0, **own, **options}).fit(x)


def drawn(n: int, shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(1).uniform(size=(n, *shape)).astype(np.float32)


# -- scoring -----------------------------------------------------------------------------------------------------------


def scoring_rows(folder: Path) -> Iterator[Line]:
    """The score's own multiplications and additions a second, as a share of what one large product reaches."""
    detector, x = learned("egbad", ROWS), drawn(4096, ROWS)
    d = detector.model_.D
    players = (detector.model_.E, detector.model_.G, d.x_side, d.x_side, d.z_side, d.body, d.body)
    work = len(x) * sum(2 * layer.weight[0].numel() for player in players for layer in linears(player))
    a, b = torch.randn(2048, 2048), torch.randn(2048, 2048)
    product = 2 * 2048**3
    export(detector, folder / "rows.onnx")
    for how, scorer in (("by its exported graph", load(folder / "rows.onnx")), ("by torch", detector)):
        found = ratio(lambda: a @ b, lambda: scorer.anomaly_score(x), (3, 10), 15)  # noqa: B023, used at once
        yield f"scoring of rows {how}: share of the rate of a large product", found * work / product, 0.8, True


def linears(module: torch.nn.Module) -> list[Linear]:
    return [layer for layer in module.modules() if isinstance(layer, Linear)]


def scoring_images() -> Iterator[Line]:
    """The seconds that the score's convolutions and products take one by one, each at its best, as a share of its own."""
    detector, x = learned("egbad", IMAGES, 300), drawn(256, IMAGES)
    for _ in range(2):  # what sizes of chunks do is found out the second time
        detector.anomaly_score(x), detector.anomaly_score(x[:1])
    operations: list[tuple[Any, torch.Tensor, torch.Size]] = []
    convolutions = [m for m in detector.model_.modules() if isinstance(m, Conv)]
    hooks = [
        m.register_forward_pre_hook(lambda m, given: operations.append((m, m.weight, given[0].shape)))
        for m in convolutions
    ]
    product = ops.affine

    def noted(start: torch.Tensor, given: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        operations.append((None, weight, given.shape))
        return product(start, given, weight)

    layers.affine = networks.affine = noted
    detector.anomaly_score(x[:1])
    layers.affine = networks.affine = product
    for hook in hooks:
        hook.remove()
    best = sum(alone(*operation, len(x)) for operation in operations)
    own = median(seconds(lambda: detector.anomaly_score(x)) for _ in range(REPEATS))
    yield "scoring of images: share of the rate of its convolutions alone", best / own, 0.7, True


def alone(convolution: Any, weight: torch.Tensor, shape: torch.Size, n: int) -> float:
    """The least seconds of one convolution, or one product, on n images, in either layout."""
    x, weight = torch.randn(n, *shape[2:]), weight[0].detach()
    if convolution is None:
        work = [lambda: x @ weight]
    else:
        move = F.conv_transpose2d if convolution.transposed else F.conv2d
        options = {"stride": convolution.stride, "padding": convolution.padding}
        other, its_weight = (t.contiguous(memory_format=torch.channels_last) for t in (x, weight))
        work = [lambda: move(x, weight, **options), lambda: move(other, its_weight, **options)]
    with torch.no_grad():
        return min(median(seconds(one) for _ in range(REPEATS)) for one in work)


def one_row(folder: Path) -> Iterator[Line]:
    detector, x = learned("egbad", ROWS), drawn(1, ROWS)
    export(detector, folder / "m.onnx")
    exported = load(folder / "m.onnx")
    calls = median(seconds(lambda: exported.anomaly_score(x), 200) for _ in range(REPEATS))
    yield "one row by its exported graph: microseconds", 1e6 * calls, 60, False
    eager = ratio(lambda: detector.anomaly_score(x), lambda: exported.anomaly_score(x), (50, 200))
    yield "one row: eager torch / exported graph", eager, 4, True


def against_search() -> Iterator[Line]:
    for shape, words, target, batches in ((ROWS, "rows", 1000, (8192, 1024)), (IMAGES, "images", 700, (256, 64))):
        fast, slow = learned("egbad", shape, 300), learned("anogan", shape, 300, search_steps=500)
        x, y = drawn(batches[0], shape), drawn(batches[1], shape)
        each = ratio(lambda: slow.anomaly_score(y), lambda: fast.anomaly_score(x), (1, 5), 3)  # noqa: B023, used at once
        yield f"{words}: AnoGAN's 500 steps / EGBAD's pass", each * len(x) / len(y), target, True


# -- members -----------------------------------------------------------------------------------------------------------


def members() -> Iterator[Line]:
    x = drawn(4096, ROWS)
    five, one = (learned("egbad", ROWS, members=k) for k in (5, 1))
    yield (
        "scoring: five members / one",
        ratio(lambda: five.anomaly_score(x), lambda: one.anomaly_score(x), (3, 10)),
        4.5,
        False,
    )
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for batch in (128, 50):

        def fit(k: int, batch: int = batch) -> Any:
            return learned("egbad", ROWS, members=k, batch_size=batch, steps=60)

        both = ratio(lambda: fit(10), lambda: fit(1), repeats=5)
        yield f"training, batch {batch}: a member of ten / one alone", both / 10, 0.5, False
    torch.set_num_threads(threads)


# -- the command line --------------------------------------------------------------------------------------------------


def command(folder: Path) -> Iterator[Line]:
    """Starting, and memory, of `egbad score` in a process of its own."""
    learned("egbad", ROWS).save(folder / "m.egbad")
    names = [f"c{i}" for i in range(ROWS[0])]
    for n in (1, 100_000, 1_000_000):
        with pq.ParquetWriter(folder / f"{n}.parquet", pa.schema([(name, pa.float32()) for name in names])) as writer:
            for start in range(0, n, 50_000):
                x = drawn(min(50_000, n - start), ROWS)
                writer.write_table(pa.table(dict(zip(names, x.T, strict=True))))
    score = [str(Path(sys.executable).with_name("egbad")), "score", str(folder / "m.egbad")]
    started = median(
        seconds(lambda: run([*score, str(folder / "1.parquet"), "--out", str(folder / "s.csv")])) for _ in range(5)
    )
    imported = median(seconds(lambda: run([sys.executable, "-c", "import torch"])) for _ in range(5))
    yield "`egbad score` on a row: seconds beside the import of torch", started - imported, 0.5, False
    peaks = [
        median(peak([*score[1:], str(folder / f"{n}.parquet"), "--out", str(folder / "s.parquet")]) for _ in range(3))
        for n in (100_000, 1_000_000)
    ]
    yield "memory of `egbad score`: 1,000,000 rows / 100,000", peaks[1] / peaks[0], 1.1, False
    yield "memory of `egbad score`: GiB", peaks[1] / 2**30, 1.2, False


def run(arguments: list[str]) -> None:
    subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


# What getrusage says of a process counts what its parent had, this doesn't.
_PEAK = """
import re, sys
from egbad.cli import main
code = main(sys.argv[1:])
print(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
sys.exit(code)
"""


def peak(arguments: list[str]) -> int:
    """Bytes of memory that a command takes at most."""
    done = subprocess.run([sys.executable, "-c", _PEAK, *arguments], check=True, capture_output=True, text=True)
    return 1024 * int(done.stdout)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="a .jsonl file to add the lines to")
    options = parser.parse_args()
    warnings.simplefilter("ignore", HealthWarning)
    warnings.simplefilter("ignore", CalibrationWarning)
    short = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for lines in (
            scoring_rows(folder),
            scoring_images(),
            one_row(folder),
            against_search(),
            members(),
            command(folder),
        ):
            for what, found, target, at_least in lines:
                ok = found >= target if at_least else found <= target
                short |= not ok
                print(
                    f"{what}  {found:.3g}  {'>=' if at_least else '<='} {target:g}  {'ok' if ok else 'short'}",
                    flush=True,
                )
                if options.out:
                    line = {
                        "name": what,
                        "found": found,
                        "target": target,
                        "ok": ok,
                        "threads": torch.get_num_threads(),
                    }
                    with options.out.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(line | {"torch": torch.__version__}) + "\n")
    return int(short)


if __name__ == "__main__":
    sys.exit(main())
