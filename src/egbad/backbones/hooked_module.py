"""Any torch module as a backbone: its layers are submodules, read by forward hooks."""

import copy
import threading
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from egbad.backbones.base import Backbone, Layer
from egbad.errors import InvalidInputError, shorten

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_PATCH_STRIDES = (8, 16)  # of the layers that describe patches
_MAX_REASON = 200  # characters


class _AllCapturedError(Exception):
    """Ends a forward pass when the deepest layer is known."""


class _Capture(threading.local):
    """Maps of the forward pass of the current thread."""

    wanted: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self.maps: dict[str, Tensor] = {}

    def __reduce__(self) -> tuple[type["_Capture"], tuple[()]]:
        """Copy nothing: another object has its own passes."""
        return type(self), ()


class HookedModule(Backbone):
    """A torch module whose submodules are layers. It cannot be written to a model file, which contains no code.

    Parameters
    ----------
    module : Module
        Maps images (B, 3, h, w) to anything. It is copied, and left unchanged.
    mean, std : tuple of float
        Normalisation that the module expects of RGB in [0, 1]. By default that of ImageNet.
    input_size : int
        Recommended side of an image. Its forward pass on one such image shows which submodules return maps (B, C, h', w');
        these are the layers, named as in `named_modules`.

    Raises
    ------
    InvalidInputError
        If the module does not take such images, or no submodule returns a map.

    Examples
    --------
    >>> network = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.Conv2d(8, 16, 3, stride=2))
    >>> backbone = HookedModule(network, input_size=64)
    >>> {name: tuple(maps.shape) for name, maps in backbone(torch.zeros(1, 3, 64, 64), ["0", "2"]).items()}
    {'0': (1, 8, 31, 31), '2': (1, 16, 15, 15)}
    """

    def __init__(
        self,
        module: nn.Module,
        mean: tuple[float, float, float] = IMAGENET_MEAN,
        std: tuple[float, float, float] = IMAGENET_STD,
        input_size: int = 224,
    ) -> None:
        module = copy.deepcopy(module).eval().requires_grad_(False)
        layers = _find_layers(module, input_size)
        deepest = {layer.stride: layer.name for layer in layers}
        patches = tuple(deepest[stride] for stride in _PATCH_STRIDES if stride in deepest)
        super().__init__("module", layers, patches or (layers[-1].name,), layers[-1].name, mean, std, input_size)
        self.module, self._capture = module, _Capture()
        for name in self.layers:
            module.get_submodule(name).register_forward_hook(_Recorder(name, self._capture))
        self.freeze()

    def extract(self, x: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        """Return the feature maps of normalised images.

        Parameters
        ----------
        x : Tensor of shape (B, 3, h, w)
        layers : sequence of str

        Returns
        -------
        dict of str to Tensor of shape (B, C, h', w')

        Raises
        ------
        InvalidInputError
            If the module does not take images of this size.
        """
        capture = self._capture
        capture.wanted, capture.maps = frozenset(layers), {}
        try:
            self.module(x)
        except _AllCapturedError:
            pass
        except (RuntimeError, AssertionError, ValueError) as error:
            raise _unfit(self.module, tuple(x.shape[2:]), error) from error
        finally:
            found = capture.maps
            capture.wanted, capture.maps = frozenset(), {}
        if len(found) < len(layers):
            raise InvalidInputError(
                f"{type(self.module).__name__} must compute the layers {', '.join(layers)}, got other layers."
            )
        return found

    @property
    def label(self) -> str:
        """Class and digest of the module."""
        return f"{type(self.module).__name__} {self.sha256}"

    def check_storable(self) -> None:
        """Raise: a model file contains no code.

        Raises
        ------
        InvalidInputError
            Always.
        """
        raise InvalidInputError(
            f"A detector whose backbone is a torch module ({type(self.module).__name__}) cannot be saved, since a model file "
            "contains no code. Use the name of a backbone, such as 'efficientnet_lite0', or export the detector to ONNX."
        )


class _Recorder:
    """Forward hook of one layer."""

    def __init__(self, name: str, capture: _Capture) -> None:
        self.name, self.capture = name, capture

    def __call__(self, module: nn.Module, inputs: Any, output: Any) -> None:
        """Keep a wanted map, and end the pass after the last one."""
        if self.name in self.capture.wanted:
            self.capture.maps[self.name] = output.clone()  # the next layer may change it in place
            is_last = len(self.capture.maps) == len(self.capture.wanted)
            if is_last and not torch.compiler.is_exporting():  # the exporter follows each call to its end
                raise _AllCapturedError


def _find_layers(module: nn.Module, side: int) -> list[Layer]:
    """Return the submodules that return one map (B, C, h', w') in a forward pass, in the order of their ends."""
    calls: list[tuple[str, Any]] = []

    def recorder(name: str) -> Any:
        return lambda _module, _inputs, output: calls.append((name, output))

    hooks = [child.register_forward_hook(recorder(name)) for name, child in module.named_modules() if name]
    try:
        with torch.no_grad():
            module(torch.zeros(1, 3, side, side))
    except (RuntimeError, AssertionError, ValueError, TypeError) as error:
        raise _unfit(module, (side, side), error) from error
    finally:
        for hook in hooks:
            hook.remove()
    names = [name for name, _ in calls]
    layers = [
        Layer(name, output.shape[1], max(1, round(side / output.shape[2])))
        for name, output in calls
        if names.count(name) == 1 and isinstance(output, Tensor) and output.ndim == 4 and min(output.shape[2:]) > 1
    ]
    if not layers:
        raise InvalidInputError(
            f"A backbone must have submodules that return maps of shape (n, channels, height, width), got "
            f"{type(module).__name__} without any."
        )
    return layers


def _unfit(module: nn.Module, size: tuple[int, ...], error: Exception) -> InvalidInputError:
    """Return the error for a module that does not take images of a size."""
    reason = shorten(" ".join(str(error).split()).rstrip("."), _MAX_REASON)
    return InvalidInputError(
        f"A backbone must take images of shape (n, 3, h, w), but {type(module).__name__} fails at {size[0]} x {size[1]} pixels: "
        f"{reason}."
    )
