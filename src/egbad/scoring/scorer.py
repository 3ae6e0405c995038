"""What every scorer answers, whatever computes its scores: sign, threshold, p-values, and whether input fits. No torch."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from math import prod
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from egbad.arrays import Floats
from egbad.data import MAX_IMAGE_SIDE, ColumnTypes, Data, as_data, check_data, column_names_message
from egbad.data.column_types import BOOLEAN, NUMBER, CategoryLabels, column_type_error
from egbad.data.ragged import describe_shape
from egbad.errors import InvalidInputError
from egbad.scoring import calibration

_NUMBERS = {NUMBER, BOOLEAN}


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
    kinds_ : tuple of str, optional
        What the columns hold, of `egbad.data.column_types.KINDS`; None if all are numbers.
    texts_ : dict
        For the positions of categories what their numbers stand for.
    calibration_scores_ : array (m,)
        Scores of held-out normal rows, ascending.
    threshold_ : float
        A score above it is an anomaly.
    """

    kind_: str
    shape_: tuple[int, ...]
    columns_: tuple[str, ...] | None
    column_types_: tuple[str, ...] | None
    category_labels_: dict[int, CategoryLabels]
    calibration_scores_: Floats
    threshold_: float
    max_side: ClassVar[int] = MAX_IMAGE_SIDE  # of the images that it takes
    any_size: ClassVar[bool] = False  # whether these may be of different sizes

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

    @property
    def patch_of_any_size(self) -> int | None:
        """Pixels of a side of the patches by which it looks at images of any size; None where it doesn't."""
        return None

    @property
    def wanted_kinds(self) -> ColumnTypes | None:
        """What columns must hold to be scored, for `egbad.data`; None if all are numbers."""
        if self.column_types_ is None or self.columns_ is None:
            return self.column_types_
        return dict(zip(self.columns_, self.column_types_, strict=True))

    def _in_users_units(
        self, decoded: NDArray[Any], more: Mapping[int, CategoryLabels] = MappingProxyType({})
    ) -> NDArray[Any]:
        """Decoded rows (n, d) with the texts of categories, and `more` texts, in their places, as objects; all else as is."""
        if not self.category_labels_:
            return decoded
        shown = decoded.astype(object)
        for j, known in self.category_labels_.items():
            own = {**known, **more.get(j, {})}
            shown[:, j] = [own.get(code) for code in decoded[:, j].tolist()]
        return shown

    def _known(self, X: Any, name: str) -> Data:
        """X as checked numbers that fit what the scorer called `name` was fitted on."""
        data = as_data(X, self._kinds_for(X))
        check_data(data, self.max_side, any_size=self.any_size)
        if self.kind_ == "rows" and data.x.ndim == 2:
            self._check_columns(data, name)
        else:
            self._check_shape(data.x, name)
        return data

    def _check_shape(self, x: NDArray[Any], name: str) -> None:
        """Refuse images, or rows for a detector of images, of another shape."""
        if x.shape[1:] != self.shape_:
            raise InvalidInputError(
                f"{name} was fitted on {self.kind_} of shape {self.shape_}, got {describe_shape(x)}. "
                "Bring them to that shape first (image_size does so when a folder is read)."
            )

    def _kinds_for(self, X: Any) -> ColumnTypes | None:
        """The kinds by name where X has the names that the scorer knows, so that what is wrong with names is said first."""
        if self.column_types_ is None or self.columns_ is None or not hasattr(X, "columns") or isinstance(X, Data):
            return self.column_types_
        names = getattr(X, "column_names", X.columns)
        return self.column_types_ if tuple(names) == self.columns_ else None

    def _check_columns(self, data: Data, name: str) -> None:
        d = data.x.shape[1]
        if self.columns_ is not None and data.columns is not None and data.columns != self.columns_:
            unseen = [c for c in data.columns if c not in self.columns_]
            missing = [c for c in self.columns_ if c not in data.columns]
            raise InvalidInputError(column_names_message(unseen, missing))
        if d != self.n_features_in_:
            raise InvalidInputError(
                f"X has {d} features, but {name} is expecting {self.n_features_in_} features as input: "
                "score rows with the columns that it was fitted on."
            )
        if self.column_types_ is not None or data.column_types is not None:
            self._check_kinds(data)
        if (self.columns_ is None) != (data.columns is None):
            which = "X has feature names, but" if self.columns_ is None else "X does not have valid feature names, but"
            how = "without" if self.columns_ is None else "with"
            warnings.warn(f"{which} {name} was fitted {how} feature names", UserWarning, stacklevel=5)

    def _check_kinds(self, data: Data) -> None:
        numbers = (NUMBER,) * data.x.shape[1]
        for j, (kind, found) in enumerate(
            zip(self.column_types_ or numbers, data.column_types or numbers, strict=True)
        ):
            if kind != found and not np.isnan(data.x[:, j]).all() and {kind, found} - _NUMBERS:
                raise column_type_error(self.columns_[j] if self.columns_ else str(j), kind, found)
