"""Exemplars: normal images that a model keeps, to show them next to anomalies and to locate what is different."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from egbad.arrays import Array, Floats
from egbad.explain.explanation import Attribution, distribute

MAX_BYTES = 2**22  # size of the exemplars of one model
_MIN_DEVIATION = 1e-6  # images of less contrast are constant
_N_NEAREST = 8  # images whose mean is the expected image
_BLUR = 1 / 25  # standard deviation of the blur, as a fraction of the side: differences of single pixels are noise


def sample_exemplars(x: Array, max_images: int, seed: int) -> Array:
    """Sample images without replacement, at most `max_images` and at most 4 MiB.

    Parameters
    ----------
    x : ndarray of shape (n_samples, ...)
        Training images. Double precision is reduced to single precision.
    max_images : int
    seed : int

    Returns
    -------
    ndarray of shape (n_exemplars, ...)
        In the order of `x`. At least one image.
    """
    images = x.astype(np.float32) if x.dtype.itemsize > 4 else x
    fitting = max(1, MAX_BYTES // images[0].nbytes)
    sampled = np.random.default_rng(seed).permutation(len(images))[: min(max_images, fitting)]
    return images[np.sort(sampled)]


def nearest_images(x: Array, exemplars: Array, k: int) -> Array:
    """Return the exemplars that correlate best with each image.

    Parameters
    ----------
    x : ndarray of shape (n_samples, ...)
    exemplars : ndarray of shape (n_exemplars, ...)
    k : int

    Returns
    -------
    ndarray of shape (n_samples, k, ...)
        Best correlation first.
    """
    return np.asarray(exemplars[nearest_positions(x, exemplars, k)])


def nearest_positions(x: Array, exemplars: Array, k: int) -> NDArray[np.intp]:
    """Return the positions of the exemplars that correlate best with each image.

    Parameters
    ----------
    x : ndarray of shape (n_samples, ...)
    exemplars : ndarray of shape (n_exemplars, ...)
    k : int

    Returns
    -------
    ndarray of int of shape (n_samples, k)
        Best correlation first; fewer than k columns if there are fewer exemplars.
    """
    return _nearest(_standardized(x), _standardized(exemplars), k)


def nearest_image_attribution(x: Array, exemplars: Array, score: Floats) -> Attribution:
    """Distribute scores over pixels by the squared difference from the most similar normal images.

    The expected image is the mean of the eight exemplars with the best correlation, brought to the brightness and
    contrast of `x`. The squared difference is blurred before the score is distributed in proportion to it.

    Parameters
    ----------
    x : ndarray of shape (n_samples, n_channels, height, width)
        Encoded images.
    exemplars : ndarray of shape (n_exemplars, n_channels, height, width)
        Encoded normal images.
    score : ndarray of shape (n_samples,)

    Returns
    -------
    Attribution
        With `base` 0.
    """
    rows, normal = _standardized(x), _standardized(exemplars)
    expected = normal[_nearest(rows, normal, _N_NEAREST)].mean(axis=1)
    squared_difference = ((rows - expected) ** 2).reshape(x.shape)
    blur = [0, 0, *(side * _BLUR for side in x.shape[-2:])]
    flat = x.reshape(len(x), -1).astype(np.float64)
    expected_image = flat.mean(axis=1, keepdims=True) + flat.std(axis=1, keepdims=True) * expected
    return Attribution(
        shares=distribute(gaussian_filter(squared_difference, blur), score),
        base=np.zeros(len(x)),
        expected=expected_image.reshape(x.shape),
        method="nearest images",
    )


def _nearest(rows: Floats, exemplars: Floats, k: int) -> NDArray[np.intp]:
    """Return positions (n, k) of the standardized exemplars that correlate best, best first."""
    return np.argsort(-(rows @ exemplars.T), axis=1, kind="stable")[:, :k]


def _standardized(x: Array) -> Floats:
    """Return images (n, ...) as rows (n, d) of mean 0 and standard deviation 1."""
    rows = x.reshape(len(x), -1).astype(np.float64)
    rows = rows - rows.mean(axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(rows.std(axis=1, keepdims=True), _MIN_DEVIATION))
