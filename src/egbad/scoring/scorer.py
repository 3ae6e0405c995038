"""Base class of everything that scores: sign, threshold, p-values and validation of input. Needs no torch."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from math import prod
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egbad.arrays import Array, Floats
from egbad.data import MAX_IMAGE_SIDE, ColumnTypes, Data, as_data, check_data, column_names_message
from egbad.data.column_roles import NO_ROLES, ColumnRoles, list_names
from egbad.data.column_selection import select_features
from egbad.data.column_types import BOOLEAN, NUMBER, CategoryLabels, column_type_error
from egbad.data.conversion import collect
from egbad.data.csv_options import CsvDialect
from egbad.data.lazy_images import decode_all, decode_at
from egbad.data.pixel_scale import PixelScale
from egbad.data.ragged import describe_shape, is_ragged, sample_shape
from egbad.errors import ColumnsWarning, InvalidInputError, warn_user
from egbad.scoring import calibration
from egbad.scoring.reference_rows import ReferenceRows

_INTERCHANGEABLE = {NUMBER, BOOLEAN}  # column types that are scored alike


class Scorer(ABC):
    """Decisions that follow from anomaly scores and sorted calibration scores.

    Subclasses are the detectors and `egbad.export.onnx_scorer.OnnxScorer`.

    Attributes
    ----------
    kind_ : {"rows", "images"}
        Kind of input that the scorer was fitted on.
    shape_ : tuple of int
        Shape of one row, (n_features,), or image, (height, width) or (n_channels, height, width).
    columns_ : tuple of str, optional
        Names of the columns.
    column_types_ : tuple of str, optional
        Type of each column (see `egbad.data.column_types`). None if all columns are numeric.
    column_roles_ : ColumnRoles
        Columns of the training table that were not learned.
    category_labels_ : dict of int to dict
        For each categorical column, by position: the label of each code.
    csv_dialect_ : CsvDialect, optional
        Dialect of the CSV file that the scorer was fitted on.
    calibration_scores_ : ndarray of shape (n_calibration,)
        Scores of held-out normal rows, ascending.
    alpha : float
        False-alarm rate of `predict`, in (0, 1).
    pixel_scale_ : PixelScale, optional
        Scale of the pixels of images, which others are converted to. None for rows.
    normal_label_ : str, optional
        Label of the normal rows that `egbad fit` was given.
    reference_rows_ : ReferenceRows, optional
        Some calibration rows of a table, which `egbad.scoring.drift` compares later rows with.
    """

    kind_: str
    shape_: tuple[int, ...]
    columns_: tuple[str, ...] | None
    column_types_: tuple[str, ...] | None
    column_roles_: ColumnRoles = NO_ROLES
    category_labels_: dict[int, CategoryLabels]
    csv_dialect_: CsvDialect | None = None
    calibration_scores_: Floats
    alpha: float
    _own_threshold: float | None = None
    pixel_scale_: PixelScale | None = None
    normal_label_: str | None = None
    reference_rows_: ReferenceRows | None = None

    @abstractmethod
    def score_terms(self, X: Any) -> dict[str, Floats]:
        """Compute the terms of the anomaly score.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features), or images
            See `egbad.data.as_data` for the types it accepts.

        Returns
        -------
        dict of str to ndarray of shape (n_samples,)
            Terms that add up to `anomaly_score`.

        Raises
        ------
        InvalidInputError
            If X does not match the data that the scorer was fitted on.
        """

    @abstractmethod
    def anomaly_score(self, X: Any) -> Floats:
        """Compute the anomaly score of each row or image. Higher is more anomalous.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features), or images

        Returns
        -------
        ndarray of shape (n_samples,)

        Raises
        ------
        InvalidInputError
            If X does not match the data that the scorer was fitted on.
        """

    @property
    def threshold_(self) -> float:
        """Score above which a row is an anomaly. It follows `alpha` unless it is set."""
        if self._own_threshold is not None:
            return self._own_threshold
        return calibration.threshold(self.calibration_scores_, self.alpha)

    @threshold_.setter
    def threshold_(self, value: float) -> None:
        self._own_threshold = None if value == calibration.threshold(self.calibration_scores_, self.alpha) else value

    @property
    def offset_(self) -> float:
        """Offset of `decision_function`: the negative threshold."""
        return -self.threshold_

    @property
    def n_features_in_(self) -> int:
        """Number of columns of a row, or of values of an image."""
        return prod(self.shape_)

    def score_samples(self, X: Any) -> Floats:
        """Compute the negative anomaly score, scikit-learn's convention. Lower is more anomalous.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features), or images

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        return -self.anomaly_score(X)

    def decision_function(self, X: Any) -> Floats:
        """Compute `score_samples(X) - offset_`. Negative for an anomaly.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features), or images

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        return np.asarray(self.score_samples(X) - self.offset_)

    def predict(self, X: Any) -> NDArray[np.int64]:
        """Predict whether each row or image is an anomaly. About a share `alpha` of normal rows is flagged.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features), or images

        Returns
        -------
        ndarray of int of shape (n_samples,)
            1 for normal, -1 for an anomaly.
        """
        return np.where(self.decision_function(X) < 0, -1, 1)

    def p_value(self, X: Any) -> Floats:
        """Compute conformal p-values.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features), or images

        Returns
        -------
        ndarray of shape (n_samples,)
            In (0, 1]: the share of held-out normal rows with a score at least as high.
        """
        return calibration.p_values(self.calibration_scores_, self.anomaly_score(X))

    def discoveries(self, X: Any, fdr: float = 0.05) -> NDArray[np.bool_]:
        """Select the anomalies of a batch with the Benjamini-Hochberg procedure.

        Unlike all other results, the one of a row depends on the other rows of the batch.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features), or images
        fdr : float, default=0.05
            False discovery rate, in (0, 1): the expected share of normal rows among those selected.

        Returns
        -------
        ndarray of bool of shape (n_samples,)

        Raises
        ------
        InvalidInputError
            If `fdr` is not in (0, 1), or X does not match the data that the scorer was fitted on.
        """
        calibration.check_rate("fdr", fdr)
        return calibration.benjamini_hochberg(self.p_value(X), fdr)

    @property
    def max_side(self) -> int:
        """Largest height and width of an image in pixels."""
        return MAX_IMAGE_SIDE

    @property
    def any_size(self) -> bool:
        """True if images in one array may have different sizes."""
        return False

    @property
    def enough_side(self) -> int | None:
        """Side of a square with as many pixels as the scorer needs of an image of any size. None if it needs all of them.

        Larger JPEG files are then decoded with fewer pixels, see `egbad.data.read`.
        """
        return None

    @property
    def min_image_side(self) -> int | None:
        """Smallest side of the images of any size that are scored. None if all images must have the fitted shape."""
        return None

    @property
    def required_column_types(self) -> ColumnTypes | None:
        """Column types that `egbad.data` must read X with. None if all columns are numeric and have no names."""
        if self.columns_ is None:
            return self.column_types_
        return dict(zip(self.columns_, self.column_types_ or (NUMBER,) * len(self.columns_), strict=True))

    def _to_user_units(self, decoded: Array, labels: Mapping[int, CategoryLabels] = MappingProxyType({})) -> Array:
        """Replace the codes of categories in decoded rows (n, d) by their labels. `labels` adds labels unseen in training.

        Rows with categories are returned as an object array, all others unchanged.
        """
        if not self.category_labels_:
            return decoded
        labelled = decoded.astype(object)
        for j, known in self.category_labels_.items():
            label_of = {**known, **labels.get(j, {})}
            labelled[:, j] = [label_of.get(code) for code in decoded[:, j].tolist()]
        return labelled

    def _validate_input(self, X: Any, name: str) -> Data:
        """Convert X to checked numbers and compare it with the data that the scorer was fitted on.

        `name` is the scorer's name in error messages.
        """
        X = _match_features(collect(X), self, name)
        data = as_data(X, self._column_types_for(X))
        data = replace(data, x=self._decode(data.x))
        check_data(data, self.max_side, any_size=self.any_size)
        if self.kind_ == "rows" and data.x.ndim == 2:
            self._check_columns(data, name)
        else:
            data = replace(data, x=_with_channel_axis_of(self.shape_, data.x))
            _check_image_shape(data.x, self, name)
        return data if self.pixel_scale_ is None else replace(data, x=self.pixel_scale_.convert(data.x))

    def _decode(self, x: Array) -> Array:
        """Decode lazy images at the fitted size, or at their own sizes if any are scored."""
        if self.kind_ == "rows" or self.min_image_side is not None:
            return decode_all(x)
        *channels, height, width = self.shape_
        return decode_at(x, (height, width), in_colour=bool(channels))

    def _column_types_for(self, X: Any) -> ColumnTypes | None:
        """Return the required types unless X has other column names, so that the error is about the names."""
        if self.column_types_ is None or self.columns_ is None or not hasattr(X, "columns") or isinstance(X, Data):
            return self.column_types_
        names = getattr(X, "column_names", X.columns)
        return self.column_types_ if tuple(names) == self.columns_ else None

    def _check_columns(self, data: Data, name: str) -> None:
        """Raise if the names, number or types of the columns are not those of the fitted data."""
        n_features = data.x.shape[1]
        if self.columns_ is not None and data.columns is not None and data.columns != self.columns_:
            unseen = [column for column in data.columns if column not in self.columns_]
            missing = [column for column in self.columns_ if column not in data.columns]
            raise InvalidInputError(column_names_message(unseen, missing))
        if n_features != self.n_features_in_:  # scikit-learn's checks require this wording
            raise InvalidInputError(
                f"X has {n_features} features, but {name} is expecting {self.n_features_in_} features as input. "
                "Pass rows with the columns that it was fitted on."
            )
        if self.column_types_ is not None or data.column_types is not None:
            self._check_column_types(data)
        if (self.columns_ is None) != (data.columns is None):  # and this one
            found = "X has feature names, but" if self.columns_ is None else "X does not have valid feature names, but"
            fitted = "without" if self.columns_ is None else "with"
            warnings.warn(f"{found} {name} was fitted {fitted} feature names", UserWarning, stacklevel=5)

    def _check_column_types(self, data: Data) -> None:
        all_numbers = (NUMBER,) * data.x.shape[1]
        types = zip(self.column_types_ or all_numbers, data.column_types or all_numbers, strict=True)
        for j, (required, found) in enumerate(types):
            if required != found and not np.isnan(data.x[:, j]).all() and {required, found} - _INTERCHANGEABLE:
                raise column_type_error(self.columns_[j] if self.columns_ else str(j), required, found)


def _check_image_shape(x: Array, scorer: Scorer, name: str) -> None:
    """Raise if images, or rows for a scorer of images, do not have the fitted shape, or a size that is scored."""
    min_side = scorer.min_image_side
    if min_side is not None:
        shape = sample_shape(x)
        if len(shape) != len(scorer.shape_) or shape[:-2] != scorer.shape_[:-2] or min(shape[-2:]) < min_side:
            channels = f"with {scorer.shape_[0]} channels" if len(scorer.shape_) == 3 else "without channels"
            raise InvalidInputError(
                f"{name} takes images {channels}, at least {min_side} pixels on each side, got {describe_shape(x)}."
            )
    elif x.shape == scorer.shape_:
        raise InvalidInputError(f"{name} takes stacks of images, got one image of shape {x.shape}. Pass X[None].")
    elif x.shape[1:] != scorer.shape_:
        raise InvalidInputError(
            f"{name} was fitted on {scorer.kind_} of shape {scorer.shape_}, got {describe_shape(x)}. "
            "Resize them to that shape first (image_size does so for a folder of images)."
        )


def _with_channel_axis_of(shape: tuple[int, ...], x: Array) -> Array:
    """Return grey images x (n, h, w) or (n, 1, h, w) with or without a channel axis, as the fitted shape has it."""
    if is_ragged(x):
        return x
    if x.ndim == 4 and x.shape[1] == 1 and len(shape) == 2:
        return x[:, 0]
    return x[:, np.newaxis] if x.ndim == 3 and len(shape) == 3 and shape[0] == 1 else x


def _match_features(X: Any, scorer: Scorer, name: str) -> Any:
    """Return a table with the fitted columns in their order, and warn of others that have no role."""
    selected, extra = select_features(X, scorer.columns_)
    unknown = [column for column in extra if column not in scorer.column_roles_.names]
    message = None
    if unknown:
        message = f"{name} was fitted without the columns {list_names(unknown)} of X and ignores them."
    elif selected is not X and not extra:
        message = f"X has the columns that {name} was fitted on in another order: they are matched by name."
    if message is not None:
        warn_user(message, ColumnsWarning)
    return selected
