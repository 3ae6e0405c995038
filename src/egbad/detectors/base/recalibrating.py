"""A threshold by recent normal rows or images, without training."""

from typing import Any, Self

import numpy as np

from egbad.detectors.base.scoring import ScoreMixin
from egbad.scoring import calibration
from egbad.scoring.recalibration import Recalibration


class RecalibrateMixin(ScoreMixin):
    """Sets the threshold of a fitted detector anew.

    Attributes
    ----------
    n_calibration_ : int
        Number of rows that set the threshold.
    recalibration_ : Recalibration or None
        Provenance of a threshold that `recalibrate` set.
    """

    n_calibration_: int
    recalibration_: Recalibration | None = None

    def recalibrate(self, X: Any) -> Self:
        """Set the threshold and the p-values anew by recent normal rows or images, without training.

        Where normal rows have changed since the fit, such as photographs in another light, the threshold flags too many of them.
        Scores and explanations stay as they are.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images of shape (n_samples, [channels,] height, width)
            Normal, and new to the detector. m rows allow an `alpha` of ``1 / (m + 1)`` or more: 19 rows for 0.05.

        Returns
        -------
        self

        Raises
        ------
        InvalidInputError
            If X does not match the fitted detector.

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
        scores, earlier = self.anomaly_score(X), self.threshold_
        self.calibration_scores_ = np.sort(scores)
        self.n_calibration_, self._own_threshold = len(scores), None
        self.recalibration_ = Recalibration(len(scores), earlier, float((scores > earlier).mean()))
        calibration.warn_if_too_few(self.n_calibration_, self.alpha, stacklevel=2)
        return self
