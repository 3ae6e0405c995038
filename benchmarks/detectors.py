"""Fit and score every detector on one data set.

    python benchmarks/detectors.py kdd99 --seeds 0 1 2 --only "anogan, sigma" --out benchmarks/results/detectors_kdd99.jsonl
    python benchmarks/detectors.py digits --seeds 0 1 2 --out benchmarks/results/detectors_digits.jsonl
    python benchmarks/detectors.py five_seven --seeds 0 1 2 --out benchmarks/results/detectors_five_seven.jsonl

One JSON line per run. kdd99 is the clean protocol: train on the attacks of one half, score the whole other half, flag the 20
percent of test rows with the highest scores. digits (8 x 8, scikit-learn's) and five_seven (28 x 28, MNIST) train on the
digit 5 and test on held-out 5s and on the digit 7.
"""

import argparse
import json
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from egbad import datasets
from egbad.benchmark import protocols
from egbad.detectors.registry import all_detectors, create
from egbad.errors import CalibrationWarning, HealthWarning
from egbad.scoring import metrics

# The defaults, and the variants that the papers name.
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {name: (name, {}) for name in all_detectors()} | {
    "anogan, sigma": ("anogan", {"discriminator_loss": "sigma"}),
    "dsebm": ("dsebm", {"score_type": "energy"}),
    "dsebm, reconstruction": ("dsebm", {"score_type": "reconstruction"}),
    "dagmm, nvi": ("dagmm", {"estimator": "nvi"}),
    "egbad, sigma": ("egbad", {"discriminator_loss": "sigma"}),
    "vae, elbo": ("vae", {"score_type": "elbo"}),
}

# Columns as other authors may have used them, to separate the effect of the columns from that of the method.
MINMAX: dict[str, Any] = {"preprocessing__scaling": "minmax", "preprocessing__log_columns": ()}
UNSCALED: dict[str, Any] = {"preprocessing__scaling": "none", "preprocessing__log_columns": ()}
AS_PUBLISHED: dict[str, tuple[str, dict[str, Any]]] = {
    "dagmm, paper's recipe": ("dagmm", {"recipe": "paper"}),
    "dagmm, nvi, paper's recipe": ("dagmm", {"recipe": "paper", "estimator": "nvi"}),
    "dsebm, min-max": ("dsebm", MINMAX),
    "dsebm, unscaled": ("dsebm", UNSCALED),
    "dsebm, reconstruction, min-max": ("dsebm", MINMAX | {"score_type": "reconstruction"}),
    "dsebm, reconstruction, unscaled": ("dsebm", UNSCALED | {"score_type": "reconstruction"}),
    "one_class_svm, min-max": ("one_class_svm", MINMAX),
    "one_class_svm, unscaled": ("one_class_svm", UNSCALED),
    "alad, min-max": ("alad", MINMAX),
    "alad, unscaled": ("alad", UNSCALED),
}


def load_kdd99(seed: int) -> tuple[protocols.Split, str]:
    """Return the split and the digest of the data."""
    data = datasets.load("kdd99")
    return protocols.kdd99(data), data.digest


def one_digit(name: str, n_train: int) -> Callable[[int], tuple[protocols.Split, str]]:
    """Return a function that loads 5 against 7 with `n_train` training images."""

    def load(seed: int) -> tuple[protocols.Split, str]:
        data = datasets.load(name)
        return protocols.one_against_one(data, 5, 7, n_train, seed), data.digest

    return load


TASKS = {"kdd99": load_kdd99, "digits": one_digit("digits", 130), "five_seven": one_digit("mnist5k", 400)}


def measure(name: str, parameters: dict[str, Any], split: protocols.Split, seed: int) -> dict[str, Any]:
    """Fit and score one detector."""
    alpha = 0.01 if split.x_train.ndim == 2 else 0.05
    detector = create(name, random_state=seed, alpha=alpha, **parameters).fit(split.x_train)
    # A score depends on its row alone, so equal rows are scored once.
    distinct, inverse = np.unique(split.x_test, axis=0, return_inverse=True)
    started = time.perf_counter()
    scores = detector.anomaly_score(distinct)
    seconds = time.perf_counter() - started
    scores, y = scores[inverse.ravel()], split.anomalous
    top = metrics.top_share(scores, y, 0.2)
    return {
        "auroc": metrics.auroc(scores, y),
        "average_precision": metrics.average_precision(scores, y),
        "precision": top.precision,
        "recall": top.recall,
        "f1": top.f1,
        "ties": top.ties,
        "false_alarms": float((scores[~y] > detector.threshold_).mean()),
        "found": float((scores[y] > detector.threshold_).mean()),
        "fit_seconds": detector.fit_seconds_,
        "scored": len(distinct),
        "rows_per_second": len(distinct) / seconds,
        "health": getattr(detector, "health_", []),
        "versions": detector.fit_versions_,
    }


def main() -> None:
    """Run the variants seed by seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--only",
        default="",
        help="variants to run, separated by semicolons; the defaults and variants of the papers otherwise",
    )
    parser.add_argument("--rows", type=int, default=0, help="number of test rows to sample; 0 is all")
    parser.add_argument("--out", required=True)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    warnings.simplefilter("ignore", HealthWarning)  # the records hold them
    warnings.simplefilter("ignore", CalibrationWarning)  # digits have about a hundred calibration images
    variants = given.only.split(";") if given.only else list(VARIANTS)
    with open(given.out, "a", encoding="utf-8") as out:
        for seed in given.seeds:
            split, digest = TASKS[given.task](seed)
            if given.rows:
                kept = np.sort(np.random.default_rng(seed).permutation(len(split.x_test))[: given.rows])
                split = replace(split, x_test=split.x_test[kept], anomalous=split.anomalous[kept])
            common = {"task": given.task, "seed": seed, "digest": digest, "threads": given.threads}
            common |= {"training_rows": len(split.x_train), "test_rows": len(split.x_test)}
            common["base_rate"] = metrics.base_rate(split.anomalous)
            for variant in variants:
                name, parameters = (VARIANTS | AS_PUBLISHED)[variant]
                line = {"method": variant} | measure(name, parameters, split, seed) | common
                out.write(json.dumps(line) + "\n")
                out.flush()
                print(
                    f"{given.task} {variant:22} seed {seed}  F1 {line['f1']:.4f}  AUROC {line['auroc']:.4f}  fit "
                    f"{line['fit_seconds']:.1f} s  {line['rows_per_second']:.0f} rows/s",
                    flush=True,
                )


if __name__ == "__main__":
    main()
