"""Compare ways of scaling columns for the nearest neighbour, on ADBench's tables without InternetAds.

python benchmarks/column_scaling.py --seeds 2
"""

import argparse
import json
from collections.abc import Callable

import numpy as np
from common import clean_tasks
from scipy.stats import norm
from sklearn.neighbors import NearestNeighbors

from egbad.preprocessing.row_encoder import RowEncoder
from egbad.scoring import metrics

MAX_TRAIN, MAX_TEST = 8_000, 12_000
TAIL_START = 3.0  # deviations from which on "log tails" compresses values
MIN_SPREAD = 0.02  # as a fraction of the column's range
Scaler = Callable[[np.ndarray], np.ndarray]
FitScaler = Callable[[np.ndarray], Scaler]


def standard(x: np.ndarray) -> Scaler:
    """Fit the default scaling of `egbad`, which includes the log scale."""
    return RowEncoder().fit(x).encode


def log_columns(x: np.ndarray) -> Scaler:
    """Fit the log scale of the default scaling alone."""
    log = RowEncoder().fit(x).log
    return lambda rows: np.where(log, np.log1p(np.maximum(rows, 0)), rows)


def with_log_columns(fit: FitScaler) -> FitScaler:
    """Return a scaling that is fitted after the log scale."""

    def fit_scaler(x: np.ndarray) -> Scaler:
        log = log_columns(x)
        scale = fit(log(x))
        return lambda rows: scale(log(rows))

    return fit_scaler


def min_spread(x: np.ndarray) -> np.ndarray:
    """Return the smallest spread that a column may be divided by, from x (n, d)."""
    return MIN_SPREAD * np.where(np.ptp(x, axis=0) > 0, np.ptp(x, axis=0), 1)


def robust(x: np.ndarray) -> Scaler:
    """Fit scaling by median and interquartile range."""
    interquartile = (np.quantile(x, 0.75, axis=0) - np.quantile(x, 0.25, axis=0)) / 1.349
    spread = np.maximum(np.where(interquartile > 0, interquartile, x.std(axis=0)), min_spread(x))
    return lambda rows: (rows - np.median(x, axis=0)) / spread


def winsorised(x: np.ndarray) -> Scaler:
    """Fit mean and standard deviation without the outer percent at either end."""
    inner = np.clip(x, *np.quantile(x, (0.01, 0.99), axis=0))
    spread = np.maximum(np.where(inner.std(axis=0) > 0, inner.std(axis=0), x.std(axis=0)), min_spread(x))
    return lambda rows: (rows - inner.mean(axis=0)) / spread


def normal_ranks(x: np.ndarray) -> Scaler:
    """Fit normal quantiles of the ranks among training rows."""
    sorted_columns = np.sort(x, axis=0)

    def scale(rows: np.ndarray) -> np.ndarray:
        ranks = [
            (np.searchsorted(own, column, "left") + np.searchsorted(own, column, "right") + 1) / (2 * len(own) + 2)
            for own, column in zip(sorted_columns.T, rows.T, strict=True)
        ]
        return norm.ppf(np.stack(ranks, axis=1))

    return scale


def with_log_tails(fit: FitScaler) -> FitScaler:
    """Return a scaling whose values beyond TAIL_START grow with their logarithm."""

    def fit_scaler(x: np.ndarray) -> Scaler:
        scale = fit(x)

        def scale_rows(rows: np.ndarray) -> np.ndarray:
            u = scale(rows)
            tail = np.maximum(np.abs(u) - TAIL_START, 0)
            return np.sign(u) * (np.minimum(np.abs(u), TAIL_START) + np.log1p(tail))

        return scale_rows

    return fit_scaler


SCALINGS: dict[str, FitScaler] = {
    "standard": standard,
    "standard, log tails": with_log_tails(standard),
    "robust": with_log_columns(robust),
    "robust, log tails": with_log_tails(with_log_columns(robust)),
    "winsorised": with_log_columns(winsorised),
    "ranks": with_log_columns(normal_ranks),
}


def measure(task: object, seed: int) -> dict[str, tuple[float, float]]:
    """Return average precision and AUROC of each scaling on one table."""
    split, _ = task.load(seed)
    rng = np.random.default_rng(0)
    train = split.x_train[rng.permutation(len(split.x_train))[:MAX_TRAIN]].astype(np.float64)
    tested = rng.permutation(len(split.x_test))[:MAX_TEST]
    test, anomalous = split.x_test[tested].astype(np.float64), split.anomalous[tested]
    found = {}
    for name, fit in SCALINGS.items():
        scale = fit(train)
        index = NearestNeighbors(n_neighbors=1).fit(np.unique(scale(train), axis=0))
        scores = index.kneighbors(scale(test))[0][:, 0]
        found[name] = (metrics.average_precision(scores, anomalous), metrics.auroc(scores, anomalous))
    return found


def main() -> None:
    """Print one JSON line per scaling."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--tables", nargs="+", help="names of tables, all by default")
    options = parser.parse_args()
    tasks = [task for task in clean_tasks("adbench", options.tables) if task.name != "InternetAds"]
    runs = [measure(task, seed) for seed in range(options.seeds) for task in tasks]
    for name in SCALINGS:
        precision, auroc = np.mean([run[name] for run in runs], axis=0)
        line = {"columns": name, "runs": len(runs), "average_precision": round(precision, 4), "auroc": round(auroc, 4)}
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
