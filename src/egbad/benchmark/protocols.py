"""Splits of labelled data, one function a protocol. Labels choose the training rows, then wait for the metrics.

The same seed gives the same split. No test row was in training, unless a function's first line says so.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egbad.arrays import distinct_rows
from egbad.datasets import Dataset
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
    anomalous : array of bool (m,), optional
        Which of `x_test` are anomalies, where that is known.
    notes : tuple of str
        What a reader of a figure must know, faults of the protocol among it.
    top_share : float
        The share of highest scores that the papers' rule flags on this data, in (0, 1).
    places : array of int (m,), optional
        Which rows of the data `x_test` are.
    kinds : array (m,), optional
        Of what class each of `x_test` is, where there are several kinds of anomalies.
    masks : array of bool (m, h, w), optional
        Which pixels make an image an anomaly.
    """

    x_train: Array
    x_test: Array
    anomalous: NDArray[np.bool_] | None
    notes: tuple[str, ...] = ()
    top_share: float = 0.2
    places: NDArray[np.intp] | None = None
    kinds: Array | None = None
    masks: NDArray[np.bool_] | None = None


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


def kdd99_released(dataset: Dataset, seed: int = 0) -> Split:
    """The half that EGBAD's released code draws, with pandas' `sample(frac=0.5, random_state=42)`, whatever the seed.

    Used with a detector that doesn't scale: the released code computes scaled columns and drops them.
    """
    del seed  # its runs differ in the networks alone
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
            "every seed has the same split, as in the released code",
        ),
    )


def kdd99_rev(dataset: Dataset, seed: int = 42) -> Split:
    """DAGMM's KDDCUP-Rev (Zong et al., 2018, section 4.1): `normal.` is normal, attacks are drawn down to one in five."""
    rng = np.random.default_rng(seed)
    attack = dataset.labels != "normal."
    normals = np.flatnonzero(~attack)
    attacks = rng.choice(np.flatnonzero(attack), size=len(normals) // 4, replace=False)
    train, test = np.split(rng.permutation(np.concatenate([normals, attacks])), [(len(normals) + len(attacks)) // 2])
    test = np.sort(test)
    return Split(dataset.x[np.sort(train[~attack[train]])], dataset.x[test], attack[test])


def leave_one_out(dataset: Dataset, label: int, n_train: int | None = None, seed: int = 42) -> Split:
    """EGBAD's image task: one class is the anomaly, the others are normal; 80 percent of the normals train, or `n_train`.

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
    if n_train is not None and not 0 < n_train <= len(train):
        raise InvalidInputError(f"n_train must be from 1 to {len(train)}, 80 percent of the normals, got {n_train}.")
    test = np.sort(np.concatenate([held_out, np.flatnonzero(anomalous)]))
    return Split(dataset.x[np.sort(train[:n_train])], dataset.x[test], anomalous[test])


def leave_one_out_released(dataset: Dataset, label: int, seed: int = 42) -> Split:
    """Four in five of the test normals WERE in training: the split of EGBAD's released code for MNIST.

    It draws one order of the normals for training and a second one for testing, from a generator that has moved on.
    """
    anomalous = dataset.labels == label
    normals, rng = np.flatnonzero(~anomalous), np.random.RandomState(seed)
    cut = round(0.8 * len(normals))
    train = rng.permutation(normals)[:cut]
    rng.permutation(cut)  # it shuffles what it trains on
    held_out = rng.permutation(normals)[cut:]
    leaked = np.isin(held_out, train).mean()
    test = np.sort(np.concatenate([held_out, np.flatnonzero(anomalous)]))
    return Split(
        dataset.x[np.sort(train)],
        dataset.x[test],
        anomalous[test],
        notes=(f"{leaked:.0%} of the test normals were trained on, as in the released code",),
    )


def one_normal(dataset: Dataset, label: int | str, n_official: int, seed: int = 0) -> Split:
    """One class is normal, all others are anomalies, on the official halves (Ruff et al., 2018; ADGAN, section 4).

    The first `n_official` images are the official training set; those of the class train, the whole test set is met.
    The base rate is about 0.9. Every seed has the same split.
    """
    del seed
    train = np.flatnonzero(dataset.labels[:n_official] == label)
    rest = slice(n_official, None)
    return Split(dataset.x[train], dataset.x[rest], dataset.labels[rest] != label)


def share_of_normals(
    dataset: Dataset, normal: Any, share: float = 0.5, top_share: float | None = None, seed: int = 0
) -> Split:
    """A random `share` of the rows labelled `normal` trains; the other normals and every other row are met.

    `top_share` is the published rule's; without it the share of anomalies, which no user knows.
    """
    known = dataset.labels == normal
    if not known.any() or known.all():
        raise InvalidInputError(f"{dataset.name} must have rows labelled {normal!r}, and others to find among them.")
    normals = np.random.default_rng(seed).permutation(np.flatnonzero(known))
    train, held_out = np.split(normals, [max(2, round(share * len(normals)))])
    test = np.sort(np.concatenate([held_out, np.flatnonzero(~known)]))
    anomalous = ~known[test]
    if anomalous.all():
        raise InvalidInputError(f"{dataset.name} must keep a row labelled {normal!r} to test on, got {len(normals)}.")
    labels = dataset.labels[test]
    return Split(
        dataset.x[np.sort(train)],
        dataset.x[test],
        anomalous,
        top_share=top_share or float(anomalous.mean()),
        places=test,
        kinds=labels if len(set(labels[anomalous])) > 1 else None,
        masks=None if dataset.masks is None else dataset.masks[test],
    )


def arrhythmia_released(dataset: Dataset, seed: int = 42) -> Split:
    """Anomalies ARE in training: a random half trains, whatever it is, as in the code released with ALAD."""
    train, test = np.split(np.random.default_rng(seed).permutation(len(dataset.x)), [len(dataset.x) // 2])
    share = float((dataset.labels[train] == 1).mean())
    return Split(
        dataset.x[train],
        dataset.x[test],
        dataset.labels[test] == 1,
        notes=(f"{share:.0%} of the training rows are anomalies, as in the released code",),
        top_share=0.15,
    )


def unlabelled_half(dataset: Dataset, seed: int = 0) -> Split:
    """Learn a random half of rows of which nothing is known, score the other half."""
    n = len(dataset.x)
    if n < 4:
        raise InvalidInputError(f"{dataset.name} must have at least four rows to compare detectors on, got {n}.")
    order = np.random.default_rng(seed).permutation(n)
    test = np.sort(order[n // 2 :])
    return Split(dataset.x[np.sort(order[: n // 2])], dataset.x[test], None, places=test)


def one_against_one(dataset: Dataset, normal: int, anomaly: int, n_train: int, seed: int = 0) -> Split:
    """Learn `n_train` examples of one class, meet its others and all of a second class."""
    normals = np.random.default_rng(seed).permutation(np.flatnonzero(dataset.labels == normal))
    if not n_train < len(normals):
        raise InvalidInputError(f"n_train must be below {len(normals)}, the images of class {normal}, got {n_train}.")
    strange = np.flatnonzero(dataset.labels == anomaly)
    test = np.concatenate([normals[n_train:], strange])
    return Split(dataset.x[normals[:n_train]], dataset.x[test], np.isin(test, strange))


def distinct(x: Array) -> Array:
    """The distinct rows of x (n, d), in the order in which they come first."""
    return np.asarray(x[distinct_rows(x)])
