"""Dependence of training images on their order, as drifting light or place causes it.

A threshold by images that were held out at random keeps its false-alarm rate for new images only if the order of images does not
matter. Where it does, the model has learned images beside the held-out ones, and those of another day are flagged too often.

The check compares out-of-fold scores of the same vectors: random folds set a conformal threshold, and contiguous blocks of the
order are compared with it. If the order does not matter, both have one distribution. They depend on each other, which makes the
binomial test conservative. Two scores are tried: Mahalanobis distances with the covariance of Ledoit and Wolf notice steps,
distances to the nearest vector notice gradual changes and groups.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom
from sklearn.covariance import LedoitWolf
from sklearn.metrics import euclidean_distances

from egbad.arrays import Array, Floats
from egbad.errors import CalibrationWarning
from egbad.nn.threads import blas_threads
from egbad.scoring.calibration import required_rows, threshold

FOLDS = 5
MIN_IMAGES = 30  # below, a rate of a tenth is hardly known
MAX_IMAGES = 500  # evenly spaced: bounds time
_MIN_LEVEL = 0.1  # false-alarm rate that is compared, unless alpha is higher: lower ones need more images
_MIN_FACTOR = 2.0
_MAX_P_VALUE = 1e-3
_NEW_IMAGES = 20  # that usually mend a threshold


@dataclass(frozen=True)
class OrderDrift:
    """Rates of normal images above a threshold for a nominal rate.

    Attributes
    ----------
    level : float
        Nominal rate of the threshold, which random folds have.
    rate : float
        Rate of contiguous blocks, the higher of two scores.
    p_value : float
        Bound of the probability of such a rate or a higher one, if the order did not matter.
    """

    level: float
    rate: float
    p_value: float

    @property
    def is_clear(self) -> bool:
        """True if the rate is at least twice the nominal one, which is no coincidence."""
        return self.p_value <= _MAX_P_VALUE and self.rate >= _MIN_FACTOR * self.level


def measure_order_drift(vectors: Array, alpha: float) -> OrderDrift | None:
    """Measure if vectors of images depend on their order.

    Parameters
    ----------
    vectors : ndarray of shape (n_images, d)
        In the order of the images.
    alpha : float
        False-alarm rate to compare, in (0, 1); at least 0.1 is compared.

    Returns
    -------
    OrderDrift or None
        None for fewer than 30 images.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(100, 4))
    >>> measure_order_drift(x, 0.1).is_clear
    False
    >>> x += np.linspace(0, 12, 100)[:, None]
    >>> measure_order_drift(x, 0.1).is_clear
    True
    """
    n = len(vectors)
    if n < MIN_IMAGES:
        return None
    x = vectors[np.linspace(0, n - 1, min(n, MAX_IMAGES)).astype(np.intp)].astype(np.float64)
    level, blocks = max(alpha, _MIN_LEVEL), np.arange(len(x)) * FOLDS // len(x)
    random_folds = np.random.default_rng(0).permutation(blocks)
    with blas_threads.single_thread():
        x = _principal_components(x)
        counts = []
        for distances in (_mahalanobis_distances, _nearest_distances):
            usual = np.sort(distances(x, random_folds))
            counts.append(int((distances(x, blocks) > threshold(usual, level)).sum()))
    p_value = len(counts) * float(binom.sf(max(counts) - 1, len(x), level))
    return OrderDrift(level, max(counts) / len(x), min(p_value, 1.0))


def image_means(patches: Array, image_of: NDArray[np.intp]) -> Floats:
    """Return the mean patch of each image.

    Parameters
    ----------
    patches : ndarray of shape (n_patches, d)
    image_of : ndarray of int of shape (n_patches,)
        Position of the image that a patch belongs to, ascending.

    Returns
    -------
    ndarray of shape (n_images, d)
        In the order of the images; images without patches are left out.

    Examples
    --------
    >>> image_means(np.array([[1.0], [3.0], [5.0]]), np.array([0, 0, 4]))
    array([[2.],
           [5.]])
    """
    _, starts, counts = np.unique(image_of, return_index=True, return_counts=True)
    return np.asarray(np.add.reduceat(patches, starts, axis=0, dtype=np.float64) / counts[:, None])


def warn_of_order_drift(drift: OrderDrift | None, alpha: float, stacklevel: int = 2) -> None:
    """Warn if images depend on their order.

    Parameters
    ----------
    drift : OrderDrift or None
    alpha : float
        False-alarm rate of the detector.
    stacklevel : int
        As in `warnings.warn`.

    Warns
    -----
    CalibrationWarning
    """
    if drift is None or not drift.is_clear:
        return
    required = required_rows(alpha)
    enough = "" if required <= _NEW_IMAGES else f"; alpha={alpha:g} needs {required}"
    warnings.warn(
        f"Training images depend on their order: {drift.rate:.0%} of them are above a threshold for {drift.level:.0%} when a "
        "model of other parts of the order judges them. Light or place drift, or images come in groups, so new normal images may "
        f"be flagged more often than alpha={alpha:g} says. Call recalibrate with about {_NEW_IMAGES} new normal images{enough}.",
        CalibrationWarning,
        stacklevel=stacklevel + 1,
    )


def _principal_components(x: Floats) -> Floats:
    """Return rows (n, d) in the at most n dimensions that they lie in; distances stay as they are."""
    centred = x - x.mean(axis=0)
    if len(x) >= x.shape[1]:
        return np.asarray(centred)
    u, singular, _ = np.linalg.svd(centred, full_matrices=False)
    return np.asarray(u * singular)


def _mahalanobis_distances(x: Floats, fold: NDArray[np.intp]) -> Floats:
    """Return the squared Mahalanobis distance (n,) of each row to the rows of other folds."""
    distances = np.empty(len(x))
    for i in range(FOLDS):
        own = fold == i
        distances[own] = LedoitWolf().fit(x[~own]).mahalanobis(x[own])
    return distances


def _nearest_distances(x: Floats, fold: NDArray[np.intp]) -> Floats:
    """Return the Euclidean distance (n,) of each row to the nearest one of other folds."""
    distances = euclidean_distances(x)
    distances[fold[:, None] == fold] = np.inf
    return np.asarray(distances.min(axis=1))
