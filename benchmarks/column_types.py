"""KDD99 by its 41 columns as they are, seven of them categories, beside the 121 columns that the papers make of them.

    python benchmarks/column_types.py --seeds 3

The papers' one-hot columns are made of the values that the whole file has, ours of those that training rows have. One
split; one JSON line per run, added to `results/column_types.jsonl`.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from egbad import datasets
from egbad.arrays import map_unique_rows
from egbad.benchmark import protocols
from egbad.data import Data
from egbad.data.column_types import CATEGORY, NUMBER, category_code
from egbad.datasets.dataset import Dataset
from egbad.detectors.registry import create
from egbad.scoring import metrics


def folded(dataset: Dataset) -> tuple[Dataset, tuple[str, ...]]:
    """The one-hot columns of a name as one column of categories, and what the columns hold."""
    assert dataset.columns is not None
    numbers = [j for j, name in enumerate(dataset.columns) if "=" not in name]
    hot: dict[str, list[tuple[int, float]]] = {}
    for j, column in enumerate(dataset.columns):
        name, equals, value = column.partition("=")
        if equals:
            hot.setdefault(name, []).append((j, category_code(value)))
    categories = [dataset.x[:, [j for j, _ in own]] @ np.array([code for _, code in own]) for own in hot.values()]
    x = np.column_stack([dataset.x[:, numbers], *categories])
    columns = (*(dataset.columns[j] for j in numbers), *hot)
    return replace(dataset, x=x, columns=columns), (NUMBER,) * len(numbers) + (CATEGORY,) * len(hot)


def runs(seeds: int) -> Iterator[dict[str, Any]]:
    plain = datasets.load("kdd99")
    mixed, kinds = folded(plain)
    for words, dataset, own in (("41 columns", mixed, kinds), ("121 columns", plain, None)):
        split = protocols.kdd99(dataset)
        for name in ("egbad", "blend"):
            for seed in range(seeds if name == "egbad" else 1):
                detector = create(name, random_state=seed).fit(Data(split.x_train, dataset.columns, kinds=own))
                scores, _ = map_unique_rows(
                    lambda x: detector.anomaly_score(Data(x, dataset.columns, kinds=own)),  # noqa: B023, used at once
                    split.x_test,
                )
                assert split.anomalous is not None
                yield {
                    "columns": words,
                    "detector": name,
                    "seed": seed,
                    "f1": metrics.top_share(scores, split.anomalous, split.top_share).f1,
                    "auroc": metrics.auroc(scores, split.anomalous),
                    "average_precision": metrics.average_precision(scores, split.anomalous),
                    "fit_seconds": detector.fit_seconds_,
                }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/column_types.jsonl"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    for line in runs(options.seeds):
        print(json.dumps(line), flush=True)
        with options.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
