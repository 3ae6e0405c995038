"""Processes that learn one model together: which this one is, and what they say to each other. Alone there is nothing to say."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

A = TypeVar("A")


@dataclass(frozen=True)
class Ranks:
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


ALONE = Ranks()
_now = [ALONE]


def current() -> Ranks:
    """Who learns together now."""
    return _now[-1]


@contextmanager
def learning(ranks: Ranks) -> Iterator[Ranks]:
    """Let what is fitted in here be fitted by these, or by this process `ALONE`."""
    _now.append(ranks)
    try:
        yield ranks
    finally:
        _now.pop()
