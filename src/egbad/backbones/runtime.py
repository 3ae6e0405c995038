"""Feature maps of many images, whose bits do not depend on each other.

On the CPU each forward pass has one image and one thread, so that an image's features have the same bits in any batch, in any
order, and with any number of threads. Several images are computed at the same time on several threads.
"""

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from egbad.arrays import Array
from egbad.backbones.base import Backbone
from egbad.nn.precision import matmul_precision
from egbad.nn.threads import map_threads, one_thread

T = TypeVar("T")

_GPU_BATCH_PIXELS = 2**22  # of images that are computed together: bounds memory


class FeatureRunner:
    """Computes feature maps of images.

    Parameters
    ----------
    backbone : Backbone
    layers : sequence of str, optional
        By default `backbone.default_layers`.
    device : str
        "cpu" or a GPU.

    Attributes
    ----------
    layers : tuple of str
    """

    def __init__(self, backbone: Backbone, layers: Sequence[str] | None = None, device: str = "cpu") -> None:
        self.layers = backbone.check_layers(backbone.default_layers if layers is None else layers)
        self.backbone = backbone if device == "cpu" else copy.deepcopy(backbone).to(device)
        self.device = device

    def features(self, image: Array | Tensor) -> dict[str, Tensor]:
        """Return the feature maps of one image, computed on the calling thread.

        Parameters
        ----------
        image : array-like of float32 of shape (3, h, w)
            RGB in [0, 1].

        Returns
        -------
        dict of str to Tensor of shape (C, h', w')
            On the CPU.
        """
        with one_thread():
            return self._features(image)

    def map(self, function: Callable[[dict[str, Tensor]], T], images: Iterable[Array | Tensor]) -> list[T]:
        """Apply a function to the feature maps of each image, on several threads.

        Parameters
        ----------
        function : callable
            Takes the feature maps of one image, each (C, h', w'). Called by several threads at the same time.
        images : iterable of array-like of float32 of shape (3, h, w)
            RGB in [0, 1]. They may differ in size, and are taken when a thread is free.

        Returns
        -------
        list
            The results, in the order of the images.
        """
        if self.device != "cpu":
            return [function(self._features(image)) for image in images]
        return map_threads(lambda image: function(self._features(image)), images)

    def __call__(self, images: Array | Tensor) -> dict[str, Array]:
        """Return the feature maps of images of one size.

        Parameters
        ----------
        images : array-like of float32 of shape (n, 3, h, w)
            RGB in [0, 1].

        Returns
        -------
        dict of str to ndarray of shape (n, C, h', w')
        """
        self.backbone.check_size(tuple(images.shape), self.layers)
        if self.device == "cpu":
            found = self.map(lambda maps: {name: value.numpy() for name, value in maps.items()}, images)
            return {name: np.stack([maps[name] for maps in found]) for name in self.layers}
        size = max(1, _GPU_BATCH_PIXELS // (images.shape[2] * images.shape[3]))
        parts = [self._forward(torch.as_tensor(images[i : i + size])) for i in range(0, len(images), size)]
        return {name: torch.cat([part[name] for part in parts]).numpy() for name in self.layers}

    def _features(self, image: Array | Tensor) -> dict[str, Tensor]:
        return {name: value[0] for name, value in self._forward(torch.as_tensor(image)[None]).items()}

    def _forward(self, x: Tensor) -> dict[str, Tensor]:
        """Return the feature maps (B, C, h', w') of x (B, 3, h, w)."""
        with torch.no_grad(), matmul_precision("float32", self.device):
            maps: dict[str, Any] = self.backbone(x.to(self.device), self.layers)
            return {name: value.cpu() for name, value in maps.items()}
