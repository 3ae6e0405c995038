"""Compare KDD99 with its 41 original columns, seven of them categorical, to the papers' 121 one-hot columns.

    python benchmarks/column_types.py --seeds 3

The papers one-hot encode the values of the whole file; here the levels come from the training rows. One split. One JSON line
per run, appended to `results/column_types.jsonl`.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from lines import Line, append_line

from egbad import datasets
from egbad.arrays import map_unique_rows
from egbad.benchmark import protocols
from egbad.data import Data
from egbad.data.column_types import CATEGORY, NUMBER, category_code
from egbad.datasets.dataset import Dataset
from egbad.detectors.registry import create
from egbad.scoring import metrics


def with_categories(dataset: Dataset) -> tuple[Dataset, tuple[str, ...]]:
    """Merge the one-hot columns of each category into one column; return the data set and the types of its columns."""
    assert dataset.columns is not None
    numbers = [j for j, name in enumerate(dataset.columns) if "=" not in name]
    one_hot: dict[str, list[tuple[int, float]]] = {}
    for j, column in enumerate(dataset.columns):
        name, equals, value = column.partition("=")
        if equals:
            one_hot.setdefault(name, []).append((j, category_code(value)))
    categories = [dataset.x[:, [j for j, _ in own]] @ np.array([code for _, code in own]) for own in one_hot.values()]
    x = np.column_stack([dataset.x[:, numbers], *categories])
    columns = (*(dataset.columns[j] for j in numbers), *one_hot)
    return replace(dataset, x=x, columns=columns), (NUMBER,) * len(numbers) + (CATEGORY,) * len(one_hot)


def runs(seeds: int) -> Iterator[Line]:
    """Fit and measure both detectors on both sets of columns."""
    encoded = datasets.load("kdd99")
    mixed, types = with_categories(encoded)
    for label, dataset, column_types in (("41 columns", mixed, types), ("121 columns", encoded, None)):
        split = protocols.kdd99(dataset)
        assert split.anomalous is not None
        for name in ("egbad", "blend"):
            for seed in range(seeds if name == "egbad" else 1):
                data = Data(split.x_train, dataset.columns, column_types=column_types)
                detector = create(name, random_state=seed).fit(data)
                scores, _ = map_unique_rows(
                    lambda x: detector.anomaly_score(Data(x, dataset.columns, column_types=column_types)),  # noqa: B023
                    split.x_test,
                )
                yield {
                    "columns": label,
                    "detector": name,
                    "seed": seed,
                    "f1": metrics.top_share(scores, split.anomalous, split.top_share).f1,
                    "auroc": metrics.auroc(scores, split.anomalous),
                    "average_precision": metrics.average_precision(scores, split.anomalous),
                    "fit_seconds": detector.fit_seconds_,
                }


def main() -> None:
    """Append one JSON line per run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/column_types.jsonl"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    for line in runs(options.seeds):
        append_line(options.out, line)


if __name__ == "__main__":
    main()
