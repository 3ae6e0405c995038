"""Layers that hold the weights of K ensemble members.

Rows have shape (K, B, d) and images (K, B, c, h, w); member k uses slice k only. A member's random numbers come from its own
generator, so a member trained in an ensemble equals one trained alone.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import sqrt
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from egbad.nn.generators import MemberGenerators
from egbad.nn.ops import affine, convolution, each_member, merge_members, unmerge_members

Activation = Callable[[], nn.Module]


def xavier(generators: MemberGenerators, shape: tuple[int, ...], fan_in: int, fan_out: int) -> Tensor:
    """Draw Glorot uniform weights (K, *shape)."""
    bound = sqrt(6 / (fan_in + fan_out))
    return 2 * bound * generators.uniform(*shape) - bound


def normal_002(generators: MemberGenerators, shape: tuple[int, ...], fan_in: int, fan_out: int) -> Tensor:
    """Draw the weights (K, *shape) of DCGAN, from N(0, 0.02^2)."""
    return generators.normal(*shape) * 0.02


class Linear(nn.Module):
    """Fully connected layer, (K, B, a) -> (K, B, b), in the precision of its input."""

    def __init__(self, generators: MemberGenerators, a: int, b: int, init: Any = xavier) -> None:
        super().__init__()
        self.weight = nn.Parameter(init(generators, (a, b), a, b))  # (K, a, b)
        self.bias = nn.Parameter(torch.zeros(len(generators), 1, b))

    def forward(self, x: Tensor) -> Tensor:
        """Return x (K, B, a) mapped to (K, B, b)."""
        return affine(self.bias.to(x.dtype), x, self.weight.to(x.dtype))


class Conv(nn.Module):
    """Convolution (K, B, a, h, w) -> (K, B, b, h', w'), or a transposed convolution."""

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
        self.bias = nn.Parameter(torch.zeros(len(generators), b))
        self.transposed, self.stride, self.padding = transposed, stride, padding

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution of images x (K, B, a, h, w)."""
        return convolution(x, self.weight, self.bias, self.stride, self.padding, transposed=self.transposed)


class BatchNorm(nn.Module):
    """Batch normalisation of each member, with the momentum and epsilon of the TensorFlow layer that the authors used."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, generators: MemberGenerators, channels: int, *, momentum: float = 0.01) -> None:
        super().__init__()
        self.momentum = momentum
        self.weight = nn.Parameter(torch.ones(len(generators), channels))
        self.bias = nn.Parameter(torch.zeros(len(generators), channels))
        self.register_buffer("running_mean", torch.zeros(len(generators), channels))
        self.register_buffer("running_var", torch.ones(len(generators), channels))
        self.tracking = True

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x (K, B, c, ...) by channel."""
        values = (self.weight, self.bias, self.running_mean, self.running_var)
        if x.is_cuda and len(x) > 1:
            return unmerge_members(self._normalise(merge_members(x), *(value.view(-1) for value in values)), len(x))
        return each_member(self._normalise, x, *values)

    def _normalise(self, x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, var: Tensor) -> Tensor:
        keep = self.tracking or not self.training
        return F.batch_norm(
            x, mean if keep else None, var if keep else None, weight, bias, self.training, self.momentum, eps=1e-3
        )


@contextmanager
def without_tracking(*modules: nn.Module) -> Iterator[None]:
    """Stop batch normalisation in `modules` from updating its running moments, while another player is updated."""
    norms = [m for module in modules for m in module.modules() if isinstance(m, BatchNorm)]
    for norm in norms:
        norm.tracking = False
    try:
        yield
    finally:
        for norm in norms:
            norm.tracking = True


class Dropout(nn.Module):
    """Dropout with probability p, with each member's own generator."""

    def __init__(self, generators: MemberGenerators, p: float) -> None:
        super().__init__()
        self.generators, self.p = generators, p

    def forward(self, x: Tensor) -> Tensor:
        """Zero random units of x (K, B, ...) in training mode."""
        if not self.training or self.p == 0:
            return x
        return x * (self.generators.uniform(*x.shape[1:], per_row=True) >= self.p) / (1 - self.p)


class Reshape(nn.Module):
    """Reshape (K, B, ...) to (K, B, *shape)."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        """Return x (K, B, ...) as (K, B, *shape)."""
        return x.reshape(*x.shape[:2], *self.shape)


class Crop(nn.Module):
    """Crop (K, B, c, H, W) to the centre (K, B, c, h, w)."""

    def __init__(self, h: int, w: int) -> None:
        super().__init__()
        self.h, self.w = h, w

    def forward(self, x: Tensor) -> Tensor:
        """Return the centre of images x (K, B, c, H, W)."""
        top, left = (x.shape[-2] - self.h) // 2, (x.shape[-1] - self.w) // 2
        return x[..., top : top + self.h, left : left + self.w]


class PadSame(nn.Module):
    """Pad one row at the bottom and one column at the right, as TensorFlow's SAME does for a 3 x 3 kernel of stride 2."""

    def forward(self, x: Tensor) -> Tensor:
        """Return images x (K, B, c, h, w) with one more row and column."""
        return F.pad(x, (0, 1, 0, 1))


class LeakyReLU(nn.LeakyReLU):
    """Leaky ReLU, in place without gradients; with gradients autograd would copy more than that saves."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply the activation to x of any shape."""
        return F.leaky_relu(x, self.negative_slope, inplace=not torch.is_grad_enabled())


class ReLU(nn.ReLU):
    """ReLU, in place without gradients."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply the activation to x of any shape."""
        return F.relu(x, inplace=not torch.is_grad_enabled())


def leaky() -> nn.Module:
    """Return the activation of the papers' encoders and discriminators."""
    return LeakyReLU(0.1)


def relu() -> nn.Module:
    """Return the activation of the papers' generators."""
    return ReLU()


# -- spectral normalisation ----------------------------------------------------------------------------------------------


class _Spectral(nn.Module):
    """Divide a weight by its largest singular value, one power iteration a step (Miyato et al., 2018)."""

    u: Tensor

    def __init__(self, generators: MemberGenerators, weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("u", F.normalize(generators.normal(weight.shape[1]), dim=1))

    def forward(self, weight: Tensor) -> Tensor:
        """Divide a weight (K, ...) by its largest singular value."""
        matrix = weight.flatten(2)  # (K, a, b)
        with torch.no_grad():
            v = F.normalize((matrix * self.u.unsqueeze(2)).sum(1), dim=1)
            u = F.normalize((matrix * v.unsqueeze(1)).sum(2), dim=1)
            if self.training:  # scoring must not change u, or a score would depend on earlier ones
                self.u.copy_(u)
        sigma = (u * (matrix * v.unsqueeze(1)).sum(2)).sum(1)
        return weight / sigma.view(-1, *[1] * (weight.dim() - 1))


def spectral_norm(module: nn.Module, generators: MemberGenerators) -> None:
    """Normalise every fully connected and convolutional weight in `module`, member by member."""
    for layer in [m for m in module.modules() if isinstance(m, Linear | Conv)]:
        parametrize.register_parametrization(layer, "weight", _Spectral(generators, layer.weight))


@contextmanager
def frozen(*modules: nn.Module) -> Iterator[None]:
    """Put `modules` into evaluation mode, while other modules are trained on their output."""
    modes = [(module, module.training) for module in modules]
    for module, _ in modes:
        module.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.train(training)
