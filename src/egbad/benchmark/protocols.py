"""Splits of public data sets, one function a protocol. Labels choose the training rows, then wait for the metrics."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egbad.datasets import Dataset
from egbad.encoding import distinct_rows
from egbad.errors import InvalidInputError

Array = NDArray[Any]


@dataclass(frozen=True)
class Split:
    """Rows to learn from and rows to score.

    Attributes
    ----------
    x_train : array (n, ...)
        Normal rows or images only.
    x_test : array (m, ...)
        None of them was in training (rows may be equal: `repeats` counts them).
    anomalous : array of bool (m,)
        Which of `x_test` are anomalies.
    notes : tuple of str
        What a reader of a figure must know, faults of the protocol among it.
    """

    x_train: Array
    x_test: Array
    anomalous: NDArray[np.bool_]
    notes: tuple[str, ...]


def repeats(split: Split) -> NDArray[np.bool_]:
    """Which test rows equal a training row (m,)."""
    known = {row.tobytes() for row in np.ascontiguousarray(split.x_train)}
    return np.fromiter(
        (row.tobytes() in known for row in np.ascontiguousarray(split.x_test)), np.bool_, len(split.x_test)
    )


def kdd99(dataset: Dataset, seed: int = 42) -> Split:
    """KDD99 as DAGMM, EGBAD and ALAD split it: `normal.` is the anomaly, a random half trains, the other half tests.

    The published code asks for an anomaly share of 20 percent in the test half; the file has 19.69 percent, so nothing
    is left out. Detectors scale the columns themselves, on training rows.
    """
    anomalous = dataset.labels == "normal."
    order = np.random.default_rng(seed).permutation(len(dataset.x))
    train, test = np.split(order, [len(order) // 2])
    return Split(
        x_train=dataset.x[np.sort(train[~anomalous[train]])],
        x_test=dataset.x[np.sort(test)],
        anomalous=anomalous[np.sort(test)],
        notes=("normal. traffic is the anomaly, attacks are the normal class, as in the papers",),
    )


def kdd99_released(dataset: Dataset) -> Split:
    """The half that EGBAD's released code draws, with pandas' `sample(frac=0.5, random_state=42)`.

    Used with a detector that doesn't scale: the released code computes scaled columns and drops them.
    """
    n = len(dataset.x)
    anomalous = dataset.labels == "normal."
    drawn = np.random.RandomState(42).choice(n, size=round(n * 0.5), replace=False)
    in_train = np.zeros(n, dtype=np.bool_)
    in_train[drawn] = True
    return Split(
        x_train=dataset.x[drawn[~anomalous[drawn]]],
        x_test=dataset.x[~in_train],
        anomalous=anomalous[~in_train],
        notes=(
            "normal. traffic is the anomaly, attacks are the normal class, as in the papers",
            "columns are not scaled: the released code drops what its scaler returns",
            "the threshold is the 80th percentile of the test scores: it knows the share of anomalies",
        ),
    )


def leave_one_out(dataset: Dataset, label: int, seed: int = 42) -> Split:
    """EGBAD's image task: one class is the anomaly, the others are normal; 80 percent of the normals train.

    The test set has the other 20 percent and every image of the class, which makes the base rate 0.33 to 0.39 on
    MNIST. Unlike in the released code, no test image was in training.
    """
    anomalous = dataset.labels == label
    if not anomalous.any():
        raise InvalidInputError(
            f"{dataset.name} must have the label {label}, got {sorted(set(dataset.labels.tolist()))}."
        )
    normals = np.random.default_rng(seed).permutation(np.flatnonzero(~anomalous))
    train, held_out = np.split(normals, [round(0.8 * len(normals))])
    test = np.sort(np.concatenate([held_out, np.flatnonzero(anomalous)]))
    return Split(dataset.x[np.sort(train)], dataset.x[test], anomalous[test], notes=("the base rate is far above 0.1",))


def one_against_one(dataset: Dataset, normal: int, anomaly: int, n_train: int, seed: int = 0) -> Split:
    """Learn `n_train` examples of one class, meet its others and all of a second class."""
    normals = np.random.default_rng(seed).permutation(np.flatnonzero(dataset.labels == normal))
    if not n_train < len(normals):
        raise InvalidInputError(f"n_train must be below {len(normals)}, the images of class {normal}, got {n_train}.")
    strange = np.flatnonzero(dataset.labels == anomaly)
    test = np.concatenate([normals[n_train:], strange])
    return Split(dataset.x[normals[:n_train]], dataset.x[test], np.isin(test, strange), notes=())


def distinct(x: Array) -> Array:
    """The distinct rows of x (n, d), in the order in which they come first."""
    return np.asarray(x[distinct_rows(x)])
