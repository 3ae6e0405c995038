"""MNIST, leaving one digit out, clean protocol on all 70,000 images: EGBAD and its neighbours, one JSON line per run.

python benchmarks/mnist.py --out benchmarks/results/mnist.jsonl
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch

from egbad import EGBAD, datasets
from egbad.benchmark import protocols
from egbad.scoring import metrics

NEIGHBOURS = 5


def nearest(train: np.ndarray, test: np.ndarray, *, cosine: bool) -> np.ndarray:
    """Mean distance to the 5 nearest training images, on pixels (n, h, w) -> (m,)."""
    a, b = (torch.from_numpy(x.reshape(len(x), -1).astype(np.float32) / 255) for x in (train, test))
    if cosine:
        a, b = a / a.norm(dim=1, keepdim=True), b / b.norm(dim=1, keepdim=True)
    squares = (a**2).sum(1)
    means = []
    for part in b.split(1000):
        d2 = squares - 2 * part @ a.T  # without the part's own square, which changes no order among training images
        found = d2.topk(NEIGHBOURS, largest=False).values + (part**2).sum(1, keepdim=True)
        means.append((found / 2 if cosine else found.clamp(min=0).sqrt()).mean(1))
    return torch.cat(means).numpy()


def methods(seed: int) -> Iterator[tuple[str, Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, dict[str, float]]]]]:
    def egbad(x: np.ndarray, test: np.ndarray, **options: object) -> tuple[np.ndarray, dict[str, float]]:
        detector = EGBAD(random_state=seed, **options).fit(x)
        started = time.perf_counter()
        terms = detector.score_terms(test)
        seconds = time.perf_counter() - started
        kept = {
            "fit_seconds": detector.fit_seconds_,
            "images_per_second": len(test) / seconds,
            "health": detector.health_,
        }
        return terms["residual"] + terms["features"], kept | {"terms": terms}

    yield "EGBAD", egbad
    yield "EGBAD untrained", lambda x, test: egbad(x, test, steps=0)
    yield "5-NN on pixels, Euclidean", lambda x, test: (nearest(x, test, cosine=False), {})
    yield "5-NN on pixels, cosine", lambda x, test: (nearest(x, test, cosine=True), {})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
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
                scores, more = method(split.x_train, split.x_test)
                line = {"digit": digit, "method": name, "seed": options.seed, "seconds": time.perf_counter() - started}
                for term, values in more.pop("terms", {}).items():
                    line[f"average_precision_{term}"] = metrics.average_precision(values, split.anomalous)
                line |= more | {
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
