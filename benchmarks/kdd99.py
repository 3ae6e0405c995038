"""Compare EGBAD and baselines on KDD99 under the clean protocol.

    python benchmarks/kdd99.py --seeds 5 --splits 2 --out benchmarks/results/kdd99.jsonl

Every method trains on the attacks of the training half and is scored on the whole other half. Thresholds follow the
papers' rule: flag the 20 percent of test rows with the highest scores. AUROC and average precision need no threshold.
One JSON line per run.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import MinMaxScaler

from egbad import EGBAD, Blend, datasets
from egbad.benchmark import protocols
from egbad.scoring import metrics

Score = Callable[[np.ndarray], np.ndarray]
EGBADS = {
    "EGBAD": {},
    "EGBAD, the paper's score on the same weights": {"distance": "norm"},
    "autoencoder (EGBAD, no adversarial loss)": {"adversarial_weight": 0.0},
    "EGBAD, no log scaling": {"preprocessing__log_columns": ()},
    "EGBAD untrained": {"training__steps": 0},
}


def fit_egbad(x: np.ndarray, seed: int, parameters: dict[str, object]) -> Score:
    """Fit EGBAD with some parameters."""
    return EGBAD(random_state=seed).set_params(**parameters).fit(x).anomaly_score


def fit_blend(x: np.ndarray, seed: int) -> Score:
    """Fit Blend."""
    return Blend(random_state=seed).fit(x).anomaly_score


def fit_nearest(x: np.ndarray) -> Score:
    """Fit the distance to the nearest distinct training row, on min-max columns."""
    scaler = MinMaxScaler().fit(x)
    index = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(
        scaler.transform(protocols.unique_rows(x)).astype(np.float32)
    )
    return lambda rows: index.kneighbors(scaler.transform(rows).astype(np.float32))[0][:, 0]


def fit_pca(x: np.ndarray) -> Score:
    """Fit the squared residual of 20 principal components, on min-max columns."""
    scaler = MinMaxScaler().fit(x)
    pca = PCA(20, random_state=0).fit(scaler.transform(x))

    def score(rows: np.ndarray) -> np.ndarray:
        u = scaler.transform(rows)
        return ((u - pca.inverse_transform(pca.transform(u))) ** 2).sum(1)

    return score


def fit_forest(x: np.ndarray, seed: int) -> Score:
    """Fit an isolation forest."""
    forest = IsolationForest(random_state=seed).fit(x)
    return lambda rows: -forest.score_samples(rows)


def runs(x: np.ndarray, seeds: int) -> Iterator[tuple[str, int, Callable[[], Score]]]:
    """Yield name, seed and a function that fits, for each run."""
    for name, parameters in EGBADS.items():
        for seed in range(seeds):
            yield name, seed, lambda seed=seed, parameters=parameters: fit_egbad(x, seed, parameters)
    for seed in range(seeds):
        yield "Blend", seed, lambda seed=seed: fit_blend(x, seed)
    yield "1-NN on distinct rows, min-max", 0, lambda: fit_nearest(x)
    # Baselines get both treatments of duplicate rows, since each is better for some method.
    for which, rows in (("all rows", x), ("distinct rows", protocols.unique_rows(x))):
        yield f"PCA, 20 components, min-max, {which}", 0, lambda rows=rows: fit_pca(rows)
        for seed in range(seeds):
            yield f"isolation forest, {which}", seed, lambda seed=seed, rows=rows: fit_forest(rows, seed)


def measure(score: Score, x_test: np.ndarray, anomalous: np.ndarray, fresh: np.ndarray) -> dict[str, float]:
    """Return metrics on all test rows, and AUROC on the `fresh` ones, which equal no training row."""
    # A score depends on its row alone, so equal rows are scored once.
    distinct, inverse = np.unique(x_test, axis=0, return_inverse=True)
    started = time.perf_counter()
    scores = score(distinct)
    seconds = time.perf_counter() - started
    scores = scores[inverse.ravel()]
    top = metrics.top_share(scores, anomalous, 0.2)
    return {
        "precision": top.precision,
        "recall": top.recall,
        "f1": top.f1,
        "ties": top.ties,
        "auroc": metrics.auroc(scores, anomalous),
        "average_precision": metrics.average_precision(scores, anomalous),
        "auroc_without_repeats": metrics.auroc(scores[fresh], anomalous[fresh]),
        "rows_per_second": len(distinct) / seconds,
    }


def main() -> None:
    """Run the methods and write one JSON line per run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--splits", type=int, default=1, help="number of splits; the first has seed 42")
    parser.add_argument("--only", nargs="*", default=[], help="names of methods, as in the table")
    parser.add_argument("--out", default="benchmarks/results/kdd99.jsonl")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    data = datasets.load("kdd99")
    with open(options.out, "w", encoding="utf-8") as out:
        for split_seed in range(42, 42 + options.splits):
            split = protocols.kdd99(data, seed=split_seed)
            repeated = protocols.duplicates_of_training_rows(split)
            common = {
                "digest": data.digest,
                "split": split_seed,
                "training_rows": len(split.x_train),
                "test_rows": len(split.x_test),
                "repeats": int(repeated.sum()),
                "base_rate": metrics.base_rate(split.anomalous),
                "threads": options.threads,
            }
            for name, seed, fit in runs(split.x_train, options.seeds):
                if options.only and name not in options.only:
                    continue
                started = time.perf_counter()
                score = fit()
                line = {"method": name, "seed": seed, "fit_seconds": time.perf_counter() - started}
                line |= measure(score, split.x_test, split.anomalous, ~repeated) | common
                out.write(json.dumps(line) + "\n")
                out.flush()
                print(
                    f"{name:50} split {split_seed} seed {seed}  F1 {line['f1']:.4f}  AUROC {line['auroc']:.4f}  "
                    f"{line['fit_seconds']:.1f} s",
                    flush=True,
                )


if __name__ == "__main__":
    main()
