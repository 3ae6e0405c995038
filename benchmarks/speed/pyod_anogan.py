"""Compare EGBAD's pass with PyOD's AnoGAN, which searches for one sample at a time, on rows of KDD99's width.

    pip install pyod==3.6.7
    python benchmarks/speed/pyod_anogan.py

PyOD is not a dependency of egbad. It searches in `fit` only; its `decision_function` computes losses without a search. The
benchmark therefore times `fit` with 500 steps of search, minus `fit` with one. Both train for a moment only, since speed does
not depend on the weights.
"""

import argparse
import json
import time
import warnings
from importlib.metadata import version
from statistics import median

import torch
from check import ROWS, fit, random_data
from pyod.models.anogan import AnoGAN

from egbad.errors import HealthWarning

STEPS = 500
# The widths of EGBAD's released networks for KDD99.
SIZES = {"latent_dim_G": 32, "G_layers": [64, 128], "D_layers": [256, 128, 128]}


def search(n: int, steps: int) -> float:
    """Return the duration of one epoch on n rows and a search of `steps` steps for each."""
    started = time.perf_counter()
    AnoGAN(epochs=1, epochs_query=steps, index_D_layer_for_recon_error=1, device="cpu", **SIZES).fit(
        random_data(n, ROWS)
    )
    return time.perf_counter() - started


def main() -> None:
    """Print the ratio as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", HealthWarning)
    detector, x = fit("egbad", ROWS), random_data(8192, ROWS)
    search(2, 2), detector.anomaly_score(x)
    pairs = []
    for _ in range(options.repeats):
        search_seconds = (search(options.rows, STEPS) - search(options.rows, 1)) / options.rows
        started = time.perf_counter()
        detector.anomaly_score(x)
        pairs.append((search_seconds, (time.perf_counter() - started) / len(x)))
    ratios = [slow / fast for slow, fast in pairs]
    print(
        json.dumps(
            {
                "pyod": version("pyod"),
                "pyod_ms_a_row": 1000 * median(slow for slow, _ in pairs),
                "egbad_us_a_row": 1e6 * median(fast for _, fast in pairs),
                "ratio": median(ratios),
                "ratio_low": min(ratios),
                "ratio_high": max(ratios),
            }
        )
    )


if __name__ == "__main__":
    main()
