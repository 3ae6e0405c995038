"""Anomaly maps of a blend."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np

from egbad.arrays import Array, Floats
from egbad.detectors.base import Detector, SklearnDetector
from egbad.detectors.base.feature_encoder import FeatureEncoder
from egbad.detectors.base.scoring import ScoreMixin
from egbad.scoring.calibration import NegativeLogTail


class PartMapsMixin(ScoreMixin):
    """Anomaly maps of a blend: those of the parts that score places of an image, or the shares in the blend's score."""

    parts_: dict[str, Detector[Any]]
    weights_: dict[str, float]
    tails_: dict[str, NegativeLogTail]

    @abstractmethod
    def _to_terms(self, scores: Mapping[str, Floats], tails: Mapping[str, NegativeLogTail]) -> dict[str, Floats]:
        """Convert the scores (n,) of the parts to the terms (n,) of the blend's score."""

    @property
    def scores_places(self) -> bool:
        """True if a part scores places of an image."""
        return any(part.scores_places for part in self.parts_.values())

    @property
    def lowers_border(self) -> bool:
        """False: the parts lower their own maps."""
        return False

    @property
    def explains_scores(self) -> bool:
        """True if an explanation costs about as much as a score, and its terms have the bits of the score terms."""
        return self.scores_places and all(part.explains_scores or _has_vectors(part) for part in self.parts_.values())

    @property
    def has_cheap_maps(self) -> bool:
        """True if the map of an image costs about as much as its score."""
        return self.scores_places or all(part.has_cheap_maps for part in self.parts_.values())

    def map_checked(self, x: Array) -> Array:
        """Return the maps (n, h, w) of checked images x (n, ...)."""
        maps = {name: part.map_checked(x) for name, part in self.parts_.items() if part.scores_places}
        return super().map_checked(x) if not maps else self._joined_maps(maps)

    def terms_and_maps_checked(self, x: Array) -> tuple[dict[str, Floats], Array]:
        """Return the score terms (n,) and the maps (n, h, w) of checked images x (n, ...), by one pass of each part."""
        if not self.scores_places:
            return super().terms_and_maps_checked(x)
        terms, maps = {}, {}
        for name, part in self.parts_.items():
            if part.scores_places:
                terms[name], maps[name] = part.terms_and_maps_checked(x)
            else:
                terms[name] = part.terms_checked(x)
        scores = {name: np.asarray(sum(by_term.values())) for name, by_term in terms.items()}
        return self._to_terms(scores, self.tails_), self._joined_maps(maps)

    def _joined_maps(self, maps: Mapping[str, Array]) -> Array:
        """Return the weighted mean of the maps of parts, each on the scale of its normal images; a single map as it is."""
        if len(maps) == 1:
            return next(iter(maps.values()))
        total = sum(self.weights_[name] for name in maps)
        scales = {name: self.parts_[name].normal_maps_ for name in maps}
        relative = {name: one if (scale := scales[name]) is None else scale.relative(one) for name, one in maps.items()}
        return np.asarray(sum(self.weights_[name] / total * one for name, one in relative.items()))


def _has_vectors(part: Detector[Any]) -> bool:
    """Return True for a detector without networks of its own that scores vectors of images."""
    return isinstance(part, SklearnDetector) and isinstance(part.encoder_, FeatureEncoder)
