"""Processes that learn one model together: which this one is, and what they say to each other. Alone there is nothing to say."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

A = TypeVar("A")
Loss = Callable[[Tensor], Tensor]  # a batch (K, B, ...) -> (K,)
Gradient = Callable[[Tensor], tuple[Tensor, list[Tensor]]]  # a batch -> losses (K,), and the gradient of their sum


@dataclass(frozen=True)
class ProcessGroup:
    """Process `rank` of `world` that hold the same data and the same seeds, and meet through `torch.distributed`."""

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the one that writes and speaks for all."""
        return self.rank == 0

    def part(self, n: int) -> slice:
        """Of n rows, a multiple of `world`, those that are this process's."""
        size = n // self.world
        return slice(self.rank * size, (self.rank + 1) * size)

    def gradient(self, loss: Loss, params: list[nn.Parameter]) -> Gradient:
        """What takes a process's part of a batch -> the means over all processes."""
        if self.world == 1:
            return partial(_gradient, loss, params)
        shared = DistributedDataParallel(_Loss(loss, params))

        def mean(batch: Tensor) -> tuple[Tensor, list[Tensor]]:
            losses = shared(batch)
            for p in params:
                p.grad = None
            losses.sum().backward(inputs=params)  # here, and in no other player, gradients meet
            return self.average([losses.detach()])[0], [p.grad for p in params if p.grad is not None]

        return mean

    def average(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """The mean of each tensor over all processes, to the same bits in each."""
        if self.world == 1 or not tensors:
            return [*tensors]
        flat = torch.cat([tensor.flatten() for tensor in tensors]) / self.world
        torch.distributed.all_reduce(flat)
        parts = torch.split(flat, [tensor.numel() for tensor in tensors])
        return [part.view_as(tensor) for part, tensor in zip(parts, tensors, strict=True)]

    def agree(self, tensor: Tensor) -> Tensor:
        """What the first process has: what is decided by it is decided alike everywhere."""
        if self.world > 1:
            said = tensor.to(torch.float64)
            torch.distributed.broadcast(said, 0)
            tensor = said.to(tensor.dtype)
        return tensor

    def everybody(self, mine: A) -> list[A]:
        """What each process has, by rank."""
        if self.world == 1:
            return [mine]
        found: list[Any] = [None] * self.world
        torch.distributed.all_gather_object(found, mine)
        return found


class _Loss(nn.Module):
    """A loss as a module of what it is to move, as torch's data parallelism asks."""

    def __init__(self, loss: Loss, params: list[nn.Parameter]) -> None:
        super().__init__()
        self.loss, self.params = loss, nn.ParameterList(params)

    def forward(self, batch: Tensor) -> Tensor:
        return self.loss(batch)


def _gradient(loss: Loss, params: list[nn.Parameter], batch: Tensor) -> tuple[Tensor, list[Tensor]]:
    """The losses (K,) and the gradient of their sum: each member's is its own."""
    losses = loss(batch)
    # grad, not backward: a turn leaves no gradient behind in the other player.
    return losses.detach(), [*torch.autograd.grad(losses.sum(), params)]


SINGLE_PROCESS = ProcessGroup()
_now = [SINGLE_PROCESS]


def current() -> ProcessGroup:
    """Who learns together now."""
    return _now[-1]


@contextmanager
def learning(process_group: ProcessGroup) -> Iterator[ProcessGroup]:
    """Let what is fitted in here be fitted by these, or by this process `ALONE`."""
    _now.append(process_group)
    try:
        yield process_group
    finally:
        _now.pop()
