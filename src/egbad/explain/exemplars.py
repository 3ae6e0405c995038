"""Normal images that a model keeps: to be looked at beside strange ones, and to say where these are strange."""

import numpy as np

from egbad.explain.explanation import Array, Attribution, Floats, distribute

BYTES = 2**22  # of images that are kept at most
_FLAT = 1e-6  # deviation of an image, from which on it shows nothing
_NEAREST = 8  # images, whose mean is what is expected of one like them
_BLUR = 1 / 25  # of an image's side: a difference of single pixels is noise


def sample_exemplars(x: Array, most: int, seed: int) -> Array:
    """At most so many of the images x (n, ...), drawn at random, in their order; doubles as floats."""
    kept = x.astype(np.float32) if x.dtype.itemsize > 4 else x
    fits = max(1, BYTES // kept[0].nbytes)
    drawn = np.random.default_rng(seed).permutation(len(kept))[: min(most, fits)]
    return kept[np.sort(drawn)]


def nearest_images(x: Array, among: Array, k: int) -> Array:
    """Of the images `among` (m, ...) the k that correlate best with each of x (n, ...) -> (n, k, ...), the best first."""
    return np.asarray(among[_nearest(_evened(x), _evened(among), k)])


def where_unlike(x: Array, among: Array, score: Floats) -> Attribution:
    """Scores (n,) of encoded images x (n, c, h, w), shared out by how far they are from normal images most like them.

    These are the mean of the best-correlating of `among` (m, c, h, w), as light and as rich in contrast as x is.
    """
    from scipy.ndimage import gaussian_filter

    rows, normal = _evened(x), _evened(among)
    expected = normal[_nearest(rows, normal, _NEAREST)].mean(axis=1)
    ways = ((rows - expected) ** 2).reshape(x.shape)
    blur = [0, 0, *(side * _BLUR for side in x.shape[-2:])]
    flat = x.reshape(len(x), -1).astype(np.float64)
    seen = flat.mean(axis=1, keepdims=True) + flat.std(axis=1, keepdims=True) * expected
    return Attribution(
        distribute(gaussian_filter(ways, blur), score), np.zeros(len(x)), seen.reshape(x.shape), "nearest images"
    )


def _nearest(rows: Floats, among: Floats, k: int) -> Array:
    """Places (n, k) of the rows that correlate best, the best first."""
    return np.argsort(-(rows @ among.T), axis=1, kind="stable")[:, :k]


def _evened(x: Array) -> Floats:
    """Images (n, ...) as rows (n, d) of mean 0 and deviation 1."""
    rows = x.reshape(len(x), -1).astype(np.float64)
    rows = rows - rows.mean(axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(rows.std(axis=1, keepdims=True), _FLAT))
