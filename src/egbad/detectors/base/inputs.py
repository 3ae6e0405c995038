"""Input of a detector: validation, column names and types, shapes, encoder."""

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from egbad.arrays import Array
from egbad.data import ColumnTypes, Data, as_data, check_data
from egbad.data.column_types import CategoryLabels
from egbad.data.lazy_images import decode_all, decode_at_common_size
from egbad.data.pixel_scale import PixelScale
from egbad.data.ragged import sample_shape
from egbad.data.validation import check_column_names, check_pixel_range, check_range
from egbad.detectors.base.feature_encoder import FeatureEncoder
from egbad.preprocessing.column_encoder import TableEncoder
from egbad.preprocessing.image_encoder import ImageEncoder
from egbad.preprocessing.row_encoder import Encoder, RowEncoder, log_column_mask
from egbad.scoring.scorer import Scorer

Encoded = np.ndarray[Any, np.dtype[np.float32]]


class InputMixin(Scorer):
    """Validates rows and images and encodes them.

    Attributes
    ----------
    encoder_ : Encoder
        Maps rows or images to the input of the method.
    range_guard_, exemplars_, normal_range_
        See `Detector`.
    """

    learns_rows: ClassVar[bool] = True  # False for methods of images only
    encoder_: Encoder

    @property
    def raw_shape(self) -> tuple[int, ...]:
        """Shape of one row (d,) or image (c, h, w) before encoding."""
        return (1, *self.shape_) if len(self.shape_) == 2 else self.shape_

    @property
    def streams_images(self) -> bool:
        """True if `fit` does not need all images in memory: it takes lazy ones, see `egbad.data.lazy_images`."""
        return False

    @property
    def small_side(self) -> int:
        """Side of a square with as many pixels as images have that `fit` takes at one size only, though larger ones at any."""
        return 0

    @property
    def recipe_shape(self) -> tuple[int, ...]:
        """Shape that decides whether a recipe is that of rows or of images; the size is not known before encoding."""
        return self.raw_shape

    @property
    def encoded_shape(self) -> tuple[int, ...]:
        """Shape of one encoded row (d,) or image (c, h, w)."""
        return (self.encoder_.width,) if isinstance(self.encoder_, RowEncoder) else self.raw_shape

    @property
    def table_encoder(self) -> TableEncoder | None:
        """Encoder of the columns of a table; None where all columns are numbers without gaps."""
        return self.encoder_.table_encoder if isinstance(self.encoder_, RowEncoder) else None

    @property
    def default_input(self) -> Array:
        """Encoded input that stands for a hidden value: the mean of each column, or the middle of the pixel range."""
        if isinstance(self.encoder_, RowEncoder):
            return self.encoder_.typical_values()
        return np.zeros(self.encoded_shape, dtype=np.float32)

    def used_category_labels(self) -> dict[int, CategoryLabels]:
        """Return the labels of the category levels that have an encoded column, by position of the column."""
        table = self.table_encoder
        if table is None:
            return self.category_labels_
        return {
            j: {code: own[code] for code in table.columns[j].levels.tolist()}
            for j, own in self.category_labels_.items()
        }

    def check_input(self, X: Any, *, fitting: bool = False, column_types: ColumnTypes | None = None) -> Data:
        """Convert X to checked numbers.

        While fitting, remember the shape, names, types and roles of the columns; afterwards compare X with them.

        Raises
        ------
        InvalidInputError
            If X is no table of finite numbers or stack of images, or does not match the fitted detector.
        """
        if not fitting:
            check_is_fitted(self)
            return self._validate_input(X, type(self).__name__)
        data = as_data(X, column_types)
        self.prepare_for(data.x)
        if not self.streams_images:
            data = replace(data, x=decode_all(data.x) if self.any_size else decode_at_common_size(data.x))
        check_column_names(column_types, data)
        check_data(data, self.max_side, any_size=self.any_size)
        check_range(data)
        self.kind_ = "rows" if data.x.ndim == 2 else "images"
        self.shape_ = sample_shape(data.x)
        self.pixel_scale_ = PixelScale.of(data.x) if self.kind_ == "images" else None
        if self.pixel_scale_ is not None:
            check_pixel_range(self.pixel_scale_.low, self.pixel_scale_.high)
        self.remember_columns(data.columns, data.column_types, data.category_labels)
        self.column_roles_, self.csv_dialect_ = data.roles, data.dialect
        return data

    def prepare_for(self, x: Array) -> None:
        """Decide by training data x (n, ...), not checked yet, which sizes of images are taken."""

    def remember_columns(
        self,
        columns: tuple[str, ...] | None,
        column_types: tuple[str, ...] | None,
        category_labels: dict[int, CategoryLabels],
    ) -> None:
        """Set the names, types and category labels of the columns."""
        self.columns_, self.column_types_, self.category_labels_ = columns, column_types, category_labels
        if columns is not None:
            self.feature_names_in_ = np.array(columns, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_

    def _new_encoder(self, settings: Any) -> Encoder:
        """Return an encoder, not fitted, for input of `raw_shape` and these preprocessing settings."""
        if self.kind_ == "images":
            return ImageEncoder()
        names = settings.log_columns
        mask = None if names is None else log_column_mask(list(names), self.columns_, self.raw_shape[0])
        return RowEncoder(settings.scaling, mask, self.column_types_)

    def _learn_encoder(self, x: Array, *, fit: bool) -> tuple[Encoded, NDArray[np.intp] | None]:
        """Fit the encoder if asked to; return encoded x (n, ...), and for patches the position of the image of each."""
        if isinstance(self.encoder_, FeatureEncoder):
            return self.encoder_.learn(x, fit=fit)
        if fit:
            self.encoder_.fit(x)
        return self.encoder_.encode(x), None

    def _describe_input(self) -> dict[str, Any]:
        """Return kind, shape and columns of the input, as JSON stores them."""
        found: dict[str, Any] = {
            "kind": self.kind_,
            "shape": list(self.shape_),
            "columns": list(self.columns_) if self.columns_ is not None else None,
        }
        roles = {"id_columns": self.column_roles_.ids, "ignored_columns": self.column_roles_.ignored}
        found |= {name: list(columns) for name, columns in roles.items() if columns}
        if self.column_roles_.label is not None:
            found["label_column"] = self.column_roles_.label
        if self.csv_dialect_ is not None:
            found["csv"] = self.csv_dialect_.to_json()
        if (table := self.table_encoder) is not None:
            names = self.columns_ or [str(j) for j in range(len(table.columns))]
            types = self.column_types_ or [column.column_type for column in table.columns]  # with the zones of times
            found["column_types"] = {
                name: column_type + column.describe().removeprefix(column.column_type)
                for name, column_type, column in zip(names, types, table.columns, strict=True)
            }
        return found
