"""Splits of ADBench's tables for one-class detectors, without duplicates across the split and with them."""

from dataclasses import replace

import numpy as np

from egbad.benchmark.protocols import Split, duplicates_of_training_rows, share_of_normals
from egbad.datasets import Dataset
from egbad.errors import InvalidInputError

_MIN_ROWS, _MAX_ROWS = 1_000, 10_000  # sizes to which ADBench's generator brings a table


def without_duplicates(split: Split) -> Split:
    """Remove the test rows that equal a training row.

    Parameters
    ----------
    split : Split

    Returns
    -------
    Split
        A note says how many rows were removed.

    Raises
    ------
    InvalidInputError
        If no normal test rows or no anomalies remain.
    """
    duplicates = duplicates_of_training_rows(split)
    if not duplicates.any():
        return split
    kept = np.flatnonzero(~duplicates)
    anomalous = None if split.anomalous is None else split.anomalous[kept]
    if not len(kept) or (anomalous is not None and (anomalous.all() or not anomalous.any())):
        raise InvalidInputError("Test rows of both kinds must differ from all training rows. Use another table.")
    return replace(
        split,
        x_test=split.x_test[kept],
        anomalous=anomalous,
        notes=(*split.notes, f"{int(duplicates.sum()):,} test rows equal a training row and were removed"),
        top_share=split.top_share if anomalous is None else float(anomalous.mean()),
        row_indices=None if split.row_indices is None else split.row_indices[kept],
        classes=None if split.classes is None else split.classes[kept],
        masks=None,
    )


def adbench(dataset: Dataset, seed: int = 0) -> Split:
    """Train on a random half of the normal rows, and test on the other rows that equal no training row.

    Parameters
    ----------
    dataset : Dataset
        With label 0 for normal rows.
    seed : int, default=0

    Returns
    -------
    Split
    """
    return without_duplicates(share_of_normals(dataset, 0, seed=seed))


def adbench_released(dataset: Dataset, seed: int = 0) -> Split:
    """Split as `adbench` after ADBench's generator, which draws small tables with replacement.

    The generator (Han et al., 2022) brings tables of fewer than 1,000 rows to 1,000 by drawing with replacement, and draws 10,000
    rows of larger ones without. The draw comes before the split, so that copies of a row train and test.

    Parameters
    ----------
    dataset : Dataset
        With label 0 for normal rows.
    seed : int, default=0

    Returns
    -------
    Split
        A note says how many test normals equal a training row.
    """
    n = len(dataset.x)
    size = min(max(n, _MIN_ROWS), _MAX_ROWS)
    drawn = np.arange(n) if size == n else np.random.RandomState(seed).choice(n, size, replace=size > n)
    split = share_of_normals(replace(dataset, x=dataset.x[drawn], labels=dataset.labels[drawn]), 0, seed=seed)
    assert split.anomalous is not None
    leaked = duplicates_of_training_rows(split)[~split.anomalous].mean()
    return replace(
        split,
        notes=(f"{leaked:.0%} of the test normals equal a training row",),
        row_indices=None if split.row_indices is None else drawn[split.row_indices],
    )
