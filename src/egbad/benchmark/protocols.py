"""Protocols: splits of labelled data into training and test rows.

A protocol reads labels only to choose training rows and to mark anomalies for the metrics. The same seed gives the same
split. Training and test rows are disjoint, except in protocols of released code whose docstring says otherwise.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egbad.arrays import Array, distinct_rows
from egbad.datasets import Dataset
from egbad.errors import InvalidInputError

_KDD99_NOTE = "rows labelled 'normal.' are the anomalies, attacks are the normal class, as in the papers"


@dataclass(frozen=True)
class Split:
    """Training and test rows of one run.

    Parameters
    ----------
    x_train : ndarray of shape (n_train, ...)
        Training rows or images.
    x_test : ndarray of shape (n_test, ...)
        Test rows or images.
    anomalous : ndarray of bool of shape (n_test,) or None
        True for anomalies. None if the data have no labels.
    notes : tuple of str
        Remarks for readers of a result, for instance errors of the protocol.
    top_share : float, default=0.2
        Share of the test rows with the highest scores that the papers' rule flags, in (0, 1).
    row_indices : ndarray of int of shape (n_test,), optional
        Positions of the test rows in the data set.
    classes : ndarray of shape (n_test,), optional
        Classes of the test rows, if there are several kinds of anomalies.
    masks : ndarray of bool of shape (n_test, h, w) or sequence of callable or None, optional
        Anomalous pixels of the test images, or functions that return those of one image of shape (h, w). None for an image
        whose anomalous pixels are not known.
    """

    x_train: Array
    x_test: Array
    anomalous: NDArray[np.bool_] | None
    notes: tuple[str, ...] = ()
    top_share: float = 0.2
    row_indices: NDArray[np.intp] | None = None
    classes: Array | None = None
    masks: NDArray[np.bool_] | Sequence[Callable[[], NDArray[np.bool_]] | None] | None = None


def duplicates_of_training_rows(split: Split) -> NDArray[np.bool_]:
    """Find the test rows that equal a training row, bit for bit.

    Parameters
    ----------
    split : Split

    Returns
    -------
    ndarray of bool of shape (n_test,)
    """
    known = {row.tobytes() for row in np.ascontiguousarray(split.x_train)}
    return np.fromiter(
        (row.tobytes() in known for row in np.ascontiguousarray(split.x_test)), np.bool_, len(split.x_test)
    )


def kdd99(dataset: Dataset, seed: int = 42) -> Split:
    """Split KDD99 into halves as DAGMM, EGBAD and ALAD do, with `normal.` traffic as the anomaly.

    The published code reduces the anomalies of the test half to 20 percent. The file has 19.69 percent, so all stay.
    Unlike in the published code, detectors scale the columns by training rows only.

    Parameters
    ----------
    dataset : Dataset
    seed : int, default=42

    Returns
    -------
    Split
    """
    anomalous = dataset.labels == "normal."
    order = np.random.default_rng(seed).permutation(len(dataset.x))
    train, test = np.split(order, [len(order) // 2])
    return Split(
        x_train=dataset.x[np.sort(train[~anomalous[train]])],
        x_test=dataset.x[np.sort(test)],
        anomalous=anomalous[np.sort(test)],
        notes=(_KDD99_NOTE,),
    )


def kdd99_released(dataset: Dataset, seed: int = 0) -> Split:
    """Split KDD99 as EGBAD's released code does: pandas' `sample(frac=0.5, random_state=42)` for every seed.

    Use it with detectors that do not scale columns: the released code computes scaled columns and drops them.

    Parameters
    ----------
    dataset : Dataset
    seed : int, default=0
        Ignored, because the runs of the released code differ in the networks only.

    Returns
    -------
    Split
    """
    del seed
    n = len(dataset.x)
    anomalous = dataset.labels == "normal."
    drawn = np.random.RandomState(42).choice(n, size=round(n * 0.5), replace=False)
    in_train = np.zeros(n, dtype=np.bool_)
    in_train[drawn] = True
    return Split(
        x_train=dataset.x[drawn[~anomalous[drawn]]],
        x_test=dataset.x[~in_train],
        anomalous=anomalous[~in_train],
        notes=(_KDD99_NOTE, "every seed has the same split, as in the released code"),
    )


def kdd99_rev(dataset: Dataset, seed: int = 42) -> Split:
    """Split DAGMM's KDDCUP-Rev (Zong et al., 2018, section 4.1): `normal.` is normal, one row in five is an attack.

    Parameters
    ----------
    dataset : Dataset
    seed : int, default=42

    Returns
    -------
    Split
    """
    rng = np.random.default_rng(seed)
    attack = dataset.labels != "normal."
    normals = np.flatnonzero(~attack)
    attacks = rng.choice(np.flatnonzero(attack), size=len(normals) // 4, replace=False)
    train, test = np.split(rng.permutation(np.concatenate([normals, attacks])), [(len(normals) + len(attacks)) // 2])
    test = np.sort(test)
    return Split(dataset.x[np.sort(train[~attack[train]])], dataset.x[test], attack[test])


def leave_one_out(dataset: Dataset, label: int, n_train: int | None = None, seed: int = 42) -> Split:
    """Split as in EGBAD's image task: one class is the anomaly, all other classes are normal.

    80 percent of the normal images are available for training. The test set has the other 20 percent and all images of
    the anomalous class, so that the base rate on MNIST is 0.33 to 0.39. Unlike in the released code, the sets are
    disjoint.

    Parameters
    ----------
    dataset : Dataset
    label : int
        The anomalous class.
    n_train : int, optional
        Number of training images. All available ones by default.
    seed : int, default=42

    Returns
    -------
    Split

    Raises
    ------
    InvalidInputError
        If the data set has no such class, or too few normal images.
    """
    anomalous = dataset.labels == label
    if not anomalous.any():
        raise InvalidInputError(
            f"label must be a class of '{dataset.name}', {sorted(set(dataset.labels.tolist()))}, got {label}."
        )
    normals = np.random.default_rng(seed).permutation(np.flatnonzero(~anomalous))
    train, held_out = np.split(normals, [round(0.8 * len(normals))])
    if n_train is not None and not 0 < n_train <= len(train):
        raise InvalidInputError(
            f"n_train must be from 1 to {len(train)}, which is 80 percent of the normal images, got {n_train}."
        )
    test = np.sort(np.concatenate([held_out, np.flatnonzero(anomalous)]))
    return Split(dataset.x[np.sort(train[:n_train])], dataset.x[test], anomalous[test])


def leave_one_out_released(dataset: Dataset, label: int, seed: int = 42, *, disjoint: bool = False) -> Split:
    """Split MNIST as EGBAD's released code does. Four in five test normals are training images too.

    The released code permutes the normal images once for training, and again for testing with an advanced generator.

    Parameters
    ----------
    dataset : Dataset
    label : int
        The anomalous class.
    seed : int, default=42
    disjoint : bool, default=False
        Keep the training images, and test on the normal images that are not among them: the difference is what the error
        is worth.

    Returns
    -------
    Split
    """
    anomalous = dataset.labels == label
    normals, rng = np.flatnonzero(~anomalous), np.random.RandomState(seed)
    cut = round(0.8 * len(normals))
    train = rng.permutation(normals)[:cut]
    rng.permutation(cut)  # the released code shuffles the training images here
    held_out = np.setdiff1d(normals, train) if disjoint else rng.permutation(normals)[cut:]
    leaked = np.isin(held_out, train).mean()
    note = f"{leaked:.0%} of the test normals are training images too, as in the released code"
    test = np.sort(np.concatenate([held_out, np.flatnonzero(anomalous)]))
    return Split(dataset.x[np.sort(train)], dataset.x[test], anomalous[test], notes=() if disjoint else (note,))


def one_normal(dataset: Dataset, label: int | str, n_official: int, seed: int = 0) -> Split:
    """Split by the official sets with one normal class (Ruff et al., 2018; ADGAN, section 4).

    The images of the class in the official training set train. The whole official test set is scored, with a base rate
    of about 0.9.

    Parameters
    ----------
    dataset : Dataset
    label : int or str
        The normal class.
    n_official : int
        Size of the official training set, which comes first in the data set.
    seed : int, default=0
        Ignored, because the split is official.

    Returns
    -------
    Split
    """
    del seed
    train = np.flatnonzero(dataset.labels[:n_official] == label)
    test = slice(n_official, None)
    return Split(dataset.x[train], dataset.x[test], dataset.labels[test] != label)


def share_of_normals(
    dataset: Dataset, normal: Any, share: float = 0.5, top_share: float | None = None, seed: int = 0
) -> Split:
    """Train on a random share of the normal rows, test on the other normal rows and all anomalies.

    Parameters
    ----------
    dataset : Dataset
    normal : object
        The label of normal rows.
    share : float, default=0.5
        Share of the normal rows that train.
    top_share : float, optional
        Share of the test rows that the published rule flags. By default the share of anomalies, which no user knows.
    seed : int, default=0

    Returns
    -------
    Split

    Raises
    ------
    InvalidInputError
        If there are no normal rows, no anomalies, or too few normal rows to test on.
    """
    is_normal = dataset.labels == normal
    if not is_normal.any() or is_normal.all():
        raise InvalidInputError(f"'{dataset.name}' must have rows with the label {normal!r} and rows without it.")
    normals = np.random.default_rng(seed).permutation(np.flatnonzero(is_normal))
    train, held_out = np.split(normals, [max(2, round(share * len(normals)))])
    test = np.sort(np.concatenate([held_out, np.flatnonzero(~is_normal)]))
    anomalous = ~is_normal[test]
    if anomalous.all():
        raise InvalidInputError(
            f"'{dataset.name}' must have enough rows with the label {normal!r} to train and to test on, "
            f"got {len(normals)}."
        )
    classes = dataset.labels[test]
    return Split(
        dataset.x[np.sort(train)],
        dataset.x[test],
        anomalous,
        top_share=top_share or float(anomalous.mean()),
        row_indices=test,
        classes=classes if len(set(classes[anomalous])) > 1 else None,
        masks=None if dataset.masks is None else dataset.masks[test],
    )


def arrhythmia_released(dataset: Dataset, seed: int = 42) -> Split:
    """Split Arrhythmia as the code released with ALAD does. The training half contains anomalies.

    Parameters
    ----------
    dataset : Dataset
    seed : int, default=42

    Returns
    -------
    Split
    """
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
    """Train on a random half of rows without labels, and test on the other half.

    Parameters
    ----------
    dataset : Dataset
    seed : int, default=0

    Returns
    -------
    Split

    Raises
    ------
    InvalidInputError
        If there are fewer than four rows.
    """
    n = len(dataset.x)
    if n < 4:
        raise InvalidInputError(f"'{dataset.name}' must have at least 4 rows to compare detectors on, got {n}.")
    order = np.random.default_rng(seed).permutation(n)
    test = np.sort(order[n // 2 :])
    return Split(dataset.x[np.sort(order[: n // 2])], dataset.x[test], None, row_indices=test)


def one_against_one(dataset: Dataset, normal: int, anomaly: int, n_train: int, seed: int = 0) -> Split:
    """Train on examples of one class, and test on its other examples and on all examples of a second class.

    Parameters
    ----------
    dataset : Dataset
    normal, anomaly : int
        The two classes.
    n_train : int
        Number of training examples.
    seed : int, default=0

    Returns
    -------
    Split

    Raises
    ------
    InvalidInputError
        If the normal class has no more than `n_train` examples.
    """
    normals = np.random.default_rng(seed).permutation(np.flatnonzero(dataset.labels == normal))
    if not n_train < len(normals):
        raise InvalidInputError(
            f"n_train must be below {len(normals)}, the number of examples of class {normal}, got {n_train}."
        )
    anomalies = np.flatnonzero(dataset.labels == anomaly)
    test = np.concatenate([normals[n_train:], anomalies])
    return Split(dataset.x[normals[:n_train]], dataset.x[test], np.isin(test, anomalies))


def unique_rows(x: Array) -> Array:
    """Return the distinct rows in the order of their first occurrence.

    Parameters
    ----------
    x : ndarray of shape (n_samples, ...)

    Returns
    -------
    ndarray of shape (n_unique, ...)
    """
    return np.asarray(x[distinct_rows(x)])
