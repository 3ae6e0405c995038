"""Trimming of training data that may contain unnoticed anomalies."""

import numpy as np
from numpy.typing import NDArray

from egbad.arrays import Array


def inlier_indices(x: Array, trim_fraction: float, seed: int) -> NDArray[np.intp]:
    """Return the positions of the rows that remain after the most isolated ones are trimmed.

    An isolation forest chooses the rows. The detector itself could not: it would score an anomaly low that it was
    trained on.

    Parameters
    ----------
    x : ndarray of shape (n, ...)
        Rows or images.
    trim_fraction : float
        Fraction of the rows to trim.
    seed : int
        Seed of the isolation forest.

    Returns
    -------
    ndarray of shape (n_remaining,)
        Positions in ascending order.
    """
    from sklearn.ensemble import IsolationForest  # takes 0.3 seconds to import, and trimming is rare

    flat = x.reshape(len(x), -1)
    normality = IsolationForest(random_state=seed % 2**32).fit(flat).score_samples(flat)
    return np.sort(np.argsort(-normality, kind="stable")[: len(x) - round(trim_fraction * len(x))])
