"""Feature maps of many images, whose bits do not depend on each other.

On the CPU each forward pass has one image and one thread, so that an image's features have the same bits in any batch, in any
order, and with any number of threads. Several images are computed at the same time on several threads.

Two engines compute a backbone. EfficientNet-Lite0, to its last block, takes on one core of a Xeon with AVX-512:

    pixels       224 x 224   320 x 320   640 x 640
    onnxruntime      8 ms       15 ms       70 ms
    torch           23 ms       37 ms      171 ms

Their features differ by rounding, by less than `ENGINE_TOLERANCE` times the largest of a layer. A detector therefore stores the
engine that it was fitted with.
"""

import copy
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from torch import Tensor

from egbad.arrays import Array
from egbad.backbones.base import Backbone
from egbad.errors import InvalidInputError, require_extra
from egbad.nn.precision import matmul_precision
from egbad.nn.threads import map_threads, one_thread

T = TypeVar("T")
Engine = Literal["torch", "onnxruntime"]

ENGINE_TOLERANCE = 1e-5
_ENGINES = ("auto", "torch", "onnxruntime")
_ONNX_PACKAGES = ("onnx", "onnxruntime")
_LOG_FATAL = 4  # onnxruntime's level that logs nothing else
_GPU_BATCH_PIXELS = 2**22  # of images that are computed together: bounds memory


def resolve_engine(engine: str, backbone: Backbone, device: str = "cpu") -> Engine:
    """Return the engine that a parameter `engine` stands for.

    Parameters
    ----------
    engine : {"auto", "torch", "onnxruntime"}
        "auto" is "onnxruntime" on the CPU for backbones that are written as a graph, the EfficientNet-Lites, if the packages
        onnx and onnxruntime are installed, otherwise "torch".
    backbone : Backbone
    device : str

    Returns
    -------
    {"torch", "onnxruntime"}

    Raises
    ------
    InvalidInputError
        If there is no such engine, or onnxruntime cannot run the backbone on the device.
    MissingExtraError
        If onnx or onnxruntime is needed and not installed.
    """
    if engine not in _ENGINES:
        raise InvalidInputError(f"engine must be one of {', '.join(_ENGINES)}, got {engine!r}.")
    possible = backbone.has_onnx_graph and device == "cpu"
    if engine == "onnxruntime":
        if not possible:
            raise InvalidInputError(
                f"engine='onnxruntime' needs an EfficientNet-Lite on the CPU, got {backbone.name} on {device}. Use 'auto'."
            )
        require_extra("engine='onnxruntime'", "backbones", *_ONNX_PACKAGES)
        return "onnxruntime"
    installed = all(find_spec(package) is not None for package in _ONNX_PACKAGES)
    return "onnxruntime" if engine == "auto" and possible and installed else "torch"


def engine_or_torch(engine: Engine, backbone: Backbone, device: str = "cpu") -> Engine:
    """Return the engine of a fitted detector, or "torch" where that is not at hand.

    Parameters
    ----------
    engine : {"torch", "onnxruntime"}
        Engine that the detector was fitted with.
    backbone : Backbone
    device : str

    Returns
    -------
    {"torch", "onnxruntime"}
    """
    return "torch" if engine == "torch" else resolve_engine("auto", backbone, device)


class FeatureRunner:
    """Computes feature maps of images.

    Parameters
    ----------
    backbone : Backbone
    layers : sequence of str, optional
        By default `backbone.default_layers`.
    device : str
        "cpu" or a GPU.
    engine : {"auto", "torch", "onnxruntime"}
        See `resolve_engine`.

    Attributes
    ----------
    layers : tuple of str
    engine : {"torch", "onnxruntime"}

    Examples
    --------
    >>> from egbad.backbones import load_backbone
    >>> runner = FeatureRunner(load_backbone("efficientnet_lite0"))
    >>> {name: maps.shape for name, maps in runner(np.zeros((2, 3, 64, 96), np.float32)).items()}
    {'block_4': (2, 40, 8, 12), 'block_10': (2, 112, 4, 6)}
    """

    def __init__(
        self, backbone: Backbone, layers: Sequence[str] | None = None, device: str = "cpu", engine: str = "auto"
    ) -> None:
        self.layers = backbone.check_layers(backbone.default_layers if layers is None else layers)
        self.backbone = backbone if device == "cpu" else copy.deepcopy(backbone).to(device)
        self.device, self.engine = device, resolve_engine(engine, backbone, device)
        self._session: Any = _open_session(backbone.onnx_graph(self.layers)) if self.engine == "onnxruntime" else None

    def __reduce__(self) -> tuple[type["FeatureRunner"], tuple[Any, ...]]:
        """Copy the arguments only: a session cannot be copied."""
        return type(self), (self.backbone, self.layers, self.device, self.engine)

    def features(self, image: Array | Tensor) -> dict[str, Tensor]:
        """Return the feature maps of one image, computed on the calling thread.

        Parameters
        ----------
        image : array-like of float32 of shape (3, h, w)
            RGB in [0, 1].

        Returns
        -------
        dict of str to Tensor of shape (C, h', w')
            On the CPU, contiguous.

        Raises
        ------
        InvalidInputError
            If the image does not have three channels, or is smaller than the stride of a layer.
        """
        with one_thread():
            return self._features(image)

    def map(self, function: Callable[[dict[str, Tensor]], T], images: Iterable[Array | Tensor]) -> list[T]:
        """Apply a function to the feature maps of each image, on several threads.

        Parameters
        ----------
        function : callable
            Takes the feature maps of one image, as `features` returns them. Called by several threads at the same time.
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
        x = torch.as_tensor(image)[None]
        maps = self._forward(x) if self._session is None else self._run_session(x)
        return {name: value[0] for name, value in maps.items()}

    def _forward(self, x: Tensor) -> dict[str, Tensor]:
        """Return the feature maps (B, C, h', w') of x (B, 3, h, w), computed by torch."""
        with torch.no_grad(), matmul_precision("float32", self.device):
            maps: dict[str, Tensor] = self.backbone(x.to(self.device), self.layers)
            return {name: value.cpu().contiguous() for name, value in maps.items()}

    def _run_session(self, x: Tensor) -> dict[str, Tensor]:
        """Return the feature maps (1, C, h', w') of x (1, 3, h, w), computed by onnxruntime."""
        self.backbone.check_size(tuple(x.shape), self.layers)
        outputs = self._session.run(None, {self._session.get_inputs()[0].name: x.numpy()})
        return dict(zip(self.layers, map(torch.from_numpy, outputs), strict=True))


def _open_session(content: bytes) -> Any:
    """Return a session of onnxruntime that computes on the calling thread."""
    runtime = import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = _LOG_FATAL
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
