"""Distances between rows: standardised rows, and the shares of columns in a distance."""

import numpy as np

from egbad.arrays import Array, Floats

MIN_NORM = 1e-6  # a centred row that is shorter has no direction


def standardize_rows(x: Array) -> Array:
    """Shift and scale each row to mean 0 and length 1, so that Euclidean distances depend on correlations only.

    Parameters
    ----------
    x : ndarray of shape (n_samples, n_values)

    Returns
    -------
    ndarray of shape (n_samples, n_values)
        Constant rows become zero.
    """
    x = x - x.mean(axis=1, keepdims=True, dtype=np.float64)
    return np.asarray(x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), MIN_NORM))


def distance_shares(differences: Floats, metric: str) -> Floats:
    """Split each distance into one summand per column.

    The summands of a Euclidean distance are squares divided by the distance.

    Parameters
    ----------
    differences : ndarray of shape (n_samples, n_neighbors, n_values)
        Differences between rows and their neighbours.
    metric : {"euclidean", "correlation", "manhattan"}

    Returns
    -------
    ndarray of shape (n_samples, n_neighbors, n_values)
    """
    shares: Floats = np.abs(differences)
    if metric == "manhattan":
        return shares
    lengths = np.linalg.norm(shares, axis=2, keepdims=True)
    return np.asarray(np.divide(shares**2, lengths, out=np.zeros_like(shares), where=lengths > 0))
