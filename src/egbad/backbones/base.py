"""The interface of backbones: networks with fixed weights that map an image to feature maps."""

import hashlib
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat
from torch import Tensor, nn

from egbad.arrays import ArraySpec, State, check_arrays
from egbad.errors import InvalidEntryError, InvalidInputError, unknown

_RGB = 3


@dataclass(frozen=True)
class Layer:
    """A layer whose feature map can be read.

    Attributes
    ----------
    name : str
    channels : int
    stride : int
        Pixels of the image between two places of the map.
    """

    name: str
    channels: int
    stride: int


class BackboneManifest(BaseModel):
    """Description of a backbone in a model file.

    Attributes
    ----------
    name : str
        Argument of `load_backbone`.
    revision : str
        Version of the weights, "" if it is unknown.
    sha256 : str
        Digest of the weights.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    name: Annotated[str, Field(min_length=1)]
    revision: str
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    mean: tuple[FiniteFloat, FiniteFloat, FiniteFloat]
    std: tuple[FiniteFloat, FiniteFloat, FiniteFloat]


class Backbone(nn.Module):
    """Base class of networks with fixed weights that map RGB images to feature maps.

    A backbone is always in evaluation mode, and its weights need no gradient.

    Parameters
    ----------
    name : str
        Argument of `load_backbone`.
    layers : sequence of Layer
        From shallow to deep.
    default_layers : tuple of str
        Layers for the description of patches.
    global_layer : str
        Layer for the description of a whole image.
    mean, std : tuple of float
        Per channel, of RGB values in [0, 1].
    input_size : int
        Recommended side of an image, in pixels.
    revision : str
        Version of the weights, "" if it is unknown.
    """

    mean_rgb: Tensor
    std_rgb: Tensor

    def __init__(
        self,
        name: str,
        layers: Sequence[Layer],
        default_layers: tuple[str, ...],
        global_layer: str,
        mean: tuple[float, float, float],
        std: tuple[float, float, float],
        input_size: int,
        revision: str = "",
    ) -> None:
        super().__init__()
        self.name, self.revision, self.input_size = name, revision, input_size
        self.layers = tuple(layer.name for layer in layers)
        self.channels = {layer.name: layer.channels for layer in layers}
        self.strides = {layer.name: layer.stride for layer in layers}
        self.default_layers, self.global_layer = default_layers, global_layer
        self.mean, self.std = mean, std
        self.register_buffer("mean_rgb", torch.tensor(mean).view(_RGB, 1, 1), persistent=False)
        self.register_buffer("std_rgb", torch.tensor(std).view(_RGB, 1, 1), persistent=False)

    @abstractmethod
    def extract(self, x: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        """Return the feature maps of normalised images; the names of the layers are valid.

        Parameters
        ----------
        x : Tensor of shape (B, 3, h, w)
        layers : sequence of str

        Returns
        -------
        dict of str to Tensor of shape (B, C, h', w')
        """

    def forward(self, x: Tensor, layers: Sequence[str] | None = None) -> dict[str, Tensor]:
        """Return feature maps of images. No layer beyond the deepest of `layers` is computed.

        Parameters
        ----------
        x : Tensor of shape (B, 3, h, w)
            RGB in [0, 1]. Normalised here.
        layers : sequence of str, optional
            By default `default_layers`.

        Returns
        -------
        dict of str to Tensor of shape (B, C, h', w')
            In the order of `layers`.

        Raises
        ------
        InvalidInputError
            If a layer does not exist, or the images do not have three channels or are too small.
        """
        layers = self.check_layers(self.default_layers if layers is None else layers)
        self.check_size(tuple(x.shape), layers)
        maps = self.extract((x - self.mean_rgb) / self.std_rgb, layers)
        return {name: maps[name] for name in layers}

    def train(self, mode: bool = True) -> "Backbone":
        """Stay in evaluation mode: the weights are fixed.

        Parameters
        ----------
        mode : bool
            Ignored.

        Returns
        -------
        Backbone
            The backbone itself.
        """
        super().train(False)
        return self

    def check_layers(self, layers: Iterable[str]) -> tuple[str, ...]:
        """Return names of layers after a check that they exist.

        Parameters
        ----------
        layers : iterable of str

        Returns
        -------
        tuple of str

        Raises
        ------
        InvalidInputError
            If there is none, one is named twice, or one does not exist.
        """
        names = (layers,) if isinstance(layers, str) else tuple(layers)
        if not names or len(set(names)) < len(names):
            raise InvalidInputError(f"layers must be one or more different names, got {list(names)}.")
        for name in names:
            if name not in self.channels:
                raise unknown(f"layer of the backbone {self.name}", name, self.layers)
        return names

    def check_size(self, shape: tuple[int, ...], layers: Sequence[str]) -> None:
        """Check the shape of images.

        Parameters
        ----------
        shape : tuple of int
            Shape of a batch.
        layers : sequence of str
            Valid names.

        Raises
        ------
        InvalidInputError
            If it is not (B, 3, h, w), or a side is smaller than the stride of a layer.
        """
        if len(shape) != 4 or shape[1] != _RGB:
            raise InvalidInputError(
                f"Images for the backbone {self.name} must have shape (n, 3, h, w) with the channels red, green and blue, "
                f"got {tuple(shape)}. Repeat the channel of grey images three times."
            )
        deepest = max(layers, key=self.strides.__getitem__)
        if min(shape[2:]) < self.strides[deepest]:
            raise InvalidInputError(
                f"Images must have at least {self.strides[deepest]} x {self.strides[deepest]} pixels for the layer "
                f"'{deepest}' of the backbone {self.name}, got {shape[2]} x {shape[3]}. Enlarge them, or use a shallower layer."
            )

    # -- weights -----------------------------------------------------------------------------------------------------

    @property
    def sha256(self) -> str:
        """SHA-256 digest of names, types, shapes and values of the weights, as hexadecimal digits."""
        found = hashlib.sha256()
        for name, array in self.arrays().items():
            found.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
            found.update(np.ascontiguousarray(array).data)
        return found.hexdigest()

    def arrays(self) -> State:
        """Return the weights.

        Returns
        -------
        dict of str to ndarray
            In alphabetical order of the names.
        """
        return {name: value.detach().cpu().numpy() for name, value in sorted(self.state_dict().items())}

    def specs(self) -> dict[str, ArraySpec]:
        """Return what the arrays of the weights must be.

        Returns
        -------
        dict of str to ArraySpec
        """
        return {
            name: ArraySpec(str(value.dtype).removeprefix("torch."), tuple(value.shape))
            for name, value in self.state_dict().items()
        }

    def manifest(self) -> dict[str, Any]:
        """Return the description that `restore_backbone` takes, as JSON.

        Returns
        -------
        dict
        """
        manifest = BackboneManifest(
            name=self.name, revision=self.revision, sha256=self.sha256, mean=self.mean, std=self.std
        )
        return manifest.model_dump(mode="json")

    def load_arrays(self, arrays: State) -> None:
        """Load weights that `arrays` returned.

        Parameters
        ----------
        arrays : dict of str to ndarray

        Raises
        ------
        InvalidEntryError
            If an array is missing, is not expected or does not fit.
        """
        check_arrays(arrays, self.specs())
        own = self.state_dict()
        tensors = {name: torch.tensor(array).view(own[name].shape) for name, array in arrays.items()}
        self.load_state_dict(tensors, assign=True)
        self.freeze()

    def freeze(self) -> None:
        """Enter evaluation mode, and let no weight need a gradient."""
        self.train(False)
        self.requires_grad_(False)

    def check_digest(self, expected: str) -> None:
        """Check the digest of the weights.

        Parameters
        ----------
        expected : str

        Raises
        ------
        InvalidEntryError
            If it is another.
        """
        if (found := self.sha256) != expected:
            raise InvalidEntryError(
                "sha256",
                f"must be the digest of the weights of the backbone {self.name}, {found[:12]}..., got {expected[:12]}...",
            )
