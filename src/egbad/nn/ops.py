"""Matrix products and convolutions of all ensemble members at once.

Rows have shape (K, B, d) and images (K, B, c, h, w), with K members and B rows; member k uses slice k of the weights only.
The result for a row must not depend on its position, on the ensemble member or on the batch size.
"""

from collections.abc import Callable
from functools import cache, partial
from math import gcd

import torch
from torch import Tensor
from torch.nn import functional as F

from egbad.nn.precision import is_float32

# Matrix libraries read whole vectors of this many numbers. Where the rows of a matrix are no multiple of it, rounding depends
# on the address at which a row begins: on its position, and on whether a member is alone.
VECTOR_SIZE = 16
_LOOP_SIZE = 2 * VECTOR_SIZE  # elements that torch's loops over vectors take at a time
# Above this many inputs or outputs a matrix library may split a sum over threads, and may split it differently for a batch of
# products than for one. Members are then multiplied one by one, which costs nothing for products of this size.
_MAX_BATCHED_WIDTH = 512
_MIN_CONVOLUTION_ROWS = 512  # below, a convolution's fixed costs outweigh its faster kernel
_CONVOLUTION_IMAGES = 16  # images that the rows become; on one thread oneDNN does not take fewer
_MIN_PATCH_IMAGES = 128  # images of a batch from which on a GPU's convolutions are products of patches
_MAX_PATCH_PRODUCTS = 32


# -- rows --------------------------------------------------------------------------------------------------------------


def padded_size(n: int) -> int:
    """Return n, rounded up to whole vectors."""
    return n + -n % VECTOR_SIZE


def pad_rows(x: Tensor) -> Tensor:
    """Pad rows to whole vectors, once for several layers that take them.

    `affine` pads the rows that it is given. Rows that go into several layers are better padded once.

    Parameters
    ----------
    x : Tensor of shape (K, B, d)
        Images are returned as they are, and so are rows on a GPU and in an exported graph.

    Returns
    -------
    Tensor of shape (K, B, padded_size(d))
        The rows, with zeros behind each.
    """
    return _pad(x, 1) if x.ndim == 3 and _needs_padding(x) else x


def affine(bias: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """Return bias + x @ weight for every member.

    Parameters
    ----------
    bias : Tensor of shape (K, 1, b) or (K, B, b)
    x : Tensor of shape (K, B, a), or (K, B, padded_size(a)) from `pad_rows`
    weight : Tensor of shape (K, a, b)

    Returns
    -------
    Tensor of shape (K, B, b)
    """
    a, b = weight.shape[1:]
    if _needs_padding(x):
        bias, x, weight = _pad(bias, 1), _pad(x, 1), _pad(weight, 2)
    if _is_large_inference(x) and weight.shape[1] <= max_convolution_inputs():
        y = each_member(affine_by_convolution, bias, x, weight)
    elif x.is_cuda or max(a, b) < _MAX_BATCHED_WIDTH:  # the sum of the gradient runs over the outputs
        y = torch.baddbmm(bias, x, weight)
    else:
        y = each_member(torch.addmm, bias, x, weight)
    return y[..., :b]


def scalar_products(a: Tensor, b: Tensor) -> Tensor:
    """Return the scalar products of all rows of a with all rows of b; a product's bits do not depend on its position.

    Parameters
    ----------
    a : Tensor of shape (K, n, m)
    b : Tensor of shape (K, l, m)

    Returns
    -------
    Tensor of shape (K, n, l)
    """
    n, n_other = a.shape[1], b.shape[1]
    if _needs_padding(a):
        a, b = _pad(a, 2), _pad(b, 2)
    return torch.bmm(a, b.transpose(1, 2))[:, :n, :n_other]


def _needs_padding(x: Tensor) -> bool:
    """Return whether products must be padded to whole vectors: GPUs and ONNX runtimes round alike at any position."""
    return not x.is_cuda and not torch.compiler.is_exporting()


def _pad(x: Tensor, n_dims: int) -> Tensor:
    """Return x with zeros behind its last n_dims dimensions, up to whole vectors in each."""
    missing = [-size % VECTOR_SIZE for size in x.shape[: -n_dims - 1 : -1]]
    return F.pad(x, [pad for size in missing for pad in (0, size)]) if any(missing) else x


# -- rows by convolution -----------------------------------------------------------------------------------------------


def _is_large_inference(x: Tensor) -> bool:
    """Return whether x (K, B, a) has enough rows for a convolution to pay, and needs no gradient."""
    if x.is_cuda or x.dtype is not torch.float32 or torch.is_grad_enabled() or torch.compiler.is_exporting():
        return False
    return x.shape[1] >= _MIN_CONVOLUTION_ROWS and x.shape[1] % _CONVOLUTION_IMAGES == 0


def affine_by_convolution(bias: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """Return bias + x @ weight of one member, computed as a convolution of images that are one pixel high.

    oneDNN, which computes torch's convolutions, uses the full vector width of every processor. MKL, which computes its
    products, uses half of it on AVX-512 processors that are not Intel's.

    Parameters
    ----------
    bias : Tensor of shape (1, b) or (B, b)
    x : Tensor of shape (B, a)
        B must be a multiple of 16.
    weight : Tensor of shape (a, b)

    Returns
    -------
    Tensor of shape (B, b)
    """
    images = x.reshape(_CONVOLUTION_IMAGES, -1, 1, x.shape[1]).permute(0, 3, 1, 2)
    shared_bias = bias[0] if len(bias) == 1 else None
    y = F.conv2d(images, weight.t()[:, :, None, None], shared_bias).permute(0, 2, 3, 1).reshape(len(x), -1)
    return y if shared_bias is not None else y.add_(bias)


@cache
def max_convolution_inputs() -> int:
    """Return up to how many inputs products of many rows are computed by convolution in this process; 0 for never.

    Decided once per process: convolutions are faster with AVX-512 only, and may replace products only where both give the
    same bits. Libraries split sums over more inputs than fit a block, and oneDNN's blocks differ from MKL's; the number of
    outputs and rows makes no difference. `egbad.detectors.base.batching` compares whole scores besides.
    """
    if torch.backends.cpu.get_cpu_capability() != "AVX512":
        return 0
    width = 0
    while width < _MAX_BATCHED_WIDTH and convolution_matches_product(width + VECTOR_SIZE):
        width += VECTOR_SIZE
    return width


def convolution_matches_product(n_inputs: int) -> bool:
    """Return whether `affine_by_convolution` gives the bits of a product with this many inputs on this machine."""
    generator = torch.Generator().manual_seed(0)
    for n_outputs in (VECTOR_SIZE, 8 * VECTOR_SIZE):
        shapes = ((1, n_outputs), (_MIN_CONVOLUTION_ROWS, n_inputs), (n_inputs, n_outputs))
        bias, x, weight = (torch.randn(shape, generator=generator, dtype=torch.float32) for shape in shapes)
        if not torch.equal(affine_by_convolution(bias, x, weight), torch.baddbmm(bias[None], x[None], weight[None])[0]):
            return False
    return True


# -- images ------------------------------------------------------------------------------------------------------------


def convolution(
    x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int, *, transposed: bool = False
) -> Tensor:
    """Convolve the images of every member.

    Parameters
    ----------
    x : Tensor of shape (K, B, a, h, w)
    weight : Tensor of shape (K, b, a, k, k), or (K, a, b, k, k) if `transposed`
    bias : Tensor of shape (K, b)
    stride, padding : int
    transposed : bool, default=False
        Whether to compute a transposed convolution.

    Returns
    -------
    Tensor of shape (K, B, b, h', w')
    """
    convolve = partial(F.conv_transpose2d if transposed else F.conv2d, stride=stride, padding=padding)
    if x.is_cuda and not transposed and x.shape[1] >= _MIN_PATCH_IMAGES and torch.is_grad_enabled() and is_float32():
        return convolution_by_patches(x, weight, bias, stride, padding)
    if x.is_cuda and len(x) > 1:  # one grouped convolution takes a third of the time of K convolutions
        y = convolve(merge_members(x), weight.flatten(0, 1), bias.flatten(), groups=len(x))
        return unmerge_members(y, len(x))
    return each_member(convolve, x, weight, bias)


def convolution_by_patches(x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int) -> Tensor:
    """Convolve by matrix products of patches, one product for every few images.

    The gradient of the weights is a sum over all patches. A GPU's deterministic float32 kernels compute it one patch after
    the other; several products split it among themselves. Parameters and result are those of `convolution`.
    """
    (members, n), kernel = x.shape[:2], weight.shape[-1]
    patches = F.pad(x, [padding] * 4).unfold(3, kernel, stride).unfold(4, kernel, stride)  # (K, B, a, h', w', k, k)
    h, w = patches.shape[3:5]
    parts = gcd(n, _MAX_PATCH_PRODUCTS)
    rows = patches.permute(0, 1, 3, 4, 2, 5, 6).reshape(members * parts, n // parts * h * w, -1)
    factors = weight.flatten(2).transpose(1, 2)[:, None].expand(-1, parts, -1, -1).flatten(0, 1)
    start = bias[:, None, None].expand(-1, parts, -1, -1).flatten(0, 1)
    return torch.baddbmm(start, rows, factors).view(members, n, h, w, -1).movedim(4, 2)


# -- elements ----------------------------------------------------------------------------------------------------------


def softplus(x: Tensor) -> Tensor:
    """Return log(1 + exp(x)) of every element.

    torch computes the elements behind the last whole vectors of a tensor by a function that rounds differently, also in the
    gradient. Members whose elements fill no whole vectors are therefore computed one by one.

    Parameters
    ----------
    x : Tensor of shape (K, ...)

    Returns
    -------
    Tensor of shape (K, ...)
    """
    if not _needs_padding(x) or x.shape[1:].numel() % _LOOP_SIZE == 0:
        return F.softplus(x)
    return each_member(F.softplus, x)


# -- members -----------------------------------------------------------------------------------------------------------


def each_member(layer: Callable[..., Tensor], *values: Tensor) -> Tensor:
    """Apply `layer` to each member's slice of the values (K, ...) and stack the results."""
    if len(values[0]) == 1:  # views cost nothing, stacking copies
        return layer(*(value.squeeze(0) for value in values))[None]
    return torch.stack([layer(*member) for member in zip(*values, strict=True)])


def merge_members(x: Tensor) -> Tensor:
    """Make members channels: (K, B, c, ...) -> (B, K c, ...)."""
    return x.transpose(0, 1).flatten(1, 2)


def unmerge_members(x: Tensor, members: int) -> Tensor:
    """Undo `merge_members`: (B, K c, ...) -> (K, B, c, ...)."""
    return x.reshape(len(x), members, -1, *x.shape[2:]).transpose(0, 1)
