"""Networks that users bring: plain torch modules, built once for each member of an ensemble.

The rest of the library works on parameters and buffers that are stacked along the members, (K, ...). `MemberModules` holds
those of a user's network, and calls the network for one member after the other. `torch.vmap` would call it once for all
members, but its batched products round differently from those of a member alone, it draws random numbers for all members
from one generator, and it refuses layers that update buffers in place, such as batch normalisation.
"""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from math import inf
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from egbad.errors import InvalidInputError
from egbad.nn.generators import MemberGenerators

# -- networks of all members -------------------------------------------------------------------------------------------


class MemberModules(nn.Module):
    """One network of a user for K members.

    Parameters
    ----------
    modules : sequence of Module
        The network of each member, on the CPU. They are copied.
    generators : MemberGenerators
        In training mode, each call of a member's network draws from torch's global generator, seeded by the member's
        own generator and restored afterwards.
    shape : tuple of int
        Shape of a row or image of the first input.

    Attributes
    ----------
    weights : Module
        Parameters and buffers of the network under their own names, each (K, ...). Buffers that are not persistent belong
        to all members.
    tracking : bool
        False to discard changes of buffers in training mode, see `egbad.nn.layers.without_tracking`.
    value_limits : dict of str to tuple of float
        Least and largest value of buffers, by name.
    """

    def __init__(self, modules: Sequence[nn.Module], generators: MemberGenerators, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.generators, self.tracking = generators, True
        self._width = shape[0] if len(shape) == 1 else None
        self.weights, self._shared = _stacked(modules)
        names = [name for name, _ in self.weights.named_buffers() if name.endswith("running_var")]
        self.value_limits = {f"weights.{name}": (0.0, inf) for name in names}
        # In a tuple, so that torch does not count the parameters of the copy among those of this module.
        self._blank = (_without_values(modules[0]),)
        self._idle: list[nn.Module] = []

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the copies of the network that only hold values of the last call."""
        return self.__dict__ | {"_idle": []}

    def forward(self, x: Tensor) -> Tensor:
        """Map x (K, B, ...) to the outputs (K, B, ...)."""
        return _stack(self.outputs(x))

    def outputs(self, *inputs: Tensor) -> list[Any]:
        """Return what the network of each member returns for its part of the inputs (K, B, ...).

        Parameters
        ----------
        *inputs : Tensor of shape (K, B, ...)
            Rows of the first one may be padded.

        Returns
        -------
        list of object
        """
        inputs = (inputs[0][..., : self._width], *inputs[1:])
        seeds: Sequence[int | None] = self.generators.draw_seeds() if self.training else [None] * len(inputs[0])
        # Threads score at the same time, and a call puts values into the network: each takes a copy of its own.
        try:
            network = self._idle.pop()
        except IndexError:
            network = copy.deepcopy(self._blank[0])
        if network.training != self.training:
            network.train(self.training)
        outputs = []
        for member, seed in enumerate(seeds):
            with seeded(seed, inputs[0].device):
                # Copies have the strides of a new tensor: those of a channel alone decide how a convolution is computed.
                own = [value[member].clone(memory_format=torch.contiguous_format) for value in inputs]
                outputs.append(self._call(network, member, own))
        self._idle.append(network)
        return outputs

    def _call(self, network: nn.Module, member: int, inputs: Sequence[Tensor]) -> Any:
        """Call the network with the weights of a member on inputs (B, ...), and keep what it changes in its buffers."""
        # Among others, weights are copied, so that they begin at the address of a whole vector as they do alone: matrix
        # libraries may round differently elsewhere.
        alone = len(self.generators) == 1
        named = self.weights.named_parameters()
        parameters = {name: value[0] if alone else value[member].clone() for name, value in named}
        changes = self.training and self.tracking
        kept: list[tuple[nn.Module, str, Tensor]] = []
        for name, value in self.weights.named_buffers():
            owner, _, attribute = name.rpartition(".")
            own = value if name in self._shared else value[member]
            own = own if changes or not self.training else own.clone()
            module = network.get_submodule(owner)
            setattr(module, attribute, own)
            kept.append((module, attribute, own))
        output = functional_call(network, parameters, tuple(inputs))
        if changes:  # of a buffer that was changed in place, the stacked one is changed already
            with torch.no_grad():
                for module, attribute, own in kept:
                    if (new := getattr(module, attribute)) is not own:
                        own.copy_(new)
        return output


class MemberDiscriminator(MemberModules):
    """A user's discriminator of pairs (x, z) for K members.

    Parameters
    ----------
    modules, generators, shape
        See `MemberModules`.
    n_features : int or None
        Number of the features that the network returns next to the logits. With None the score reads the logits only.

    Attributes
    ----------
    n_features : int
        Number of the values that the score reads: the features, or the logit.
    """

    def __init__(
        self,
        modules: Sequence[nn.Module],
        generators: MemberGenerators,
        shape: tuple[int, ...],
        n_features: int | None,
    ) -> None:
        super().__init__(modules, generators, shape)
        self._reads_features = n_features is not None
        self.n_features = n_features or 1

    def forward(self, x: Tensor, z: Tensor) -> Tensor:  # type: ignore[override]
        """Map x (K, B, ...) and z (K, B, k) to logits (K, B)."""
        return _stack([logits_of(output) for output in self.outputs(x, z)])

    def features(self, x: Tensor, z: Tensor) -> Tensor:
        """Return the values (K, B, m) that the score reads, of x (K, B, ...) and z (K, B, k)."""
        outputs = self.outputs(x, z)
        return _stack([output[1] if self._reads_features else logits_of(output).unsqueeze(1) for output in outputs])

    def features_of_both(self, x: Tensor, x_hat: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return the values (K, B, m) that the score reads, of (x, z) and of (x_hat, z)."""
        return self.features(x, z), self.features(x_hat, z)

    def logit(self, f: Tensor) -> Tensor:
        """Return the logits (K, B) where the score reads them, f (K, B, 1)."""
        return f.squeeze(2)


# -- stacking ----------------------------------------------------------------------------------------------------------


def _stacked(modules: Sequence[nn.Module]) -> tuple[nn.Module, frozenset[str]]:
    """Return the stacked parameters and buffers of networks in a tree of empty modules, and the names that all share."""
    persistent, weights, shared = modules[0].state_dict().keys(), nn.Module(), set[str]()
    others = [dict(chain(module.named_parameters(), module.named_buffers())) for module in modules]
    for name, first in others[0].items():
        values = [other[name].detach() for other in others if name in other]
        if len(values) < len(others) or any(value.shape != first.shape for value in values):
            raise InvalidInputError(f"networks must return networks of one structure at every call, '{name}' differs.")
        owner, _, attribute = name.rpartition(".")
        module = _descend(weights, owner)
        if isinstance(first, nn.Parameter):
            module.register_parameter(attribute, nn.Parameter(torch.stack(values), requires_grad=first.requires_grad))
        elif name in persistent:
            module.register_buffer(attribute, torch.stack(values))
        elif all(torch.equal(value, first) for value in values):
            module.register_buffer(attribute, first.detach().clone(), persistent=False)
            shared.add(name)
        else:
            raise InvalidInputError(f"Buffers of networks that differ by member must be persistent, '{name}' is not.")
    return weights, frozenset(shared)


def _descend(root: nn.Module, path: str) -> nn.Module:
    """Return the module at a dotted path, made of empty modules where it does not exist."""
    for name in path.split(".") if path else ():
        if name not in dict(root.named_children()):
            root.add_module(name, nn.Module())
        root = root.get_submodule(name)
    return root


def _without_values(module: nn.Module) -> nn.Module:
    """Copy a network without the memory of its parameters and buffers; shared ones stay shared."""
    # deepcopy takes what its memo already holds as the copy.
    memo: dict[int, Any] = {}
    for parameter in module.parameters():
        memo[id(parameter)] = nn.Parameter(torch.empty_like(parameter, device="meta"), parameter.requires_grad)
    for buffer in module.buffers():
        memo[id(buffer)] = torch.empty_like(buffer, device="meta")
    return copy.deepcopy(module, memo)


def _stack(outputs: Sequence[Tensor]) -> Tensor:
    """Stack the outputs of the members; one alone is not copied."""
    return outputs[0].unsqueeze(0) if len(outputs) == 1 else torch.stack([*outputs])


def logits_of(output: Any) -> Tensor:
    """Return the logits (B,) among the outputs of a discriminator."""
    logits: Tensor = output[0] if isinstance(output, tuple | list) else output
    return logits.flatten()


@contextmanager
def seeded(seed: int | None, device: torch.device) -> Iterator[None]:
    """Seed torch's global generators and restore them on exit.

    Parameters
    ----------
    seed : int or None
        None to do nothing.
    device : torch.device
        Device whose generator is seeded next to that of the CPU.
    """
    if seed is None:
        yield
        return
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(seed)  # `torch.manual_seed` would also seed GPUs that are not restored
        for gpu in devices:
            with torch.cuda.device(gpu):
                torch.cuda.manual_seed(seed)
        yield
