"""Trimming of training data that may contain unnoticed anomalies."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from egbad.arrays import Array
from egbad.data.ragged import is_ragged
from egbad.errors import InvalidInputError
from egbad.preprocessing.row_encoder import RowEncoder


def trim(x: Array, trim_fraction: float, seed: int, column_types: Sequence[str] | None = None) -> Array:
    """Drop the rows or images that an isolation forest isolates first.

    Parameters
    ----------
    x : ndarray of shape (n, ...)
        Rows or images of one size. Rows may have missing values and columns of any type.
    trim_fraction : float
        Fraction to drop, in [0, 0.5). With 0, x is returned as it is.
    seed : int
        Seed of the isolation forest.
    column_types : sequence of str, optional
        Types of the columns; None if all are numbers.

    Returns
    -------
    ndarray of shape (n_remaining, ...)

    Raises
    ------
    InvalidInputError
        If the images differ in size.
    """
    if not trim_fraction:
        return x
    if is_ragged(x):
        raise InvalidInputError("trim_fraction compares images of one size. Resize them, or leave it out.")
    is_numeric = x.ndim > 2 or (column_types is None and not np.isnan(x).any())
    numbers = x if is_numeric else RowEncoder("minmax", column_types=column_types).fit(x).encode(x)
    return np.asarray(x[inlier_indices(numbers, trim_fraction, seed)])


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
