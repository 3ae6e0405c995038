"""Processes that train one model together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

T = TypeVar("T")
Loss = Callable[[Tensor], Tensor]  # batch (K, B, ...) -> loss of each member (K,)
# Batch -> loss of each member (K,), and the gradients of their sum with respect to each parameter.
GradientFunction = Callable[[Tensor], tuple[Tensor, list[Tensor]]]


@dataclass(frozen=True)
class ProcessGroup:
    """Rank, world size and collectives of a distributed fit; no-ops in a single process.

    All processes hold the same data and the same seeds. They communicate through `torch.distributed`.

    Parameters
    ----------
    rank : int
        Index of this process, from 0.
    world_size : int
        Number of processes.

    Examples
    --------
    >>> ProcessGroup(rank=1, world_size=4).local_rows(12)
    slice(3, 6, None)
    """

    rank: int = 0
    world_size: int = 1

    @property
    def is_first(self) -> bool:
        """True in the process that writes files and prints for all."""
        return self.rank == 0

    def local_rows(self, n: int) -> slice:
        """Return this process's share of the rows of a batch.

        Parameters
        ----------
        n : int
            Rows of the batch, a multiple of `world_size`.

        Returns
        -------
        slice
        """
        size = n // self.world_size
        return slice(self.rank * size, (self.rank + 1) * size)

    def gradient_function(self, loss: Loss, params: list[nn.Parameter]) -> GradientFunction:
        """Return a function that computes losses and gradients on this process's share of a batch.

        Parameters
        ----------
        loss : callable
            Maps a batch (K, B, ...) to the loss of each member (K,).
        params : list of nn.Parameter
            Parameters to differentiate with respect to.

        Returns
        -------
        callable
            Maps a batch to the losses (K,) and the gradient of each parameter, both averaged over the processes.
        """
        if self.world_size == 1:
            return partial(_loss_and_gradients, loss, params)
        replicated = DistributedDataParallel(_LossModule(loss, params))

        def averaged(batch: Tensor) -> tuple[Tensor, list[Tensor]]:
            losses = replicated(batch)
            for p in params:
                p.grad = None
            losses.sum().backward(inputs=params)  # averages the gradients of these parameters and of no other player's
            return self.average([losses.detach()])[0], [p.grad for p in params if p.grad is not None]

        return averaged

    def average(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Return the mean of each tensor over the processes, with the same bits in each process.

        Parameters
        ----------
        tensors : sequence of Tensor
            Tensors of the same shapes in all processes.

        Returns
        -------
        list of Tensor
        """
        if self.world_size == 1 or not tensors:
            return [*tensors]
        flat = torch.cat([tensor.flatten() for tensor in tensors]) / self.world_size
        torch.distributed.all_reduce(flat)
        means = torch.split(flat, [tensor.numel() for tensor in tensors])
        return [mean.view_as(tensor) for mean, tensor in zip(means, tensors, strict=True)]

    def broadcast(self, tensor: Tensor) -> Tensor:
        """Return the first process's tensor, so that all processes decide alike.

        Parameters
        ----------
        tensor : Tensor

        Returns
        -------
        Tensor
            Of the same shape and type.
        """
        if self.world_size == 1:
            return tensor
        received = tensor.to(torch.float64)
        torch.distributed.broadcast(received, 0)
        return received.to(tensor.dtype)

    def all_gather(self, value: T) -> list[T]:
        """Return the values of all processes, ordered by rank.

        Parameters
        ----------
        value : object
            Must be picklable.

        Returns
        -------
        list of object
        """
        if self.world_size == 1:
            return [value]
        gathered: list[Any] = [None] * self.world_size
        torch.distributed.all_gather_object(gathered, value)
        return gathered


SINGLE_PROCESS = ProcessGroup()


class _LossModule(nn.Module):
    """A loss as a module that owns the parameters to update, as `DistributedDataParallel` needs it."""

    def __init__(self, loss: Loss, params: list[nn.Parameter]) -> None:
        super().__init__()
        self.loss, self.params = loss, nn.ParameterList(params)

    def forward(self, batch: Tensor) -> Tensor:
        """Map a batch (K, B, ...) to the loss of each member (K,)."""
        return self.loss(batch)


def _loss_and_gradients(loss: Loss, params: list[nn.Parameter], batch: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Return the losses (K,) and the gradients of their sum: each member's loss depends on its own weights only."""
    losses = loss(batch)
    # `autograd.grad`, unlike `backward`, leaves no gradients in the parameters of the other players.
    return losses.detach(), [*torch.autograd.grad(losses.sum(), params)]
