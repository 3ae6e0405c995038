"""Thresholds by normal rows or images that were not learned from: those held out by `fit`, or recent ones."""

from typing import Any, Self

import numpy as np

from egbad.arrays import Array, Floats, map_unique_rows
from egbad.detectors.base.scoring import ScoreMixin
from egbad.scoring import calibration
from egbad.scoring.order_drift import OrderDrift, warn_of_order_drift
from egbad.scoring.recalibration import Recalibration
from egbad.scoring.reference_rows import ReferenceRows


class RecalibrateMixin(ScoreMixin):
    """Sets the thresholds of a detector.

    Attributes
    ----------
    n_calibration_ : int
        Number of rows that set the threshold.
    recalibration_ : Recalibration or None
        Provenance of a threshold that `recalibrate` set.
    """

    n_exemplars: int
    n_calibration_: int
    recalibration_: Recalibration | None = None

    @property
    def order_drift(self) -> OrderDrift | None:
        """Dependence of the training images on their order; None where `fit` does not measure it."""
        return None

    def _warn_of_calibration(self, stacklevel: int) -> None:
        """Warn if the threshold may not keep `alpha`."""
        calibration.warn_if_too_few(self.n_calibration_, self.alpha, stacklevel=stacklevel + 1)
        warn_of_order_drift(self.order_drift, self.alpha, stacklevel=stacklevel + 1)

    def _calibrate_and_keep(self, x: Array) -> None:
        """Set the threshold by normal rows or images that were not learned from, and keep some of the rows."""
        self.reference_rows_ = ReferenceRows.sample(x, self.calibrate(x), self.n_exemplars)

    def calibrate(self, x: Array, *, maps: bool = True) -> Floats:
        """Set the threshold by normal rows or images that were not learned from.

        Parameters
        ----------
        x : ndarray of shape (n_samples, ...)
            Checked rows or images.
        maps : bool, default=True
            Set the pixel threshold, too, where maps are cheap.

        Returns
        -------
        ndarray of shape (n_samples,)
            Their scores.
        """
        scores = self._calibration_scores(x)
        self.calibration_scores_ = np.sort(scores)
        self.n_calibration_, self._own_threshold, self.recalibration_ = len(scores), None, None
        self.learned_rows_ = self.known_rows().with_held_out(x)
        self.normal_range_ = self._learn_normal_range(x)
        self.normal_maps_ = self._learn_normal_maps(x) if maps and self.has_cheap_maps else None
        return scores

    def _calibration_scores(self, x: Array) -> Floats:
        return map_unique_rows(self.score_checked, x)[0]

    def recalibrate(self, X: Any, alpha: float | None = None) -> Self:
        """Set the threshold, the p-values and the pixel threshold anew by recent normal rows or images, without training.

        Where normal rows have changed since the fit, such as photographs in another light, the threshold flags too many of them.
        Scores stay as they are.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images of shape (n_samples, [channels,] height, width)
            Normal, and new to the detector. m rows allow an `alpha` of ``1 / (m + 1)`` or more: 19 rows for 0.05.
        alpha : float, optional
            New false-alarm rate, in (0, 1). By default `alpha` stays.

        Returns
        -------
        self

        Raises
        ------
        InvalidInputError
            If X does not match the fitted detector, or `alpha` is not in (0, 1).

        Warns
        -----
        CalibrationWarning
            If X has too few rows for `alpha`.
        LearnedRowsWarning
            If the detector was trained on rows of X: the threshold would be too low.

        Examples
        --------
        >>> import numpy as np
        >>> from egbad.detectors.knn import KNN
        >>> rng = np.random.default_rng(0)
        >>> detector = KNN(alpha=0.05, random_state=0).fit(rng.normal(size=(500, 3)))
        >>> later = rng.normal(loc=1, size=(40, 3))
        >>> detector.recalibrate(later[:20]).recalibration_.rows
        20
        """
        if alpha is not None:
            calibration.check_rate("alpha", alpha)
        x = self._check_new(X)
        scores, earlier = self.score_checked(x), self.threshold_
        if alpha is not None:
            self.alpha = alpha
        self.calibration_scores_ = np.sort(scores)
        self.n_calibration_, self._own_threshold = len(scores), None
        self.normal_maps_ = self._learn_normal_maps(x)
        self.reference_rows_ = ReferenceRows.sample(x, scores, self.n_exemplars)
        self.recalibration_ = Recalibration(len(scores), earlier, float((scores > earlier).mean()))
        calibration.warn_if_too_few(self.n_calibration_, self.alpha, stacklevel=2)
        return self
