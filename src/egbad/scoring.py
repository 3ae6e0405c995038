"""What every scorer answers, whatever computes its scores: sign, threshold, p-values, and whether input fits. No torch."""

import warnings
from abc import ABC, abstractmethod
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egbad import calibration
from egbad.errors import InvalidInputError
from egbad.sources import Data, as_data, check_numbers, names_message

Floats = NDArray[np.float64]


class Scorer(ABC):
    """Answers that follow from scores (n,) and from sorted calibration scores (m,).

    Attributes
    ----------
    kind_ : {"rows", "images"}
        What it was fitted on.
    shape_ : tuple of int
        Of one row (d,) or image (h, w), (c, h, w).
    columns_ : tuple of str, optional
        The names of the columns.
    calibration_scores_ : array (m,)
        Scores of held-out normal rows, ascending.
    threshold_ : float
        A score above it is an anomaly.
    """

    kind_: str
    shape_: tuple[int, ...]
    columns_: tuple[str, ...] | None
    calibration_scores_: Floats
    threshold_: float

    @abstractmethod
    def score_terms(self, X: Any) -> dict[str, Floats]:
        """What the score is made of: terms (n,) which add up to `anomaly_score`."""

    @abstractmethod
    def anomaly_score(self, X: Any) -> Floats:
        """How anomalous each row or image is -> (n,), higher is more."""

    @property
    def offset_(self) -> float:
        """What `decision_function` takes from `score_samples`."""
        return -self.threshold_

    @property
    def n_features_in_(self) -> int:
        """Columns of a row, or pixels of an image."""
        return prod(self.shape_)

    def score_samples(self, X: Any) -> Floats:
        """The opposite of `anomaly_score` (n,), scikit-learn's sign."""
        return -self.anomaly_score(X)

    def decision_function(self, X: Any) -> Floats:
        """`score_samples` minus `offset_` (n,): negative for an anomaly."""
        return np.asarray(self.score_samples(X) - self.offset_)

    def predict(self, X: Any) -> NDArray[np.int64]:
        """1 for normal, -1 for an anomaly (n,): about a share `alpha` of normal rows is flagged."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def p_value(self, X: Any) -> Floats:
        """Conformal p-values (n,) in (0, 1]: the share of held-out normal rows that look as strange as this one."""
        return calibration.p_values(self.calibration_scores_, self.anomaly_score(X))

    def discoveries(self, X: Any, fdr: float = 0.05) -> NDArray[np.bool_]:
        """Which rows of this batch are anomalies, if a share `fdr` of those named may be false -> (n,).

        Benjamini and Hochberg's procedure. Unlike every other answer it looks at the batch as a whole.
        """
        if not 0 < fdr < 1:
            raise InvalidInputError(f"fdr must be in (0, 1), got {fdr}.")
        return calibration.benjamini_hochberg(self.p_value(X), fdr)

    def _known(self, X: Any, name: str) -> Data:
        """X as checked numbers that fit what the scorer called `name` was fitted on."""
        data = as_data(X)
        check_numbers(data)
        shape = data.x.shape[1:]
        if self.kind_ == "rows" and data.x.ndim == 2:
            self._check_columns(data, name)
        elif shape != self.shape_:
            raise InvalidInputError(
                f"{name} was fitted on {self.kind_} of shape {self.shape_}, got {tuple(shape)}. "
                "Bring them to that shape first (image_size does so when a folder is read)."
            )
        return data

    def _check_columns(self, data: Data, name: str) -> None:
        d = data.x.shape[1]
        if self.columns_ is not None and data.columns is not None and data.columns != self.columns_:
            unseen = [c for c in data.columns if c not in self.columns_]
            missing = [c for c in self.columns_ if c not in data.columns]
            raise InvalidInputError(names_message(unseen, missing))
        if d != self.n_features_in_:
            raise InvalidInputError(
                f"X has {d} features, but {name} is expecting {self.n_features_in_} features as input: "
                "score rows with the columns that it was fitted on."
            )
        if (self.columns_ is None) != (data.columns is None):
            which = "X has feature names, but" if self.columns_ is None else "X does not have valid feature names, but"
            how = "without" if self.columns_ is None else "with"
            warnings.warn(f"{which} {name} was fitted {how} feature names", UserWarning, stacklevel=5)
