"""Anomaly maps of images, and the level that normal images stay below."""

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from egbad.arrays import Array, Floats
from egbad.detectors.base.batching import map_batches
from egbad.detectors.base.explaining import ExplainMixin
from egbad.detectors.base.feature_encoder import FeatureEncoder
from egbad.errors import InvalidInputError
from egbad.scoring.normal_maps import MAX_MAPS, NormalMaps

_BATCH_IMAGES = 16  # whose maps are computed together: bounds memory


class MapMixin(ExplainMixin):
    """Computes a value for each pixel of images.

    Attributes
    ----------
    normal_maps_ : NormalMaps or None
        Levels of the maps of held-out normal images. None for tables, and where maps take long: `recalibrate` adds them.
    """

    exact_shares: ClassVar[bool] = False  # True if an explanation costs about as much as a score

    def anomaly_map(self, X: Any) -> Floats:
        """Return how anomalous each pixel of each image is; higher is more anomalous.

        Maps of one detector share one scale, so that images can be compared. By default a map holds the share of each pixel in
        the score, summed over channels; shares that lower the score are negative. Detectors that score places of an image
        return those scores, enlarged to the image and smoothed. Near the border of the image, where zero padding makes normal
        places look unusual, they are lowered so that held-out normal images have the same level there as inside.

        Parameters
        ----------
        X : images of shape (n_samples, [channels,] height, width)

        Returns
        -------
        ndarray of shape (n_samples, height, width)
            For images of different sizes an array of objects of shape (n_samples,), each of shape (height, width).

        Raises
        ------
        InvalidInputError
            If the detector was fitted on rows, or X does not match it.

        See Also
        --------
        pixel_threshold : Returns a value that normal images seldom exceed.
        egbad.plot.heatmap : Draws a map over its image.
        """
        x = self.check_input(X).x
        self._check_has_maps("anomaly_map")
        return np.concatenate(map_batches(self.map_checked, x))

    def pixel_threshold(self, alpha: float | None = None) -> float:
        """Return the value of an anomaly map that at most a share `alpha` of normal images exceeds at any pixel.

        It comes from the highest values of the maps of held-out normal images, as `threshold_` comes from their scores.

        Parameters
        ----------
        alpha : float, optional
            False-alarm rate for regions, in (0, 1). By default that of the detector.

        Returns
        -------
        float

        Raises
        ------
        InvalidInputError
            If `alpha` is not in (0, 1), or the detector knows no maps of normal images.

        Examples
        --------
        >>> import numpy as np
        >>> from egbad.detectors.knn import KNN
        >>> X = np.random.default_rng(0).normal(size=(100, 16, 16))
        >>> detector = KNN(alpha=0.1, random_state=0).fit(X)
        >>> X[0, 4:8, 4:8] += 6
        >>> above = detector.anomaly_map(X[:1])[0] > detector.pixel_threshold()
        >>> bool(above[4:8, 4:8].any()), bool(above[8:].any())
        (True, False)
        """
        return self._known_maps().threshold(self.alpha if alpha is None else alpha)

    def map_scale(self, alpha: float | None = None) -> tuple[float, float]:
        """Return the values of anomaly maps for the darkest and the brightest colour of heatmaps.

        One scale for all images: one that is stretched for each image shows defects in normal images. The darkest colour is
        that of an ordinary pixel of normal images, and `pixel_threshold` lies in the middle.

        Parameters
        ----------
        alpha : float, optional
            As for `pixel_threshold`.

        Returns
        -------
        low, high : float

        Raises
        ------
        InvalidInputError
            If `alpha` is not in (0, 1), or the detector knows no maps of normal images.
        """
        return self._known_maps().scale(self.alpha if alpha is None else alpha)

    @property
    def scores_places(self) -> bool:
        """True if the detector scores places of an image, so that a map holds more than shares of the image's score."""
        return isinstance(self.encoder_, FeatureEncoder) and self.encoder_.features == "patches"

    @property
    def lowers_border(self) -> bool:
        """True if maps are lowered near the border, see `egbad.scoring.border_levels`."""
        return self.scores_places

    @property
    def explains_scores(self) -> bool:
        """True if an explanation costs about as much as a score, and its terms have the bits of the score terms."""
        return self.scores_places

    @property
    def has_cheap_maps(self) -> bool:
        """True if the map of an image costs about as much as its score."""
        if self.kind_ == "rows" or self.scores_places or isinstance(self.encoder_, FeatureEncoder):
            return self.kind_ == "images" and self.scores_places
        return self.exact_shares or self.exemplars_ is not None or hasattr(self, "reconstruct")

    def _check_has_maps(self, method: str) -> None:
        """Raise for a detector of rows."""
        if self.kind_ != "images":
            raise InvalidInputError(f"{method} needs a detector of images, got one of rows. Use explain.")

    def _known_maps(self) -> NormalMaps:
        if self.normal_maps_ is None:
            raise InvalidInputError(
                f"{type(self).__name__} knows no anomaly maps of normal images, which the pixel threshold comes from. "
                "Call recalibrate with normal images."
            )
        return self.normal_maps_

    def _learn_normal_maps(self, x: Array) -> NormalMaps | None:
        """Measure the maps of some of the normal rows or images x (m, ...); rows have none."""
        if self.kind_ == "rows":
            return None
        some = x[np.linspace(0, len(x) - 1, min(len(x), MAX_MAPS)).astype(np.intp)]
        self.normal_maps_ = None  # known levels would be applied to the maps that are measured
        return NormalMaps.fit(self._iterate_maps(some), with_border=self.lowers_border)

    def _iterate_maps(self, x: Array) -> Iterator[Floats]:
        """Yield the maps (h, w) of checked images x (n, ...), a few at a time."""
        for start in range(0, len(x), _BATCH_IMAGES):
            yield from self.map_checked(x[start : start + _BATCH_IMAGES])

    def map_checked(self, x: Array) -> Array:
        """Return the maps (n, h, w) of checked images x (n, ...); methods with a map of their own override this."""
        if isinstance(self.encoder_, FeatureEncoder) and self.scores_places:
            return np.concatenate([self._terms_and_maps(one, self.encoder_)[1] for one in self.encoder_.batches(x)])
        return self.attribute_checked(x).shares
