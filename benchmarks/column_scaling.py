"""How columns are scaled, and what that is worth to the nearest neighbour, on ADBench's tables but InternetAds.

python benchmarks/column_scaling.py --seeds 2
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm
from sklearn.neighbors import NearestNeighbors

from egbad.benchmark import suites
from egbad.preprocessing.row_encoder import RowEncoder
from egbad.scoring import metrics

MOST_TRAIN, MOST_TEST = 8_000, 12_000
TAME = 3.0  # deviations, from which on a distance counts by its logarithm
FLOOR = 0.02  # of a column's range
Scale = Callable[[np.ndarray], np.ndarray]


def standard(x: np.ndarray) -> Scale:
    """What `egbad` does."""
    return RowEncoder().fit(x).encode


def logged(x: np.ndarray) -> Scale:
    """Its logarithms alone, for the others to begin with."""
    log = RowEncoder().fit(x).log
    return lambda rows: np.where(log, np.log1p(np.maximum(rows, 0)), rows)


def robust(x: np.ndarray) -> Scale:
    """From the median, in units of the middle half."""
    of_range = FLOOR * np.where(np.ptp(x, axis=0) > 0, np.ptp(x, axis=0), 1)
    middle = (np.quantile(x, 0.75, axis=0) - np.quantile(x, 0.25, axis=0)) / 1.349
    spread = np.maximum(np.where(middle > 0, middle, x.std(axis=0)), of_range)
    return lambda rows: (rows - np.median(x, axis=0)) / spread


def winsorised(x: np.ndarray) -> Scale:
    """Mean and deviation of all but the last percent at either end."""
    of_range = FLOOR * np.where(np.ptp(x, axis=0) > 0, np.ptp(x, axis=0), 1)
    inner = np.clip(x, *np.quantile(x, (0.01, 0.99), axis=0))
    spread = np.maximum(np.where(inner.std(axis=0) > 0, inner.std(axis=0), x.std(axis=0)), of_range)
    return lambda rows: (rows - inner.mean(axis=0)) / spread


def process_group(x: np.ndarray) -> Scale:
    """Normal quantiles of the ranks among training rows."""
    sorted_ = np.sort(x, axis=0)

    def scale(rows: np.ndarray) -> np.ndarray:
        found = [
            (np.searchsorted(own, column, "left") + np.searchsorted(own, column, "right") + 1) / (2 * len(own) + 2)
            for own, column in zip(sorted_.T, rows.T, strict=True)
        ]
        return norm.ppf(np.stack(found, axis=1))

    return scale


@dataclass
class Tamed:
    """Another scale, whose far ends count by their logarithm."""

    scale: Scale

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Scale rows (n, d)."""
        u = self.scale(rows)
        far = np.maximum(np.abs(u) - TAME, 0)
        return np.sign(u) * (np.minimum(np.abs(u), TAME) + np.log1p(far))


def of_logs(make: Callable[[np.ndarray], Scale]) -> Callable[[np.ndarray], Scale]:
    """The same of columns whose logarithms `egbad` takes."""

    def scale_of(x: np.ndarray) -> Scale:
        log = logged(x)
        scale = make(log(x))
        return lambda rows: scale(log(rows))

    return scale_of


WAYS: dict[str, Callable[[np.ndarray], Scale]] = {
    "standard": standard,
    "standard, tamed": lambda x: Tamed(standard(x)),
    "robust": of_logs(robust),
    "robust, tamed": lambda x: Tamed(of_logs(robust)(x)),
    "winsorised": of_logs(winsorised),
    "ranks": of_logs(process_group),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    found: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    for seed in range(options.seeds):
        for task in suites.find_suite("adbench", "clean").tasks("clean", None):
            if task.name == "InternetAds":
                continue
            split, _ = task.load(seed)
            rng = np.random.default_rng(0)
            train = split.x_train[rng.permutation(len(split.x_train))[:MOST_TRAIN]].astype(np.float64)
            tested = rng.permutation(len(split.x_test))[:MOST_TEST]
            test, anomalous = split.x_test[tested].astype(np.float64), split.anomalous[tested]
            for way, make in WAYS.items():
                scale = make(train)
                near = NearestNeighbors(n_neighbors=1).fit(np.unique(scale(train), axis=0))
                scores = near.kneighbors(scale(test))[0][:, 0]
                found[way].append((metrics.average_precision(scores, anomalous), metrics.auroc(scores, anomalous)))
    for way, values in found.items():
        precision, auroc = np.mean(values, axis=0)
        line = {"columns": way, "runs": len(values), "average_precision": round(precision, 4), "auroc": round(auroc, 4)}
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
