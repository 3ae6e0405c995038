"""Anomalies among the rows of one data set, without a second set to learn from."""

from typing import Any

from sklearn.base import clone

from egbad.data import ColumnTypes
from egbad.detectors.base import Detection, Detector
from egbad.detectors.base.out_of_fold import N_FOLDS, cross_detect
from egbad.detectors.registry import AUTO, create

CONTAMINATION = 0.1  # PyOD's default


def detect(
    X: Any,
    detector: str | Detector[Any] = AUTO,
    *,
    contamination: float = CONTAMINATION,
    n_folds: int = N_FOLDS,
    column_types: ColumnTypes | None = None,
    random_state: Any = 0,
    verbose: bool = False,
) -> Detection:
    """Find the anomalies among the rows or images of X.

    X may hold anomalies, and needs no labels. The rows are divided into folds at random, and each fold is scored by a copy of
    the detector that was trained on the other folds. The rows with the highest scores are labelled as anomalies. Of tables, the
    training rows that an isolation forest isolates first are dropped, twice `contamination` of them, unless the detector has a
    `trim_fraction` of its own.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features) or images of shape (n_samples, [channels,] height, width)
        NumPy array, pandas or polars frame, or Arrow table.
    detector : str or Detector, default="auto"
        Name of a detector, or one with parameters, which stays as it is. "auto" is `Blend`, for tables with the recipe "nearest",
        which suffers less from anomalies among the training rows than the default one.
    contamination : float, default=0.1
        Share of rows to label as anomalies, in (0, 1).
    n_folds : int, default=5
        Number of folds, and of copies to fit.
    column_types : mapping of str to str, optional
        Types and roles of columns by name, as `Detector.fit` takes them.
    random_state : int, RandomState, Generator or None, default=0
        Seed of the folds and of the copies. A detector that is given keeps its own if it has one.
    verbose : bool, default=False
        Show a progress bar on a terminal and in a notebook, or lines on stderr.

    Returns
    -------
    Detection
        With `decision_scores_`, `labels_` (1 for an anomaly, 0 for a normal row), `p_values_` and `threshold_`.

    Raises
    ------
    InvalidInputError
        If X is no table of finite numbers or stack of images, has fewer than three rows, or a parameter is out of its range.
    TrainingError
        If training ends without usable weights.

    Examples
    --------
    >>> import numpy as np
    >>> from egbad import detect
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> X[:4] += [[8, 0, 0], [0, -9, 0], [0, 0, 7], [8, 8, -8]]
    >>> detect(X, "knn", contamination=0.02).labels_.nonzero()[0]
    array([0, 1, 2, 3])
    """
    learner = create(detector) if isinstance(detector, str) else clone(detector)
    if detector == AUTO:
        learner.set_params(recipe="nearest")
    if learner.random_state is None:
        learner.set_params(random_state=random_state)
    data = learner.check_input(X, fitting=True, column_types=column_types)
    return cross_detect(learner, data, contamination, n_folds, verbose=verbose)
