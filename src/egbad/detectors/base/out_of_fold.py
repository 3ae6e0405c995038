"""Out-of-fold scores: each row of a data set is scored by a detector that was trained on other rows.

The p-values are cross-conformal (Vovk, 2015, "Cross-conformal predictors"): the rank of a score among the out-of-fold scores of
all rows. The folds are drawn at random, so the scores of exchangeable rows are exchangeable.
"""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from egbad.arrays import Floats
from egbad.data import ColumnTypes, Data, take_rows
from egbad.detectors.base.provenance import seed_of
from egbad.detectors.base.scoring import ScoreMixin
from egbad.errors import InvalidInputError
from egbad.preprocessing.sklearn_base import OutlierMixin
from egbad.progress import progress
from egbad.scoring import calibration

N_FOLDS = 5
_TRIM_FACTOR, _MAX_TRIM = 2, 0.4  # training rows to trim per row to flag: trimming misses some anomalies


@dataclass(frozen=True)
class Fold:
    """A detector, and the rows that it was not trained on.

    Attributes
    ----------
    rows : ndarray of shape (m,)
        Positions in ascending order.
    detector : Detector
        Fitted on all other rows.
    """

    rows: NDArray[np.intp]
    detector: Any


@dataclass(frozen=True)
class Detection:
    """Scores and labels of the rows that detectors were trained on, out of fold.

    Attributes
    ----------
    decision_scores_ : ndarray of shape (n_samples,)
        Anomaly score of each row by a detector that was not trained on it. Higher is more anomalous.
    p_values_ : ndarray of shape (n_samples,)
        Share of all rows with a score at least as high, in (0, 1]. If all rows are normal and exchangeable, a row has a
        p-value of at most `a` with probability at most `a`. If a share `c` is anomalous and scores higher, the probability for a
        normal row is at most ``a / (1 - c)``, and as a rule much smaller.
    threshold_ : float
        Rows with a higher score are anomalies.
    folds_ : list of Fold
        The fitted detectors, and the rows that each scored.
    """

    decision_scores_: Floats
    p_values_: Floats
    threshold_: float
    folds_: list[Fold]

    @property
    def labels_(self) -> NDArray[np.int64]:
        """Labels of shape (n_samples,) as in PyOD: 1 for an anomaly, 0 for a normal row."""
        return (self.decision_scores_ > self.threshold_).astype(np.int64)


def cross_detect(detector: Any, data: Data, contamination: float, n_folds: int, *, verbose: bool = False) -> Detection:
    """Score each row by a detector that was fitted without its fold, and label the highest scores.

    The training rows of tables are trimmed, since they hold anomalies: without that, anomalies that resemble each other would be
    normal. A `trim_fraction` of the detector stays.

    Parameters
    ----------
    detector : Detector
        Its copies are fitted.
    data : Data
        Checked rows or images.
    contamination : float
        Share of rows to label as anomalies, in (0, 1).
    n_folds : int
        Number of folds, at most one for each row.
    verbose : bool
        Show a progress bar on a terminal and in a notebook, or lines on stderr.

    Returns
    -------
    Detection

    Raises
    ------
    InvalidInputError
        If there are fewer than three rows or two folds, or `contamination` is not in (0, 1).
    """
    calibration.check_rate("contamination", contamination)
    scores, folds = np.empty(len(data.x)), []
    with progress("Fitting", n_folds, unit="folds", enabled=verbose) as advance:
        for fold in _cross_fit(_trimmed(detector, data, contamination), data, n_folds):
            scores[fold.rows] = fold.detector.score_checked(data.x[fold.rows])
            folds.append(fold)
            advance()
    p_values = calibration.cross_conformal_p_values(scores)
    return Detection(scores, p_values, calibration.threshold_of_share(scores, contamination), folds)


def _trimmed(detector: Any, data: Data, contamination: float) -> Any:
    """Return a copy of a detector that trims the rows of a table before it learns."""
    copy = clone(detector)
    if data.x.ndim == 2 and (copy.preprocessing is None or copy.preprocessing.trim_fraction is None):
        copy.set_params(preprocessing__trim_fraction=min(_TRIM_FACTOR * contamination, _MAX_TRIM))
    return copy


def _cross_fit(detector: Any, data: Data, n_folds: int) -> Iterator[Fold]:
    """Fit a copy of a detector for each of `n_folds` random folds, on the rows of the others."""
    n, seed = len(data.x), seed_of(detector.random_state)
    if n < 3:
        raise InvalidInputError(f"Out-of-fold scores need at least three rows, got n_samples = {n}.")
    if n_folds < 2:
        raise InvalidInputError(f"n_folds must be at least 2, got {n_folds}.")
    order = np.random.default_rng(seed).permutation(n)
    for part in np.array_split(order, min(n_folds, n)):
        rows = np.sort(part)
        # One seed, so that the scores of all folds have one scale. The thresholds of the copies are not used; alpha=0.5 needs
        # no more than one calibration row.
        copy = clone(detector).set_params(random_state=seed, alpha=0.5, verbose=False)
        copy.fit(take_rows(data, np.delete(np.arange(n), rows)))
        copy.learned_rows_ = None  # rows of the fold that equal training rows do so by chance
        yield Fold(rows, copy)


class OutOfFoldMixin(OutlierMixin, ScoreMixin):
    """`fit_predict` by out-of-fold scores.

    Attributes
    ----------
    decision_scores_ : ndarray of shape (n_samples,)
        Out-of-fold scores of the rows of the last `fit_predict`.
    labels_ : ndarray of shape (n_samples,)
        Their labels: 1 for an anomaly, 0 for a normal row.
    """

    verbose: bool
    decision_scores_: Floats
    labels_: NDArray[np.int64]

    @abstractmethod
    def fit(self, X: Any) -> Any:
        """Learn from normal rows or images."""

    def fit_predict(
        self, X: Any, y: None = None, *, n_folds: int = N_FOLDS, column_types: ColumnTypes | None = None
    ) -> NDArray[np.int64]:
        """Fit to X, and predict which of its rows are anomalies, out of fold.

        Each row is scored by a copy of the detector that was not trained on it, and the share `alpha` of rows with the
        highest scores are anomalies. Unlike ``fit(X).predict(X)``, this finds anomalies that are among the training rows. The
        detector itself is fitted to all of X. `egbad.detect` does the same without that fit, and returns p-values.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images of shape (n_samples, [channels,] height, width)
        y : None
            Ignored.
        n_folds : int, default=5
            Number of copies. Each is trained on the rows of all other folds.
        column_types : mapping of str to str, optional
            Types and roles of columns by name, as `fit` takes them.

        Returns
        -------
        ndarray of int of shape (n_samples,)
            1 for normal, -1 for an anomaly. The scores are in `decision_scores_`.

        Raises
        ------
        InvalidInputError
            If X is no table of finite numbers or stack of images, has fewer than three rows, or a parameter is out of its
            range.
        TrainingError
            If training ends without usable weights.
        """
        data = self.check_input(X, fitting=True, column_types=column_types)
        found = cross_detect(self, data, self.alpha, n_folds, verbose=self.verbose)
        self.fit(data)
        self.decision_scores_, self.labels_ = found.decision_scores_, found.labels_
        return np.where(found.labels_ == 1, -1, 1)
