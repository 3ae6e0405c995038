"""Explanations of a detector: attributions in the user's columns, pixels and units."""

from abc import abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from egbad.arrays import Array, Floats
from egbad.backbones.patches import SMOOTHING, enlarged_maps, highest_patches
from egbad.data import Data
from egbad.data.column_types import NUMBER
from egbad.data.ragged import is_ragged, ragged_array, sum_per_sample
from egbad.detectors.base.batching import map_batches
from egbad.detectors.base.feature_encoder import (
    FeatureEncoder,
    Terms,
    concatenate_terms,
    enlarge_to,
    mean_of_highest,
    patch_scores,
)
from egbad.detectors.base.inputs import Encoded, InputMixin
from egbad.errors import InvalidInputError
from egbad.explain.comparison import LazyComparison
from egbad.explain.exemplars import nearest_image_attribution, nearest_images
from egbad.explain.explanation import Attribution, Explanation, concatenate, distribute
from egbad.explain.normal_range import MAX_ROWS, NormalRange, round_to
from egbad.explain.occlusion import farthest_groups, occlusion
from egbad.preprocessing.range_guard import PENALTY, RangeGuard, excess
from egbad.preprocessing.row_encoder import RowEncoder
from egbad.scoring.normal_maps import NormalMaps

_HIDDEN_COLUMNS = 3  # columns that are hidden one by one: each costs one more score
_HIDDEN_FEATURES = 32  # of the vector of an image, whose columns depend on each other
_MIN_WEIGHT = 1e-12  # of a place of an image: shares add up also where no place differs from what is expected


B = TypeVar("B")


class ExplainMixin(InputMixin):
    """Explains scores column by column or pixel by pixel.

    Attributes
    ----------
    range_guard_ : RangeGuard or None
        Range of the training rows.
    exemplars_ : ndarray or None
        Training images that the model keeps.
    normal_range_ : NormalRange or None
        Distances of held-out normal rows from their expected values.
    normal_maps_ : NormalMaps or None
        Levels of the maps of held-out normal images.
    """

    range_guard_: RangeGuard | None
    exemplars_: Array | None
    normal_range_: NormalRange | None
    normal_maps_: NormalMaps | None = None

    @abstractmethod
    def _terms(self, x: Encoded) -> dict[str, Floats]:
        """Return the score terms (n,) of a batch of encoded input, without a range guard, on the calling thread."""

    def _map_batches(self, function: Callable[[Array], B], x: Array) -> list[B]:
        """Apply a function to batches of bounded size of x (n, ...), and return the results in order."""
        return map_batches(function, x)

    def _encoded_terms(self, x: Encoded) -> dict[str, Floats]:
        """Return the score terms (n,) of any number of encoded rows or images, without a range guard."""
        parts = self._map_batches(self._terms, x)
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def explain(self, X: Any) -> Explanation:
        """Explain the score of each row or image.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images of shape (n_samples, ..., height, width)

        Returns
        -------
        Explanation
            Share of each column or pixel in the score, and the value that was expected there.
        """
        return self.explain_checked(self.check_input(X))

    def explain_checked(self, data: Data) -> Explanation:
        """Explain the scores of checked data."""
        whole = concatenate(map_batches(self.attribute_checked, data.x))
        return Explanation(
            score=whole.base + sum_per_sample(whole.shares),
            base=whole.base,
            shares=whole.shares,
            observed=self._to_user_units(data.x, data.category_labels),
            expected=self._to_user_units(whole.expected),
            columns=self.columns_ or tuple(map(str, range(self.n_features_in_ if self.kind_ == "rows" else 0))),
            method=whole.method,
            terms=whole.terms,
            spread=whole.spread,
            column_types=self.column_types_,
            comparison=whole.comparison,
            anomaly_map=whole.shares if whole.anomaly_map is None and self.kind_ == "images" else whole.anomaly_map,
            pixel_threshold=None if self.normal_maps_ is None else self.normal_maps_.threshold(self.alpha),
        )

    def nearest_exemplars(self, X: Any, k: int = 3) -> Array:
        """Return the training images that correlate best with each image of X.

        Parameters
        ----------
        X : array-like of shape (n_samples, ..., height, width)
        k : int, default=3

        Returns
        -------
        ndarray of shape (n_samples, k, ..., height, width)
            The best first, from the images that the model keeps (`n_exemplars`).

        Raises
        ------
        InvalidInputError
            If the model keeps no images.
        """
        x = self.check_input(X).x
        if self.exemplars_ is None:
            raise InvalidInputError(f"The model must have kept training images, it was fitted on {self.kind_} without.")
        return nearest_images(x, self.exemplars_, k)

    def attribute_checked(self, x: Array) -> Attribution:
        """Return the attribution of checked rows or images x (n, ...), in the user's columns, pixels and units."""
        if isinstance(self.encoder_, FeatureEncoder):
            return concatenate([self._attribute_features(images, self.encoder_) for images in self.encoder_.batches(x)])
        encoded = self.encoder_.encode(x)
        parts = self._attribute_encoded(encoded)
        shares = parts.shares
        if self.kind_ == "images":
            shares = shares.sum(axis=1)
        else:
            shares = self._by_column(shares)
            parts = replace(parts, comparison=self._comparison(encoded, parts.expected))
        return replace(parts, shares=shares, expected=self.encoder_.decode(parts.expected))

    def _attribute_encoded(self, encoded: Encoded) -> Attribution:
        """Attribute the scores of encoded x (n, ...) to its columns or pixels, with the penalty of the range guard."""
        inside = self._clip(encoded)
        parts = self._attribute(inside)
        shares, terms = parts.shares, parts.terms or self._encoded_terms(inside)
        if self.range_guard_ is not None:
            penalty = self.range_guard_.range_penalty(excess(encoded, inside))
            shares, terms = shares + penalty, {**terms, **self._range_penalty(encoded)}
        return replace(parts, shares=shares, terms=terms)

    def _attribute_features(self, x: Array, encoder: FeatureEncoder) -> Attribution:
        """Attribute the scores of images x (n, ...) to pixels by way of their features.

        The score by patches is a mean over patches. The share of a feature of the whole image is distributed over the places
        of the image by their part in its difference from the expected value.
        """
        if encoder.features == "patches":
            return self._attribute_patches(x, encoder)
        return self._attribute_places(x, *encoder.encode_places(x))

    def _attribute_places(self, x: Array, rows: Encoded, places: Array) -> Attribution:
        """Attribute the scores of images x (n, ...) by their rows (n, d) and places (n, height, width, d)."""
        parts = self._attribute_encoded(rows)
        expected = parts.expected[:, None, None]
        towards = np.sign(rows[:, None, None] - expected) * (places - expected)
        weights = np.maximum(towards, 0) + _MIN_WEIGHT
        weights /= weights.sum(axis=(1, 2), keepdims=True)
        shares = enlarge_to((weights * parts.shares[:, None, None]).sum(axis=3), x)
        return replace(parts, shares=shares, expected=self._expected_images(x), method="places of features")

    def _attribute_patches(self, x: Array, encoder: FeatureEncoder) -> Attribution:
        """Distribute the scores of images x (n, ...) by how far each patch is above the median of the image's patches."""
        terms, scores = self._score_patches(x, encoder)
        of_images = mean_of_highest(terms, highest_patches(scores))
        above = np.maximum(scores - np.median(scores, axis=(1, 2), keepdims=True), 0)
        return Attribution(
            shares=enlarge_to(distribute(above, np.asarray(sum(of_images.values()))), x),
            base=np.zeros(len(x)),
            expected=self._expected_images(x),
            method="patches",
            terms=of_images,
            anomaly_map=self._maps_of_places(scores, x, encoder.extractor.input.size),
        )

    def _score_patches(self, x: Array, encoder: FeatureEncoder) -> tuple[Terms, Floats]:
        """Return the terms of the patches of images x (n, ...), and their scores (n, height, width)."""
        rows, grid = encoder.encode_patches(x)
        terms = concatenate_terms(self._map_batches(self._guarded_terms, rows))
        return terms, patch_scores(terms, grid)

    def _maps_of_places(
        self, scores: Iterable[Floats], x: Array, input_size: tuple[int, int], smoothing: float = SMOOTHING
    ) -> Array:
        """Return the maps (n, h, w) of the scores of patches of images x (n, ...), lowered near the border."""
        maps = enlarged_maps(scores, x, input_size, smoothing)
        return maps if self.normal_maps_ is None else self.normal_maps_.lower(maps)

    def _terms_and_maps(self, x: Array, encoder: FeatureEncoder) -> tuple[Terms, Array]:
        """Return the score terms (n,) and the maps (n, h, w) of images x (n, ...), by one pass of the backbone."""
        if encoder.features == "patches":
            terms, scores = self._score_patches(x, encoder)
            maps = self._maps_of_places(scores, x, encoder.extractor.input.size)
            return mean_of_highest(terms, highest_patches(scores)), maps
        rows, places = encoder.encode_places(x)
        terms = concatenate_terms(self._map_batches(self._guarded_terms, rows))
        return terms, self._attribute_places(x, rows, places).shares

    def _expected_images(self, x: Array) -> Array:
        """Return the mean of the normal images most like each of the images x (n, ...); NaN if the model keeps none."""
        if is_ragged(x):
            return ragged_array([np.full(image.shape, np.nan) for image in x])
        if self.exemplars_ is None or self.exemplars_.shape[1:] != x.shape[1:]:
            return np.full(x.shape, np.nan)
        images, normal = (values.reshape(len(values), *self.raw_shape) for values in (x, self.exemplars_))
        return nearest_image_attribution(images, normal, np.zeros(len(x))).expected.reshape(x.shape)

    def _guarded_terms(self, x: Encoded) -> dict[str, Floats]:
        """Return the terms of encoded rows, with the penalty of the range guard where there is one."""
        return self._terms(self._clip(x)) | self._range_penalty(x)

    def _range_penalty(self, x: Encoded) -> dict[str, Floats]:
        """Return the penalty (n,) of encoded rows as a term, without a range guard no term."""
        guard = self.range_guard_
        return {} if guard is None else {PENALTY: guard.range_penalty(excess(x, guard.clip(x)).sum(1))}

    def _attribute(self, x: Encoded) -> Attribution:
        """Attribute the scores of encoded x (n, ...) where the method has no better way.

        Images are compared with the exemplars most like them, or patches are hidden where there are no exemplars. Of rows, the
        columns farthest from the mean are hidden.
        """
        terms = self._encoded_terms(x)
        score = np.asarray(sum(terms.values()))
        encoder, table = self.encoder_, self.table_encoder
        if self.exemplars_ is not None and not isinstance(encoder, FeatureEncoder):
            return replace(nearest_image_attribution(x, encoder.encode(self.exemplars_), score), terms=terms)
        groups = hidden = None
        default, n_hidden = self.default_input, _HIDDEN_FEATURES if self.kind_ == "images" else _HIDDEN_COLUMNS
        if isinstance(encoder, RowEncoder):
            groups = np.arange(x.shape[1]) if table is None else table.source_columns
            hidden = farthest_groups(x, default, encoder.standard_deviation(), groups, n_hidden)
        found = occlusion(self._score, x, default, score, groups, hidden)
        return replace(found, terms=terms)

    def _expected(self, x: Encoded) -> Array:
        """Return the normal input expected in place of the encoded x (n, ...)."""
        return np.broadcast_to(self.default_input, x.shape)

    def _score(self, x: Encoded) -> Floats:
        """Return the scores (n,) of encoded input, without a range guard."""
        return np.asarray(sum(self._encoded_terms(x).values()))

    def _clip(self, x: Encoded) -> Encoded:
        """Clip encoded rows to the range of the training rows where there is a range guard."""
        return x if self.range_guard_ is None else self.range_guard_.clip(x)

    # -- comparison with normal rows ---------------------------------------------------------------------------------

    def _learn_normal_range(self, x: Array) -> NormalRange | None:
        """Measure the distances of some of the normal rows x (m, d) from their expected values."""
        if not isinstance(self.encoder_, RowEncoder) or self.kind_ == "images":
            return None
        some = x[np.linspace(0, len(x) - 1, min(len(x), MAX_ROWS)).astype(np.intp)]
        encoded = self.encoder_.encode(some)
        return NormalRange.fit(self._distances(encoded, self._expected(self._clip(encoded))), some)

    def _comparison(self, encoded: Array, expected: Array) -> LazyComparison | None:
        """Return the comparison of encoded rows (n, width) with expected ones, where normal rows are known."""
        normal = self.normal_range_
        return None if normal is None else LazyComparison(encoded, expected, self._compare, normal.decimals)

    def _distances(self, encoded: Array, expected: Array) -> Floats:
        """Return the distances (n, d) of encoded rows (n, width) from expected ones, by the user's columns."""
        return self._by_column(np.abs(encoded.astype(np.float64) - expected))

    def _by_column(self, values: Floats) -> Floats:
        """Sum the values of encoded columns (n, width) by the user's columns (n, d)."""
        table = self.table_encoder
        return values if table is None else np.add.reduceat(values, np.r_[0, table.stops[:-1]], axis=1)

    def _compare(self, encoded: Array, expected: Array) -> tuple[Floats, Floats, Floats]:
        """Return tail probabilities and the lower and upper ends of the normal range of each value, (n, d) each."""
        normal, encoder, table = self.normal_range_, self.encoder_, self.table_encoder
        assert normal is not None
        assert isinstance(encoder, RowEncoder)
        radius = normal.radius()
        if table is not None:  # the first encoded column of a numeric column is the number itself
            spread = np.zeros(encoder.width)
            spread[np.r_[0, table.stops[:-1]]] = radius
            radius = spread
        lowest, highest = encoder.training_range()
        edges = np.concatenate([expected - radius, expected + radius])
        low, high = np.split(encoder.decode(np.clip(edges, lowest, highest)), 2)
        for j, column_type in enumerate(self.column_types_ or ()):
            if column_type != NUMBER:
                low[:, j] = high[:, j] = np.nan
        if normal.decimals is not None:
            low, high = (round_to(ends, normal.decimals) for ends in (low, high))
        return normal.p_values(self._distances(encoded, expected)), low, high
