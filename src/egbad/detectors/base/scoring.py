"""Scores of a detector: anomaly scores and their terms."""

from collections.abc import Callable
from typing import Any

import numpy as np

from egbad.arrays import Array, Floats
from egbad.data import Data
from egbad.detectors.base.feature_encoder import FeatureEncoder, Terms, concatenate_terms
from egbad.detectors.base.inputs import Encoded
from egbad.detectors.base.maps import MapMixin
from egbad.errors import InvalidInputError
from egbad.explain.explanation import Explanation
from egbad.scoring.learned_rows import LearnedRows, warn_if_learned


class ScoreMixin(MapMixin):
    """Encodes rows or images in batches and scores them.

    Attributes
    ----------
    learned_rows_ : LearnedRows or None
        Digests of the training rows; None if they are not known.
    """

    learned_rows_: LearnedRows | None

    def anomaly_score(self, X: Any) -> Floats:
        """Return the anomaly score of each row or image; higher is more anomalous.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images of shape (n_samples, [channels,] height, width)

        Returns
        -------
        ndarray of shape (n_samples,)

        Raises
        ------
        InvalidInputError
            If X does not match the fitted detector.

        Warns
        -----
        LearnedRowsWarning
            If the detector was trained on rows of X. `fit_predict` and `egbad.detect` score training rows.
        """
        return self.score_checked(self._check_new(X))

    def score_terms(self, X: Any) -> dict[str, Floats]:
        """Return the terms of the anomaly score; their sum is `anomaly_score`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images of shape (n_samples, [channels,] height, width)

        Returns
        -------
        dict of str to ndarray of shape (n_samples,)
        """
        return self.terms_checked(self._check_new(X))

    def score_terms_and_maps(self, X: Any) -> tuple[dict[str, Floats], Array]:
        """Return what `score_terms` and `anomaly_map` return. A backbone computes each image once for both.

        Parameters
        ----------
        X : images of shape (n_samples, [channels,] height, width)

        Returns
        -------
        terms : dict of str to ndarray of shape (n_samples,)
        maps : ndarray of shape (n_samples, height, width)
            For images of different sizes an array of objects of shape (n_samples,), each of shape (height, width).

        Raises
        ------
        InvalidInputError
            If the detector was fitted on rows, or X does not match it.

        Warns
        -----
        LearnedRowsWarning
            If the detector was trained on images of X.

        Examples
        --------
        >>> from egbad.detectors.knn import KNN
        >>> X = np.random.default_rng(0).normal(size=(100, 16, 16))
        >>> detector = KNN(alpha=0.1, random_state=0).fit(X[:90])
        >>> terms, maps = detector.score_terms_and_maps(X[90:])
        >>> [*terms], maps.shape
        (['distance'], (10, 16, 16))
        """
        x = self._check_new(X)
        self._check_has_maps("score_terms_and_maps")
        return self.terms_and_maps_checked(x)

    def score_and_explain(self, X: Any) -> tuple[Floats, Explanation]:
        """Return what `anomaly_score` and `explain` return. Where explanations hold the scores, they are computed once.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images of shape (n_samples, [channels,] height, width)

        Returns
        -------
        scores : ndarray of shape (n_samples,)
        explanation : Explanation

        Raises
        ------
        InvalidInputError
            If X does not match the fitted detector.

        Warns
        -----
        LearnedRowsWarning
            If the detector was trained on rows of X.

        Examples
        --------
        >>> from egbad.detectors.knn import KNN
        >>> X = np.random.default_rng(0).normal(size=(200, 3))
        >>> scores, explanation = KNN(alpha=0.1, random_state=0).fit(X).score_and_explain([[0.5, 8.0, 0.5]])
        >>> scores.shape, explanation.top(1)[0][0].column
        ((1,), '1')
        """
        data = self._check_new_data(X)
        explanation = self.explain_checked(data)
        if self.kind_ == "images" and self.explains_scores:
            return np.asarray(sum(explanation.terms.values())), explanation
        return self.score_checked(data.x), explanation

    def _check_new(self, X: Any) -> Array:
        """Return checked rows or images (n, ...), and warn if the detector was trained on some of them."""
        return self._check_new_data(X).x

    def _check_new_data(self, X: Any) -> Data:
        data = self.check_input(X)
        learned: LearnedRows | None = getattr(self, "learned_rows_", None)  # missing while a callback of `fit` scores
        warn_if_learned(learned, data.x)
        return data

    def known_rows(self) -> LearnedRows:
        """Return the digests of the training rows.

        Returns
        -------
        LearnedRows

        Raises
        ------
        InvalidInputError
            If the model file holds none.
        """
        if self.learned_rows_ is None:
            raise InvalidInputError(
                "Training cannot go on from this model: its file does not tell which rows it was trained on, because an early "
                "release of egbad wrote it. Fit without it."
            )
        return self.learned_rows_

    def score_checked(self, x: Array) -> Floats:
        """Return the scores (n,) of checked rows or images x (n, ...)."""
        return np.asarray(sum(self.terms_checked(x).values()))

    def terms_checked(self, x: Array) -> dict[str, Floats]:
        """Return the score terms (n,) of checked rows or images x (n, ...)."""
        return _require_numbers(self._map_terms(self._guarded_terms, x))

    def terms_and_maps_checked(self, x: Array) -> tuple[dict[str, Floats], Array]:
        """Return the score terms (n,) and the maps (n, h, w) of checked images x (n, ...).

        They have the bits of `terms_checked` and `map_checked`. Methods that compute both at once override this.
        """
        encoder = self.encoder_
        if not isinstance(encoder, FeatureEncoder):
            return self.terms_checked(x), self.map_checked(x)
        terms, maps = zip(*(self._terms_and_maps(images, encoder) for images in encoder.batches(x)), strict=True)
        return _require_numbers(concatenate_terms([*terms])), np.concatenate(maps)

    def _map_terms(self, function: Callable[[Encoded], Terms], x: Array) -> Terms:
        """Return the terms (..., n) of rows or images x (n, ...), given a function of encoded batches."""
        encoder = self.encoder_
        if isinstance(encoder, FeatureEncoder):
            return encoder.map_terms(lambda rows: concatenate_terms(self._map_batches(function, rows)), x)
        return concatenate_terms(self._map_batches(lambda part: function(encoder.encode(part)), x))


def _require_numbers(terms: Terms) -> Terms:
    """Return score terms (n,) after a check that all are numbers."""
    for name, values in terms.items():
        if (undefined := np.isnan(values)).any():
            raise InvalidInputError(
                f"Scores must be numbers, got nan for row {int(undefined.argmax())} in the term '{name}': the numbers of "
                "the row or of the model are too large to compute with. Rescale the columns and fit again."
            )
    return terms
