"""Networks of a user's factory: built for all members, and checked by a call.

A factory maps the shape of a row (d,) or image (c, h, w) and the length of z to an encoder E: x -> z, a generator G: z -> x
and a discriminator D of pairs (x, z).
"""

import copy
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from egbad.errors import InvalidInputError, shorten
from egbad.nn.generators import MemberGenerators, ZeroGenerators
from egbad.nn.own_networks import MemberDiscriminator, MemberModules, seeded

NetworkFactory = Callable[[tuple[int, ...], int], Sequence[nn.Module]]

_NAMES = ("E", "G", "D")
_N_CHECKED = 2  # rows or images of zeros that new networks are called with
_MAX_REASON = 300  # characters
# Errors that a user's code may raise, to be reported in one sentence.
_FAILURES = (RuntimeError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError, AssertionError)


# -- building ----------------------------------------------------------------------------------------------------------


class OwnNetworks(NamedTuple):
    """Encoder, generator and discriminator of all members."""

    E: MemberModules
    G: MemberModules
    D: MemberDiscriminator


def build_own_networks(
    factory: NetworkFactory,
    shape: tuple[int, ...],
    n_latent: int,
    generators: MemberGenerators,
    *,
    reads_features: bool,
) -> OwnNetworks:
    """Build a user's networks for all members, and check them.

    The factory is called once for each member, with torch's global generator seeded by the member's own one and restored
    afterwards. Its modules are copied.

    Parameters
    ----------
    factory : callable
        Maps the shape of a row (d,) or image (c, h, w) and the length of z to three modules E, G and D.
    shape : tuple of int
    n_latent : int
    generators : MemberGenerators
        With `ZeroGenerators` the members are equal: their weights are loaded afterwards.
    reads_features : bool
        True if the score reads the features of D, which then must return them.

    Returns
    -------
    OwnNetworks

    Raises
    ------
    InvalidInputError
        If the factory fails, or its networks do not fit.
    """
    seeds = generators.draw_seeds()
    different = seeds[:1] if isinstance(generators, ZeroGenerators) else seeds
    members = [_build_member(factory, shape, n_latent, seed) for seed in different]
    by_network = [[networks[i] for networks, _ in members] * (len(seeds) // len(members)) for i in range(len(_NAMES))]
    n_features = members[0][1]
    if reads_features and n_features is None:
        raise InvalidInputError(
            "discriminator_loss='fm' compares features of D, and D of networks returns logits alone. Return a pair (logits, "
            "features (n, m)), or use discriminator_loss='sigma' or 'memory'."
        )
    e, g, d = by_network
    return OwnNetworks(
        MemberModules(e, generators, shape),
        MemberModules(g, generators, (n_latent,)),
        MemberDiscriminator(d, generators, shape, n_features if reads_features else None),
    )


# -- checks ------------------------------------------------------------------------------------------------------------


def _build_member(
    factory: NetworkFactory, shape: tuple[int, ...], n_latent: int, seed: int
) -> tuple[list[nn.Module], int | None]:
    """Return copies of the networks of one member, and the number of D's features, None without features."""
    call = f"networks({shape}, {n_latent})"
    cpu = torch.device("cpu")
    with seeded(seed, cpu), cpu, torch.inference_mode(False), torch.enable_grad():
        try:
            returned = factory(shape, n_latent)
            found: list[Any] = [*returned] if isinstance(returned, tuple | list) else [returned]
            if len(found) != len(_NAMES) or not all(isinstance(network, nn.Module) for network in found):
                kinds = ", ".join(type(network).__name__ for network in found)
                raise InvalidInputError(f"{call} must return three torch modules E, G and D, got {kinds or 'none'}.")
            e, g, d = (copy.deepcopy(network).to(cpu, torch.float32).eval() for network in found)
        except InvalidInputError:
            raise
        except _FAILURES as error:
            raise InvalidInputError(f"{call} must return E, G and D, but raised {_reason(error)}.") from error
        x, z = (torch.zeros(_N_CHECKED, *size, dtype=torch.float32) for size in (shape, (n_latent,)))
        x_text, z_text = _text(tuple(shape)), _text((n_latent,))
        _check_output("E", e, (x,), z.shape, f"x {x_text} to z {z_text}")
        _check_output("G", g, (z,), x.shape, f"z {z_text} to x {x_text}")
        n_features = _check_discriminator(d, x, z, f"x {x_text} and z {z_text} to logits (n,) or (n, 1)")
    return [e, g, d], n_features


def _check_output(name: str, network: nn.Module, inputs: tuple[Tensor, ...], shape: torch.Size, mapping: str) -> None:
    """Raise unless a network maps zeros to one tensor of a shape, by all of its parameters."""
    output = _output(name, network, inputs, mapping)
    if not isinstance(output, Tensor) or output.shape != shape or output.dtype is not torch.float32:
        raise _unfit(name, mapping, f"returned {_describe(output)} for {_N_CHECKED} rows")
    _check_trainable(name, network, output)


def _check_discriminator(network: nn.Module, x: Tensor, z: Tensor, mapping: str) -> int | None:
    """Raise unless D maps zeros to logits, or logits and features; return the number of features."""
    mapping = f"{mapping}, or to a pair of logits and features (n, m)"
    output = _output("D", network, (x, z), mapping)
    parts = [*output] if isinstance(output, tuple | list) else [output]
    fits = 1 <= len(parts) <= 2 and all(isinstance(part, Tensor) and part.dtype is torch.float32 for part in parts)
    n = len(x)
    if (
        not fits
        or parts[0].shape not in {(n,), (n, 1)}
        or (len(parts) == 2 and (parts[1].ndim != 2 or len(parts[1]) != n or not parts[1].shape[1]))
    ):
        raise _unfit("D", mapping, f"returned {_describe(output)} for {_N_CHECKED} rows")
    _check_trainable("D", network, parts[0])
    return parts[1].shape[1] if len(parts) == 2 else None


def _output(name: str, network: nn.Module, inputs: tuple[Tensor, ...], mapping: str) -> Any:
    """Call a network twice, and return its output, which must be the same."""
    try:
        first, second = network(*inputs), network(*inputs)
    except _FAILURES as error:
        raise _unfit(name, mapping, f"raised {_reason(error)}") from error
    pairs = zip(_tensors(first), _tensors(second), strict=False)
    if not all(torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in pairs):
        raise InvalidInputError(
            f"{name} of networks must give the same output at every call in evaluation mode, since a score must not vary. Draw "
            "random numbers in training mode only."
        )
    return first


def _check_trainable(name: str, network: nn.Module, output: Tensor) -> None:
    """Raise unless there are parameters to train, and the output depends on all of them."""
    trainable = {n: p for n, p in network.named_parameters() if p.requires_grad}
    if not trainable or not output.requires_grad:
        raise InvalidInputError(f"{name} of networks must have parameters that are trained, got none.")
    gradients = torch.autograd.grad(output.sum(), [*trainable.values()], allow_unused=True)
    unused = [n for n, gradient in zip(trainable, gradients, strict=True) if gradient is None]
    if unused:
        raise InvalidInputError(
            f"The output of {name} of networks must depend on all its parameters, got '{unused[0]}' without effect. Remove it, "
            "or set requires_grad=False."
        )


def _unfit(name: str, mapping: str, found: str) -> InvalidInputError:
    return InvalidInputError(f"{name} of networks must map {mapping}, in float32, but {found}.")


def _tensors(output: Any) -> list[Tensor]:
    parts = output if isinstance(output, tuple | list) else [output]
    return [part for part in parts if isinstance(part, Tensor)]


def _describe(output: Any) -> str:
    """Describe the output of a network."""
    if isinstance(output, Tensor):
        kind = "" if output.dtype is torch.float32 else f" and type {str(output.dtype).removeprefix('torch.')}"
        return f"the shape {tuple(output.shape)}{kind}"
    if isinstance(output, tuple | list):
        return f"a {type(output).__name__} of {', '.join(map(_describe, output)) or 'nothing'}"
    return f"a {type(output).__name__}"


def _reason(error: BaseException) -> str:
    """Describe an error of the user's code in one line."""
    text = " ".join(str(error).split()).rstrip(".")
    return shorten(f"{type(error).__name__}: {text}" if text else type(error).__name__, _MAX_REASON)


def _text(shape: tuple[int, ...]) -> str:
    """Return the shape of n rows as text."""
    return f"({', '.join(['n', *map(str, shape)])})"
