"""The interface of backbones: networks with fixed weights that map an image to feature maps."""

import copy
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat
from torch import Tensor

from egbad.backbones.frozen_module import FrozenModule
from egbad.errors import InvalidInputError, unknown

_RGB = 3
_PositiveFloat = Annotated[FiniteFloat, Field(gt=0)]


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
    deepest : str
        Layer after which the network was cut, see `Backbone.truncated`.
    mean, std : tuple of float
        See `Backbone`.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    name: Annotated[str, Field(min_length=1)]
    revision: str
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    deepest: str
    mean: tuple[FiniteFloat, FiniteFloat, FiniteFloat]
    std: tuple[_PositiveFloat, _PositiveFloat, _PositiveFloat]


class Backbone(FrozenModule):
    """Base class of networks with fixed weights that map RGB images to feature maps.

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

    has_onnx_graph: ClassVar[bool] = False  # True if `onnx_graph` is implemented
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
        self.normalize_by(mean, std)

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

    def normalize_by(self, mean: tuple[float, float, float], std: tuple[float, float, float]) -> None:
        """Set the normalisation of images.

        Parameters
        ----------
        mean, std : tuple of float
            Per channel, of RGB values in [0, 1].
        """
        self.mean, self.std = mean, std
        self.register_buffer("mean_rgb", torch.tensor(mean).view(_RGB, 1, 1), persistent=False)
        self.register_buffer("std_rgb", torch.tensor(std).view(_RGB, 1, 1), persistent=False)

    def truncated(self, layers: Iterable[str]) -> "Backbone":
        """Return a copy without the weights after the deepest of some layers, for smaller model files.

        Parameters
        ----------
        layers : iterable of str

        Returns
        -------
        Backbone

        Raises
        ------
        InvalidInputError
            If a layer does not exist.
        """
        deepest = max(self.check_layers(layers), key=self.layers.index)
        backbone = copy.deepcopy(self)
        backbone.cut(deepest)
        return backbone

    def cut(self, deepest: str) -> None:
        """Remove all layers after one, in place; subclasses remove their weights as well.

        Parameters
        ----------
        deepest : str
            A valid name.
        """
        self.layers = self.layers[: self.layers.index(deepest) + 1]
        self.channels = {name: self.channels[name] for name in self.layers}
        self.strides = {name: self.strides[name] for name in self.layers}
        self.default_layers = tuple(name for name in self.default_layers if name in self.layers) or (deepest,)
        self.global_layer = self.global_layer if self.global_layer in self.layers else deepest

    def onnx_graph(self, layers: Sequence[str]) -> bytes:
        """Return a graph that maps one image (1, 3, h, w) of any size to feature maps, as a serialized ONNX model.

        Parameters
        ----------
        layers : sequence of str

        Returns
        -------
        bytes
        """
        raise NotImplementedError

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

    @property
    def label(self) -> str:
        """The name, or what else tells the backbone from others."""
        return self.name

    def check_storable(self) -> None:
        """Check that a model file can hold the backbone, or refer to it.

        Raises
        ------
        InvalidInputError
            If it cannot.
        """

    def manifest(self) -> dict[str, Any]:
        """Return the description that `restore_backbone` takes, as JSON.

        Returns
        -------
        dict
        """
        manifest = BackboneManifest(
            name=self.name,
            revision=self.revision,
            sha256=self.sha256,
            deepest=self.layers[-1],
            mean=self.mean,
            std=self.std,
        )
        return manifest.model_dump(mode="json")
