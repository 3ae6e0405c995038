"""Layers, each holding the weights of K members at once.

Everything runs on stacked tensors: rows are (K, B, d), images (K, B, c, h, w), and member k only ever meets slice k.
A member's numbers come from its own generator, so that it is the same whether it is trained alone or among others.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from math import gcd, sqrt
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from egbad.draws import Draws
from egbad.gpu import exact

Activation = Callable[[], nn.Module]

# Matrix libraries read whole vectors of this many numbers. Where a row of a matrix is no multiple of that, what they round
# depends on where in memory it begins: on a row's place, and on whether a member is alone.
VECTOR = 16
_MANY_ROWS = 512  # for which a convolution's own costs don't count
_IMAGES = 16  # as which they are convolved: oneDNN isn't asked for fewer on one thread
_MANY, _PARTS = 128, 32  # images of a batch that are convolved by products, and so many products at most
# Above this many inputs or outputs a matrix library may split the sum over threads, and does so otherwise for a batch of products
# than for one: members then go one by one, which costs nothing where the product itself is what takes the time.
_WIDE = 512


def xavier(draws: Draws, shape: tuple[int, ...], fan_in: int, fan_out: int) -> Tensor:
    """Glorot uniform weights -> (K, *shape)."""
    bound = sqrt(6 / (fan_in + fan_out))
    return 2 * bound * draws.uniform(*shape) - bound


def normal_002(draws: Draws, shape: tuple[int, ...], fan_in: int, fan_out: int) -> Tensor:
    """DCGAN's weights from N(0, 0.02^2) -> (K, *shape)."""
    return draws.normal(*shape) * 0.02


class Linear(nn.Module):
    """x (K, B, a) -> (K, B, b), in the precision of x."""

    def __init__(self, draws: Draws, a: int, b: int, init: Any = xavier) -> None:
        super().__init__()
        self.weight = nn.Parameter(init(draws, (a, b), a, b))  # (K, a, b)
        self.bias = nn.Parameter(torch.zeros(len(draws), 1, b))

    def forward(self, x: Tensor) -> Tensor:
        return affine(self.bias.to(x.dtype), x, self.weight.to(x.dtype))


def affine(start: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """start + x weight, for start (K, 1, b) or (K, B, b), x (K, B, a) and weight (K, a, b)."""
    a, b = weight.shape[1:]
    x, start, weight = _whole(x, a), _whole(start, b), _whole(weight, b, a)
    if _many(x) and _same_by_convolution(*weight.shape[1:]):
        y = _each(_by_convolution, start, x, weight)
    elif x.is_cuda or max(a, b) < _WIDE:  # the gradient's sum runs over the outputs
        y = torch.baddbmm(start, x, weight)
    else:
        y = _each(torch.addmm, start, x, weight)
    return y if y.shape[2] == b else _beginning(y, b)


def _many(x: Tensor) -> bool:
    """Whether x (K, B, a) are so many rows that it is worth looking for the fastest product."""
    if x.is_cuda or x.dtype is not torch.float32 or torch.is_grad_enabled() or torch.compiler.is_exporting():
        return False
    return x.shape[1] >= _MANY_ROWS and x.shape[1] % _IMAGES == 0


def _by_convolution(start: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """start + x weight, for start (1, b) or (B, b), x (B, a) and weight (a, b), as a convolution of images one pixel high.

    It is oneDNN that convolves, by all vectors that a processor has; MKL, which makes torch's products, leaves half of their
    width unused where Intel didn't make it.
    """
    images = x.reshape(_IMAGES, -1, 1, x.shape[1]).permute(0, 3, 1, 2)
    bias = start[0] if len(start) == 1 else None
    y = F.conv2d(images, weight.t()[:, :, None, None], bias).permute(0, 2, 3, 1).reshape(len(x), -1)
    return y if bias is not None else y.add_(start)


@cache
def _same_by_convolution(a: int, b: int) -> bool:
    """Whether it gives the bits of a product here."""
    numbers = torch.Generator().manual_seed(0)
    start, x, weight = (torch.randn(shape, generator=numbers) for shape in ((1, b), (_MANY_ROWS, a), (a, b)))
    product = torch.baddbmm(start[None], x[None], weight[None])[0]
    return torch.equal(_by_convolution(start, x, weight), product)


def _whole(x: Tensor, *sizes: int) -> Tensor:
    """Zeros behind x, whose last dimensions have these sizes, last first, up to whole vectors in each.

    Not on a GPU, nor in an exported graph: what runs these rounds products alike in any place of a chunk.
    """
    if x.is_cuda or torch.compiler.is_exporting() or not any(size % VECTOR for size in sizes):
        return x
    if (kept := getattr(x, "whole", None)) is not None:
        return kept  # type: ignore[no-any-return]
    return once(lambda x: F.pad(x, [pad for size in sizes for pad in (0, -size % VECTOR)]), x)


def _beginning(whole: Tensor, d: int) -> Tensor:
    """The first d numbers of rows that end in zeros: a product that they go into takes them whole, without a copy."""
    rows = whole[..., :d]
    rows.whole = whole  # type: ignore[attr-defined]
    return rows


def roomy(x: Tensor) -> Tensor:
    """Rows x (K, B, d) with zeros behind each up to whole vectors, where more than one product asks for them."""
    whole = _whole(x, x.shape[2])
    return x if whole is x else _beginning(whole, x.shape[2])


def once(work: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """What `work` makes of each member's x (K, ...): once where all members have the same one."""
    if len(x) == 1 or x.stride(0) > 0 or x.requires_grad:
        return work(x)
    y = work(x[:1])
    return y.expand(len(x), *y.shape[1:])


def products(a: Tensor, b: Tensor) -> Tensor:
    """Scalar products of rows a (K, n, m) with rows b (K, l, m) -> (K, n, l), each with the same bits in any place."""
    m, n, rows = a.shape[2], a.shape[1], b.shape[1]
    found = torch.bmm(_whole(a, m, n), _whole(b, m, rows).transpose(1, 2))
    return found[:, :n, :rows]


class Conv(nn.Module):
    """Convolution, x (K, B, a, h, w) -> (K, B, b, h', w'), or its transpose with `up`."""

    def __init__(
        self,
        draws: Draws,
        a: int,
        b: int,
        kernel: int,
        stride: int,
        padding: int,
        *,
        up: bool = False,
        init: Any = xavier,
    ) -> None:
        super().__init__()
        shape = (a, b, kernel, kernel) if up else (b, a, kernel, kernel)
        self.weight = nn.Parameter(init(draws, shape, a * kernel**2, b * kernel**2))
        self.bias = nn.Parameter(torch.zeros(len(draws), b))
        self.up, self.stride, self.padding = up, stride, padding

    def forward(self, x: Tensor) -> Tensor:
        move = F.conv_transpose2d if self.up else F.conv2d
        if x.is_cuda and not self.up and x.shape[1] >= _MANY and torch.is_grad_enabled() and exact():
            return self.by_patches(x)
        if x.is_cuda and len(x) > 1:  # a third of the time
            weight, bias = self.weight.flatten(0, 1), self.bias.flatten()
            y = move(_as_channels(x), weight, bias, stride=self.stride, padding=self.padding, groups=len(x))
            return _as_members(y, len(x))
        return _each(partial(move, stride=self.stride, padding=self.padding), x, self.weight, self.bias)

    def by_patches(self, x: Tensor) -> Tensor:
        """The convolution, not its transpose, as matrix products of patches, one for every few images.

        The gradient of its weights is a sum over all patches. A GPU's deterministic kernels for single precision run
        through it one after the other; products share it among themselves, as many as there are.
        """
        (members, n), kernel, stride = x.shape[:2], self.weight.shape[-1], self.stride
        near = (
            F.pad(x, [self.padding] * 4).unfold(3, kernel, stride).unfold(4, kernel, stride)
        )  # (K, B, a, h', w', k, k)
        h, w = near.shape[3:5]
        parts = gcd(n, _PARTS)
        rows = near.permute(0, 1, 3, 4, 2, 5, 6).reshape(members * parts, n // parts * h * w, -1)
        weight = self.weight.flatten(2).transpose(1, 2)[:, None].expand(-1, parts, -1, -1).flatten(0, 1)
        bias = self.bias[:, None, None].expand(-1, parts, -1, -1).flatten(0, 1)
        return torch.baddbmm(bias, rows, weight).view(members, n, h, w, -1).movedim(4, 2)


def _each(layer: Callable[..., Tensor], *values: Tensor) -> Tensor:
    """What `layer` makes of each member's `values`, (K, ...); one member's are views, which cost nothing either way."""
    if len(values[0]) == 1:
        return layer(*(value.squeeze(0) for value in values))[None]
    return torch.stack([layer(*member) for member in zip(*values, strict=True)])


def _as_channels(x: Tensor) -> Tensor:
    """Members as so many more channels: x (K, B, c, ...) -> (B, K c, ...)."""
    return x.transpose(0, 1).flatten(1, 2)


def _as_members(x: Tensor, members: int) -> Tensor:
    """And back: x (B, K c, ...) -> (K, B, c, ...)."""
    return x.reshape(len(x), members, -1, *x.shape[2:]).transpose(0, 1)


class BatchNorm(nn.Module):
    """Batch normalisation by member, with the momentum and epsilon of TensorFlow's layer that the authors used."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, draws: Draws, channels: int, *, momentum: float = 0.01) -> None:
        super().__init__()
        self.momentum = momentum
        self.weight = nn.Parameter(torch.ones(len(draws), channels))
        self.bias = nn.Parameter(torch.zeros(len(draws), channels))
        self.register_buffer("running_mean", torch.zeros(len(draws), channels))
        self.register_buffer("running_var", torch.ones(len(draws), channels))
        self.tracking = True

    def forward(self, x: Tensor) -> Tensor:
        values = (self.weight, self.bias, self.running_mean, self.running_var)
        if x.is_cuda and len(x) > 1:
            return _as_members(self._one(_as_channels(x), *(value.view(-1) for value in values)), len(x))
        return _each(self._one, x, *values)

    def _one(self, x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, var: Tensor) -> Tensor:
        keep = self.tracking or not self.training
        return F.batch_norm(
            x, mean if keep else None, var if keep else None, weight, bias, self.training, self.momentum, eps=1e-3
        )


@contextmanager
def without_tracking(*modules: nn.Module) -> Iterator[None]:
    """Let batch normalisation in `modules` use the batch's moments without keeping them: it is not their turn."""
    norms = [m for module in modules for m in module.modules() if isinstance(m, BatchNorm)]
    for norm in norms:
        norm.tracking = False
    try:
        yield
    finally:
        for norm in norms:
            norm.tracking = True


class Dropout(nn.Module):
    """Zero a share p of the units while training, with each member's own noise."""

    def __init__(self, draws: Draws, p: float) -> None:
        super().__init__()
        self.draws, self.p = draws, p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        return x * (self.draws.uniform(*x.shape[1:]) >= self.p) / (1 - self.p)


class Reshape(nn.Module):
    """x (K, B, ...) -> (K, B, *shape)."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], *self.shape)


class Crop(nn.Module):
    """x (K, B, c, H, W) -> (K, B, c, h, w), the middle."""

    def __init__(self, h: int, w: int) -> None:
        super().__init__()
        self.h, self.w = h, w

    def forward(self, x: Tensor) -> Tensor:
        top, left = (x.shape[-2] - self.h) // 2, (x.shape[-1] - self.w) // 2
        return x[..., top : top + self.h, left : left + self.w]


class PadSame(nn.Module):
    """One more row and column at the bottom and the right: where TensorFlow's SAME pads a 3 x 3, stride 2 kernel."""

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x, (0, 1, 0, 1))


class LeakyReLU(nn.LeakyReLU):
    """In place, for nobody else needs what a layer gave; where a gradient is asked for, autograd copies more than that saves."""

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x, self.negative_slope, inplace=not torch.is_grad_enabled())


class ReLU(nn.ReLU):
    """The same."""

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x, inplace=not torch.is_grad_enabled())


def leaky() -> nn.Module:
    """The rectifier of the papers' encoders and discriminators."""
    return LeakyReLU(0.1)


def relu() -> nn.Module:
    """The rectifier of the papers' generators."""
    return ReLU()


# -- spectral normalisation ----------------------------------------------------------------------------------------------


class _Spectral(nn.Module):
    """Divide a weight by its largest singular value, one power iteration a step (Miyato et al., 2018)."""

    u: Tensor

    def __init__(self, draws: Draws, weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("u", F.normalize(draws.normal(weight.shape[1]), dim=1))

    def forward(self, weight: Tensor) -> Tensor:
        matrix = weight.flatten(2)  # (K, a, b)
        with torch.no_grad():
            v = F.normalize((matrix * self.u.unsqueeze(2)).sum(1), dim=1)
            u = F.normalize((matrix * v.unsqueeze(1)).sum(2), dim=1)
            if self.training:  # scoring must leave u alone, or a score would depend on the ones before
                self.u.copy_(u)
        sigma = (u * (matrix * v.unsqueeze(1)).sum(2)).sum(1)
        return weight / sigma.view(-1, *[1] * (weight.dim() - 1))


def spectral_norm(module: nn.Module, draws: Draws) -> None:
    """Normalise every fully connected and convolutional weight in `module`, member by member."""
    for layer in [m for m in module.modules() if isinstance(m, Linear | Conv)]:
        parametrize.register_parametrization(layer, "weight", _Spectral(draws, layer.weight))


@contextmanager
def frozen(*modules: nn.Module) -> Iterator[None]:
    """Let `modules` answer as they would when scoring, while others learn from them."""
    modes = [(module, module.training) for module in modules]
    for module, _ in modes:
        module.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.train(training)
