"""Products and convolutions of all members at once, by what is fastest where the bits are the same.

Rows are (K, B, d), images (K, B, c, h, w), and member k only ever meets slice k. What it is that makes a product must not show:
neither from a row's place among others, nor from a member's, nor from how many there are.
"""

from collections.abc import Callable
from functools import cache, partial
from math import gcd

import torch
from torch import Tensor
from torch.nn import functional as F

from egbad.nn.precision import is_float32

# Matrix libraries read whole vectors of this many numbers. Where a row of a matrix is no multiple of that, what they round
# depends on where in memory it begins: on a row's place, and on whether a member is alone.
VECTOR = 16
# Above this many inputs or outputs a matrix library may split the sum over threads, and does so otherwise for a batch of products
# than for one: members then go one by one, which costs nothing where the product itself is what takes the time.
_WIDE = 512
_MANY_ROWS = 512  # of which products are made by convolution: its own costs don't count then
_IMAGES = 16  # as which they are convolved: oneDNN isn't asked for fewer on one thread
_MANY_IMAGES = 128  # of a batch, which are convolved by products on a GPU
_PARTS = 32  # as so many products, at most


# -- of rows -----------------------------------------------------------------------------------------------------------


def affine(start: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """start + x weight, for start (K, 1, b) or (K, B, b), x (K, B, a) and weight (K, a, b)."""
    a, b = weight.shape[1:]
    x, start, weight = _whole(x, a), _whole(start, b), _whole(weight, b, a)
    if _many(x) and _same_by_convolution(*weight.shape[1:]):
        y = each_member(_by_convolution, start, x, weight)
    elif x.is_cuda or max(a, b) < _WIDE:  # the gradient's sum runs over the outputs
        y = torch.baddbmm(start, x, weight)
    else:
        y = each_member(torch.addmm, start, x, weight)
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
    return broadcast_shared(lambda x: F.pad(x, [pad for size in sizes for pad in (0, -size % VECTOR)]), x)


def _beginning(whole: Tensor, d: int) -> Tensor:
    """The first d numbers of rows that end in zeros: a product that they go into takes them whole, without a copy."""
    rows = whole[..., :d]
    rows.whole = whole  # type: ignore[attr-defined]
    return rows


def pad_rows(x: Tensor) -> Tensor:
    """Rows x (K, B, d) with zeros behind each up to whole vectors, where more than one product asks for them."""
    whole = _whole(x, x.shape[2])
    return x if whole is x else _beginning(whole, x.shape[2])


def broadcast_shared(work: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """What `work` makes of each member's x (K, ...): once where all members have the same one."""
    if len(x) == 1 or x.stride(0) > 0 or x.requires_grad:
        return work(x)
    y = work(x[:1])
    return y.expand(len(x), *y.shape[1:])


def scalar_products(a: Tensor, b: Tensor) -> Tensor:
    """Scalar products of rows a (K, n, m) with rows b (K, l, m) -> (K, n, l), each with the same bits in any place."""
    m, n, rows = a.shape[2], a.shape[1], b.shape[1]
    found = torch.bmm(_whole(a, m, n), _whole(b, m, rows).transpose(1, 2))
    return found[:, :n, :rows]


# -- of images ---------------------------------------------------------------------------------------------------------


def convolution(x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int, *, up: bool = False) -> Tensor:
    """x (K, B, a, h, w) -> (K, B, b, h', w'), for weight (K, b, a, k, k) and bias (K, b).

    With `up` it is a convolution's transpose, for weight (K, a, b, k, k).
    """
    move = partial(F.conv_transpose2d if up else F.conv2d, stride=stride, padding=padding)
    if x.is_cuda and not up and x.shape[1] >= _MANY_IMAGES and torch.is_grad_enabled() and is_float32():
        return by_patches(x, weight, bias, stride, padding)
    if x.is_cuda and len(x) > 1:  # a third of the time
        y = move(as_channels(x), weight.flatten(0, 1), bias.flatten(), groups=len(x))
        return as_members(y, len(x))
    return each_member(move, x, weight, bias)


def by_patches(x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int) -> Tensor:
    """A convolution as matrix products of patches, one for every few images.

    The gradient of its weights is a sum over all patches. A GPU's deterministic kernels for single precision run through it
    one after the other; products share it among themselves, as many as there are.
    """
    (members, n), kernel = x.shape[:2], weight.shape[-1]
    patches = F.pad(x, [padding] * 4).unfold(3, kernel, stride).unfold(4, kernel, stride)  # (K, B, a, h', w', k, k)
    h, w = patches.shape[3:5]
    parts = gcd(n, _PARTS)
    rows = patches.permute(0, 1, 3, 4, 2, 5, 6).reshape(members * parts, n // parts * h * w, -1)
    factors = weight.flatten(2).transpose(1, 2)[:, None].expand(-1, parts, -1, -1).flatten(0, 1)
    start = bias[:, None, None].expand(-1, parts, -1, -1).flatten(0, 1)
    return torch.baddbmm(start, rows, factors).view(members, n, h, w, -1).movedim(4, 2)


# -- members -----------------------------------------------------------------------------------------------------------


def each_member(layer: Callable[..., Tensor], *values: Tensor) -> Tensor:
    """What `layer` makes of each member's `values`, (K, ...); one member's are views, which cost nothing either way."""
    if len(values[0]) == 1:
        return layer(*(value.squeeze(0) for value in values))[None]
    return torch.stack([layer(*member) for member in zip(*values, strict=True)])


def as_channels(x: Tensor) -> Tensor:
    """Members as so many more channels: x (K, B, c, ...) -> (B, K c, ...)."""
    return x.transpose(0, 1).flatten(1, 2)


def as_members(x: Tensor, members: int) -> Tensor:
    """And back: x (B, K c, ...) -> (K, B, c, ...)."""
    return x.reshape(len(x), members, -1, *x.shape[2:]).transpose(0, 1)
