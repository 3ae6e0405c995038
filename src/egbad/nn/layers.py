"""Layers that hold the weights of all ensemble members.

Rows have shape (K, B, d) and images (K, B, c, h, w), with K members and B rows; member k uses slice k of the weights only.
Each member draws from its own generator, so it is the same trained alone and in an ensemble.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf, sqrt
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from egbad.nn.generators import MemberGenerators
from egbad.nn.ops import affine, convolution, each_member, merge_members, softplus, unmerge_members
from egbad.nn.own_networks import MemberModules

Activation = Callable[[], nn.Module]

_BATCH_NORM_EPS = 1e-3  # of TensorFlow's layer, which the authors of EGBAD used


# -- weights -----------------------------------------------------------------------------------------------------------


def xavier(generators: MemberGenerators, shape: tuple[int, ...], fan_in: int, fan_out: int) -> Tensor:
    """Draw Glorot uniform weights.

    Parameters
    ----------
    generators : MemberGenerators
    shape : tuple of int
        Shape of one member's weights.
    fan_in, fan_out : int
        Inputs and outputs of a unit.

    Returns
    -------
    Tensor of shape (K, *shape)
    """
    bound = sqrt(6 / (fan_in + fan_out))
    return 2 * bound * generators.uniform(*shape) - bound


def normal_002(generators: MemberGenerators, shape: tuple[int, ...], fan_in: int, fan_out: int) -> Tensor:
    """Draw DCGAN's weights from N(0, 0.02^2); parameters and result are those of `xavier`."""
    return generators.normal(*shape) * 0.02


# -- layers ------------------------------------------------------------------------------------------------------------


class Linear(nn.Module):
    """Fully connected layer.

    `egbad.nn.ops.affine` pads weights and rows to whole vectors. The parameters themselves are not padded, so optimizer
    states and model files do not depend on it.

    Parameters
    ----------
    generators : MemberGenerators
    a, b : int
        Numbers of inputs and outputs.
    init : callable
        Draws the weights, like `xavier`.
    """

    def __init__(self, generators: MemberGenerators, a: int, b: int, init: Any = xavier) -> None:
        super().__init__()
        self.weight = nn.Parameter(init(generators, (a, b), a, b))  # (K, a, b)
        self.bias = nn.Parameter(torch.zeros(len(generators), 1, b, dtype=torch.float32))

    def forward(self, x: Tensor) -> Tensor:
        """Map x (K, B, a) to (K, B, b), in the precision of x."""
        return affine(self.bias.to(x.dtype), x, self.weight.to(x.dtype))


class Conv(nn.Module):
    """Convolution or transposed convolution.

    Parameters
    ----------
    generators : MemberGenerators
    a, b : int
        Numbers of input and output channels.
    kernel, stride, padding : int
    transposed : bool, default=False
    init : callable
        Draws the weights, like `xavier`.
    """

    def __init__(
        self,
        generators: MemberGenerators,
        a: int,
        b: int,
        kernel: int,
        stride: int,
        padding: int,
        *,
        transposed: bool = False,
        init: Any = xavier,
    ) -> None:
        super().__init__()
        shape = (a, b, kernel, kernel) if transposed else (b, a, kernel, kernel)
        self.weight = nn.Parameter(init(generators, shape, a * kernel**2, b * kernel**2))
        self.bias = nn.Parameter(torch.zeros(len(generators), b, dtype=torch.float32))
        self.transposed, self.stride, self.padding = transposed, stride, padding

    def forward(self, x: Tensor) -> Tensor:
        """Map x (K, B, a, h, w) to (K, B, b, h', w')."""
        return convolution(x, self.weight, self.bias, self.stride, self.padding, transposed=self.transposed)


class BatchNorm(nn.Module):
    """Batch normalisation of each member by its own batch.

    Parameters
    ----------
    generators : MemberGenerators
    channels : int
    momentum : float
        Weight of a batch in the running moments. The default is that of TensorFlow's layer.
    """

    running_mean: Tensor
    running_var: Tensor
    value_limits: ClassVar[dict[str, tuple[float, float]]] = {"running_var": (0.0, inf)}

    def __init__(self, generators: MemberGenerators, channels: int, *, momentum: float = 0.01) -> None:
        super().__init__()
        self.momentum = momentum
        self.weight = nn.Parameter(torch.ones(len(generators), channels, dtype=torch.float32))
        self.bias = nn.Parameter(torch.zeros(len(generators), channels, dtype=torch.float32))
        self.register_buffer("running_mean", torch.zeros(len(generators), channels, dtype=torch.float32))
        self.register_buffer("running_var", torch.ones(len(generators), channels, dtype=torch.float32))
        self.tracking = True

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x (K, B, channels, ...)."""
        values = (self.weight, self.bias, self.running_mean, self.running_var)
        if x.is_cuda and len(x) > 1:
            return unmerge_members(self._normalize(merge_members(x), *(value.view(-1) for value in values)), len(x))
        return each_member(self._normalize, x, *values)

    def _normalize(self, x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, var: Tensor) -> Tensor:
        """Normalise x (B, channels, ...), and update the running moments where they are tracked."""
        tracked = self.tracking or not self.training
        return F.batch_norm(
            x,
            mean if tracked else None,
            var if tracked else None,
            weight,
            bias,
            self.training,
            self.momentum,
            eps=_BATCH_NORM_EPS,
        )


class Dropout(nn.Module):
    """Set a share of the units to zero in training, drawn by each member's own generator.

    Parameters
    ----------
    generators : MemberGenerators
    p : float
        Share of the units, in [0, 1).
    """

    def __init__(self, generators: MemberGenerators, p: float) -> None:
        super().__init__()
        self.generators, self.p = generators, p

    def forward(self, x: Tensor) -> Tensor:
        """Drop units of x (K, B, ...) and scale the others by 1 / (1 - p); return x unchanged in eval mode."""
        if not self.training or self.p == 0:
            return x
        return x * (self.generators.uniform(*x.shape[1:], per_row=True) >= self.p) / (1 - self.p)


class Reshape(nn.Module):
    """Reshape rows or images.

    Parameters
    ----------
    *shape : int
        New shape of one row or image.
    """

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        """Map x (K, B, ...) to (K, B, *shape)."""
        return x.reshape(*x.shape[:2], *self.shape)


class Crop(nn.Module):
    """Cut out the centre of images.

    Parameters
    ----------
    h, w : int
        Height and width of the centre.
    """

    def __init__(self, h: int, w: int) -> None:
        super().__init__()
        self.h, self.w = h, w

    def forward(self, x: Tensor) -> Tensor:
        """Map x (K, B, c, H, W) to (K, B, c, h, w)."""
        top, left = (x.shape[-2] - self.h) // 2, (x.shape[-1] - self.w) // 2
        return x[..., top : top + self.h, left : left + self.w]


class PadSame(nn.Module):
    """Add a row at the bottom and a column at the right, as TensorFlow's SAME padding does for a 3 x 3 kernel with stride 2."""

    def forward(self, x: Tensor) -> Tensor:
        """Map x (K, B, c, h, w) to (K, B, c, h + 1, w + 1)."""
        return F.pad(x, (0, 1, 0, 1))


class LeakyReLU(nn.LeakyReLU):
    """Leaky ReLU that works in place without gradients; with gradients autograd would copy more than that saves."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply the activation to x (K, B, ...)."""
        return F.leaky_relu(x, self.negative_slope, inplace=not torch.is_grad_enabled())


class ReLU(nn.ReLU):
    """ReLU that works in place without gradients, like `LeakyReLU`."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply the activation to x (K, B, ...)."""
        return F.relu(x, inplace=not torch.is_grad_enabled())


class Softplus(nn.Module):
    """Softplus whose bits do not depend on the other members."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply the activation to x (K, B, ...)."""
        return softplus(x)


def leaky() -> nn.Module:
    """Return the activation of the papers' encoders and discriminators."""
    return LeakyReLU(0.1)


def relu() -> nn.Module:
    """Return the activation of the papers' generators."""
    return ReLU()


# -- modes -------------------------------------------------------------------------------------------------------------


@contextmanager
def without_tracking(*modules: nn.Module) -> Iterator[None]:
    """Keep the running moments of batch normalisation unchanged: the networks are used in another player's turn.

    Parameters
    ----------
    *modules : Module
        Networks that normalise by the moments of the batch in this context.
    """
    norms = [m for module in modules for m in module.modules() if isinstance(m, BatchNorm | MemberModules)]
    for norm in norms:
        norm.tracking = False
    try:
        yield
    finally:
        for norm in norms:
            norm.tracking = True


@contextmanager
def frozen(*modules: nn.Module) -> Iterator[None]:
    """Put networks into eval mode while others learn from them, and restore their modes on exit.

    Parameters
    ----------
    *modules : Module
    """
    modes = [(module, module.training) for module in modules]
    for module, _ in modes:
        module.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.train(training)


# -- spectral normalisation --------------------------------------------------------------------------------------------


class _Spectral(nn.Module):
    """Divides a weight by its largest singular value, with one power iteration per step (Miyato et al., 2018)."""

    u: Tensor

    def __init__(self, generators: MemberGenerators, weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("u", F.normalize(generators.normal(weight.shape[1]), dim=1))

    def forward(self, weight: Tensor) -> Tensor:
        """Normalise a weight (K, a, ...)."""
        matrix = weight.flatten(2)  # (K, a, b)
        with torch.no_grad():
            v = F.normalize((matrix * self.u.unsqueeze(2)).sum(1), dim=1)
            u = F.normalize((matrix * v.unsqueeze(1)).sum(2), dim=1)
            if self.training:  # in scoring, a score would depend on the ones before
                self.u.copy_(u)
        sigma = (u * (matrix * v.unsqueeze(1)).sum(2)).sum(1)
        return weight / sigma.view(-1, *[1] * (weight.dim() - 1))


def spectral_norm(module: nn.Module, generators: MemberGenerators) -> None:
    """Normalise all linear and convolutional weights of a network by their largest singular value.

    Parameters
    ----------
    module : Module
    generators : MemberGenerators
        Draw the first singular vectors.
    """
    for layer in [m for m in module.modules() if isinstance(m, Linear | Conv)]:
        parametrize.register_parametrization(layer, "weight", _Spectral(generators, layer.weight))
