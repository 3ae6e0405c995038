"""Compare EGBAD and nearest neighbours on MNIST with one digit left out, clean protocol, all 70,000 images.

    python benchmarks/mnist.py --out benchmarks/results/mnist.jsonl

One JSON line per run.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch

from egbad import EGBAD, TrainingConfig, datasets
from egbad.benchmark import protocols
from egbad.scoring import metrics

N_NEIGHBORS = 5
BATCH_IMAGES = 1000

Details = dict[str, object]
Method = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, Details]]


def nearest(train: np.ndarray, test: np.ndarray, *, cosine: bool) -> np.ndarray:
    """Return the mean distance (m,) of test images (m, h, w) to their nearest training images (n, h, w), on pixels."""
    a, b = (torch.from_numpy(x.reshape(len(x), -1).astype(np.float32) / 255) for x in (train, test))
    if cosine:
        a, b = a / a.norm(dim=1, keepdim=True), b / b.norm(dim=1, keepdim=True)
    squares = (a**2).sum(1)
    means = []
    for batch in b.split(BATCH_IMAGES):
        d2 = squares - 2 * batch @ a.T  # the batch's own square does not change the order
        d2 = d2.topk(N_NEIGHBORS, largest=False).values + (batch**2).sum(1, keepdim=True)
        means.append((d2 / 2 if cosine else d2.clamp(min=0).sqrt()).mean(1))
    return torch.cat(means).numpy()


def methods(seed: int) -> Iterator[tuple[str, Method]]:
    """Yield names and functions that fit and score."""

    def egbad(x: np.ndarray, test: np.ndarray, steps: int | None = None) -> tuple[np.ndarray, Details]:
        detector = EGBAD(training=TrainingConfig(steps=steps), random_state=seed).fit(x)
        started = time.perf_counter()
        terms = detector.score_terms(test)
        seconds = time.perf_counter() - started
        details: Details = {
            "fit_seconds": detector.fit_seconds_,
            "images_per_second": len(test) / seconds,
            "health": detector.health_,
            "terms": terms,
        }
        return terms["residual"] + terms["features"], details

    yield "EGBAD", egbad
    yield "EGBAD untrained", lambda x, test: egbad(x, test, steps=0)
    yield "5-NN on pixels, Euclidean", lambda x, test: (nearest(x, test, cosine=False), {})
    yield "5-NN on pixels, cosine", lambda x, test: (nearest(x, test, cosine=True), {})


def main() -> None:
    """Run every method on every digit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--digits", type=int, nargs="*", default=list(range(10)))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", default="benchmarks/results/mnist.jsonl")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    data = datasets.load("mnist")
    with open(options.out, "w", encoding="utf-8") as out:
        for digit in options.digits:
            split = protocols.leave_one_out(data, digit)
            for name, method in methods(options.seed):
                started = time.perf_counter()
                scores, details = method(split.x_train, split.x_test)
                line = {"digit": digit, "method": name, "seed": options.seed, "seconds": time.perf_counter() - started}
                for term, values in details.pop("terms", {}).items():
                    line[f"average_precision_{term}"] = metrics.average_precision(values, split.anomalous)
                line |= details | {
                    "auroc": metrics.auroc(scores, split.anomalous),
                    "average_precision": metrics.average_precision(scores, split.anomalous),
                    "base_rate": metrics.base_rate(split.anomalous),
                    "training_images": len(split.x_train),
                    "test_images": len(split.x_test),
                    "digest": data.digest,
                    "threads": options.threads,
                }
                out.write(json.dumps(line) + "\n")
                out.flush()
                print(
                    f"{digit} {name:28} AP {line['average_precision']:.3f}  AUROC {line['auroc']:.3f}  "
                    f"base rate {line['base_rate']:.3f}  {line['seconds']:.0f} s",
                    flush=True,
                )


if __name__ == "__main__":
    main()
