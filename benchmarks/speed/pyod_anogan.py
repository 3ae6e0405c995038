"""EGBAD's pass beside AnoGAN as PyOD has it, which searches one sample at a time, on rows of KDD99's width.

    pip install pyod==3.6.7
    python benchmarks/speed/pyod_anogan.py

PyOD is no part of what is installed with egbad. Its search is in `fit` alone: of the rows that are given to it later,
`decision_function` computes losses without a search, so what is timed is `fit`, 500 steps of search a row less one step.
What the weights are doesn't matter to the time, both learn for a moment only.
"""

import argparse
import json
import time
import warnings
from importlib.metadata import version
from statistics import median

import torch
from check import ROWS, drawn, learned
from pyod.models.anogan import AnoGAN

from egbad.errors import HealthWarning

STEPS = 500
# The widths of EGBAD's released networks for KDD99.
SIZES = {"latent_dim_G": 32, "G_layers": [64, 128], "D_layers": [256, 128, 128]}


def search(n: int, steps: int) -> float:
    """Seconds of learning from n rows for one pass, and searching each in so many steps."""
    started = time.perf_counter()
    AnoGAN(epochs=1, epochs_query=steps, index_D_layer_for_recon_error=1, device="cpu", **SIZES).fit(drawn(n, ROWS))
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", HealthWarning)
    detector, x = learned("egbad", ROWS), drawn(8192, ROWS)
    search(2, 2), detector.anomaly_score(x)
    pairs = []
    for _ in range(options.repeats):
        its = (search(options.rows, STEPS) - search(options.rows, 1)) / options.rows
        started = time.perf_counter()
        detector.anomaly_score(x)
        pairs.append((its, (time.perf_counter() - started) / len(x)))
    ratios = [its / own for its, own in pairs]
    print(
        json.dumps(
            {
                "pyod": version("pyod"),
                "pyod_ms_a_row": 1000 * median(its for its, _ in pairs),
                "egbad_us_a_row": 1e6 * median(own for _, own in pairs),
                "ratio": median(ratios),
                "ratio_low": min(ratios),
                "ratio_high": max(ratios),
            }
        )
    )


if __name__ == "__main__":
    main()
