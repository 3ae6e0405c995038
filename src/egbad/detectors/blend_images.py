"""Images of any size in a blend: parts that resize images themselves get them as they come."""

from abc import abstractmethod
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from egbad.arrays import Array, Floats
from egbad.backbones import Backbone
from egbad.backbones.efficientnet_lite import is_installed
from egbad.backbones.image_input import image_shapes, median_size
from egbad.backbones.shared_pass import PatchScorer, SharedPass, can_share
from egbad.data import MAX_IMAGE_SIDE, MIN_IMAGE_SIDE
from egbad.data.ragged import is_ragged
from egbad.data.tiles import MAX_TILED_SIDE
from egbad.detectors.base import Detector
from egbad.detectors.base.feature_detector import FeatureDetector
from egbad.detectors.blend_parts import BACKBONE, SMALL_SIDE, BlendSettings
from egbad.scoring.order_drift import OrderDrift

_PHOTOGRAPH = (1, 2 * SMALL_SIDE, 2 * SMALL_SIDE)  # some shape of an image that is not small


def usual_shape(x: Array) -> tuple[int, ...]:
    """Return the shape (c, h, w) of images x (n, ...), with the median height and width.

    Examples
    --------
    >>> import numpy as np
    >>> usual_shape(np.zeros((5, 20, 30)))
    (1, 20, 30)
    """
    shapes = image_shapes(x)
    height, width = median_size(shapes)
    return (*(shapes[0][:-2] or (1,)), round(height), round(width))


class PartScorer:
    """Scores rows or images by the parts of a blend, two of which may share the passes of their backbone.

    Parameters
    ----------
    parts : dict of str to Detector
        Fitted when the scorer is used.
    """

    def __init__(self, parts: dict[str, Detector[Any]]) -> None:
        self._parts = parts

    @cached_property
    def shared_pass(self) -> tuple[SharedPass, str, str] | None:
        """A pass of a backbone, and the names of two parts that can score by it with the bits of passes of their own."""
        for (first, patches), (second, vectors) in product(self._parts.items(), repeat=2):
            encoder = vectors.vector_encoder if isinstance(vectors, FeatureDetector) else None
            if encoder is None or not isinstance(patches, PatchScorer) or patches.range_guard_ is not None:
                continue
            if can_share(patches.extractor_, encoder.extractor):
                found = SharedPass(patches.extractor_, encoder.extractor)
                if found.has_same_bits:
                    return found, first, second
        return None

    def scores(self, x: Array) -> dict[str, Floats]:
        """Return the scores (n,) of checked rows or images x (n, ...) by part."""
        scores: dict[str, Floats] = {}
        if self.shared_pass is not None:
            shared, first, second = self.shared_pass
            patches: Any = self._parts[first]
            vectors: Any = self._parts[second]
            of_patches, found = zip(*shared.map(patches.score_patches, x), strict=True)
            rows = vectors.vector_encoder.encode_vectors(np.stack(found))
            scores = {first: np.array(of_patches), second: vectors.score_encoded(rows)}
        return {name: scores[name] if name in scores else part.score_checked(x) for name, part in self._parts.items()}


class AnySizeMixin(Detector[BlendSettings]):
    """Input of a blend: images of any size if all parts take them, otherwise images of one size.

    The usual shape of the training images chooses the parts, and so decides that.

    Attributes
    ----------
    any_size_ : bool
        True if images may have any size.
    usual_shape_ : tuple of int
        Shape of images with the median height and width of the training images.
    parts_ : dict of str to Detector
        The fitted parts.
    """

    parts: Any
    parts_: dict[str, Detector[Any]]
    usual_shape_: tuple[int, ...]
    any_size_: bool

    @abstractmethod
    def _new_part(self, name: str, seed: int) -> Detector[Any]:
        """Return a part, not fitted."""

    def _takes_any_size(self, shape: tuple[int, ...]) -> bool:
        """Return True if all parts for images of a shape (c, h, w) take images of any size, one by one."""
        parts = [self._new_part(name, 0) for name in self.settings_for(shape).parts]
        return all(part.any_size and part.streams_images for part in parts)

    @property
    def any_size(self) -> bool:
        """True if images may have any size; before `fit` if that depends on them."""
        return self.any_size_ if hasattr(self, "any_size_") else self._takes_any_size(_PHOTOGRAPH)

    @property
    def streams_images(self) -> bool:
        """True if `fit` takes images that are decoded when they are needed."""
        return self.any_size

    @property
    def small_side(self) -> int:
        """Side of a square with as many pixels as images have that `fit` takes at one size only, though larger ones at any."""
        return 0 if self._takes_any_size((1, SMALL_SIDE, SMALL_SIDE)) else SMALL_SIDE

    def lacks_extra(self, size: tuple[int, int] | None) -> bool:
        """Return True if the default for images of a height and width would be another with the extra `backbones`."""
        if size is None or self.parts is not None or is_installed(BACKBONE):
            return False
        return self.recipe == "default" and size[0] * size[1] > SMALL_SIDE**2

    @property
    def max_side(self) -> int:
        """Largest height and width of an image in pixels."""
        return MAX_TILED_SIDE if getattr(self, "any_size_", True) else MAX_IMAGE_SIDE

    @property
    def min_image_side(self) -> int | None:
        """Least side of an image in pixels, if images may have any size."""
        return MIN_IMAGE_SIDE if getattr(self, "any_size_", False) else None

    @property
    def encoded_shape(self) -> tuple[int, ...]:
        """Shape that the recipe goes by: images of different sizes count by their usual one."""
        return self.usual_shape_ if getattr(self, "any_size_", False) else self.raw_shape

    @property
    def backbones(self) -> list[Backbone]:
        """Backbones of the parts."""
        return [backbone for part in self.parts_.values() for backbone in part.backbones]

    @property
    def order_drift(self) -> OrderDrift | None:
        """Dependence of the training images on their order, the clearest that a part has measured."""
        found = [part.order_drift for part in self.parts_.values()]
        return max((drift for drift in found if drift is not None), key=lambda drift: drift.rate, default=None)

    def prepare_for(self, x: Array) -> None:
        """Decide by training data x (n, ...), not checked yet, which sizes of images are taken."""
        self.any_size_ = False
        if len(x) and (is_ragged(x) or x.ndim in (3, 4)):
            self.usual_shape_ = usual_shape(x)
            self.any_size_ = self._takes_any_size(self.usual_shape_)
