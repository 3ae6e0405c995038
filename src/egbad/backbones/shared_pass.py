"""One pass of a backbone for two detectors that see images in the same way."""

from collections.abc import Callable
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from egbad.arrays import Array
from egbad.backbones.extractor import FeatureExtractor
from egbad.backbones.image_input import Size
from egbad.backbones.runtime import FeatureRunner

T = TypeVar("T")


@runtime_checkable
class PatchScorer(Protocol):
    """A detector that scores an image by its patches alone."""

    extractor_: FeatureExtractor

    def score_patches(self, patches: Tensor, grid: Size) -> float:
        """Return the score of an image, given the descriptions (height * width, d) of its patches."""


class SharedPass:
    """Computes the patches of one extractor and the vectors of another by one pass of their backbone.

    Parameters
    ----------
    patches, vectors : FeatureExtractor
        Fitted extractors for which `can_share` is True.
    """

    def __init__(self, patches: FeatureExtractor, vectors: FeatureExtractor) -> None:
        self._patches, self._vectors = patches, vectors
        layers = tuple(dict.fromkeys((*patches.layers, vectors.backbone.global_layer)))
        self._runner = FeatureRunner(vectors.backbone, layers, vectors.device, vectors.engine)

    @property
    def has_same_bits(self) -> bool:
        """True if the features of a random image have the same bits as those that the extractors compute by themselves."""
        image = np.random.default_rng(0).integers(0, 256, (3, *self._patches.input.size), dtype=np.uint8)[None]
        ((patches, vector),) = self.map(lambda patches, grid: patches, image)
        alone = self._patches.map_patches(lambda patches, grid: patches, image)[0]
        return torch.equal(patches, alone) and np.array_equal(vector, self._vectors.vectors(image)[0])

    def map(self, function: Callable[[Tensor, Size], T], images: Array) -> list[tuple[T, Array]]:
        """Apply a function to the descriptions of the patches of each image, and compute its vector.

        Parameters
        ----------
        function : callable
            As `FeatureExtractor.map_patches` takes it.
        images : ndarray of shape (n, ...)

        Returns
        -------
        list of tuple
            Result of the function, and vector of shape (d,), for each image.
        """
        name = self._vectors.backbone.global_layer

        def work(maps: dict[str, Tensor]) -> tuple[T, Array]:
            vector = self._vectors.vector_of(maps[name])
            return function(*self._patches.describe(maps)), vector

        return self._patches.map_features(self._runner, work, images)


def can_share(patches: FeatureExtractor, vectors: FeatureExtractor) -> bool:
    """Return True if one extractor prepares images for patches as another one does for vectors, and both use one network.

    Parameters
    ----------
    patches, vectors : FeatureExtractor

    Returns
    -------
    bool
    """
    a, b = patches.input, vectors.input
    same_input = (a.size, a.low, a.high, a.luminance) == (b.global_size, b.low, b.high, b.luminance)
    same_network = patches.backbone.name == vectors.backbone.name and patches.engine == vectors.engine
    same_network &= {*patches.layers} <= {*vectors.backbone.channels}
    return same_input and same_network and patches.device == vectors.device == "cpu"
