"""Inputs of the training loop: the model's interface, its players, the schedule and the batches."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from egbad.nn.generators import MemberGenerators
from egbad.training.health import Symptom
from egbad.training.state import StateDict


class Trainable(Protocol):
    """The part of a model that the training loop uses."""

    def train(self) -> object:
        """Enter training mode."""

    def eval(self) -> object:
        """Enter evaluation mode."""

    def state_dict(self) -> dict[str, Any]:
        """Return weights and statistics by name, each of shape (K, ...)."""

    def symptoms(self, x: Tensor) -> dict[Symptom, Tensor]:
        """Return symptoms as bool tensors (K,), True for the members that show them on a batch x (K, B, ...)."""


@dataclass(frozen=True)
class Player:
    """A set of parameters and the loss that they minimise.

    A GAN has two players. Each has its own optimizer, and an update changes only its own parameters.

    Parameters
    ----------
    name : str
        Name of the loss curve, such as "D" or "G".
    params : list of nn.Parameter
        The player's parameters, each of shape (K, ...).
    loss : callable
        Maps a batch (K, B, ...) to the loss of each member (K,).
    lr_scale : float
        Multiplies the learning rate of the schedule.
    n_updates : int
        Updates per step, each on a new batch.
    capturable : bool
        False if the loss runs code that a CUDA graph cannot capture.
    """

    name: str
    params: list[nn.Parameter]
    loss: Callable[[Tensor], Tensor]
    lr_scale: float = 1.0
    n_updates: int = 1
    capturable: bool = True


@dataclass(frozen=True)
class Schedule:
    """Length of a stage of training, its batch size and Adam's settings.

    Parameters
    ----------
    steps : int
        Number of steps. In each step all players make their updates.
    batch_size : int
        Rows per update, at most the number of training rows.
    learning_rate : float
        Adam's learning rate.
    beta1, beta2 : float
        Adam's decay rates of the first and second moment.
    decay_from : float
        Share of the steps after which the learning rate decreases linearly to a hundredth.
    ema_decay : float
        Decay rate of the moving average of the weights, which replaces the weights at the end; 0 for no averaging.
    ema_warmup : bool
        True if the decay rate starts low, so that the average soon forgets the initial weights.
    health_interventions : bool
        True if members that show a symptom of failed training are slowed down or rolled back.
    """

    steps: int
    batch_size: int
    learning_rate: float
    beta1: float = 0.5
    beta2: float = 0.999
    decay_from: float = 0.5
    ema_decay: float = 0.999
    ema_warmup: bool = True
    health_interventions: bool = True

    def learning_rate_at(self, step: int) -> float:
        """Return the learning rate at a step.

        Parameters
        ----------
        step : int
            Number of steps before it.

        Returns
        -------
        float

        Examples
        --------
        >>> Schedule(steps=100, batch_size=8, learning_rate=0.1).learning_rate_at(49)
        0.1
        """
        start = self.decay_from * self.steps
        if step < start:
            return self.learning_rate
        return self.learning_rate * (1 - 0.99 * (step - start) / (self.steps - start))

    def ema_decay_at(self, step: int) -> float:
        """Return the decay rate of the moving average of the weights at a step.

        Parameters
        ----------
        step : int
            Number of steps before it.

        Returns
        -------
        float
        """
        return min(self.ema_decay, (1 + step) / (10 + step)) if self.ema_warmup else self.ema_decay


class Batches:
    """Endless batches of the training rows, in an order of its own for each member.

    Every pass over the rows visits each of them at most once. The rows that are left over at the end of a pass are
    dropped, as in the reference code of the EGBAD paper.

    Parameters
    ----------
    x : Tensor of shape (n, ...)
        Training rows or images.
    batch_size : int
        Upper limit of the rows per batch; `batch_size` as an attribute is the number of rows that batches have.
    generators : MemberGenerators
        Generators that shuffle the rows.
    multiple_of : int
        The batch size is a multiple of this, so that processes can share a batch.

    Examples
    --------
    >>> batches = Batches(torch.arange(10.0)[:, None], 4, MemberGenerators([0, 1]))
    >>> next(batches).shape
    torch.Size([2, 4, 1])
    """

    def __init__(self, x: Tensor, batch_size: int, generators: MemberGenerators, multiple_of: int = 1) -> None:
        self.x, self.generators = x, generators
        self.batch_size = max(multiple_of, min(batch_size, len(x)) // multiple_of * multiple_of)
        self.order = torch.empty(0, dtype=torch.int64, device=x.device)
        self.position = len(x)

    def __next__(self) -> Tensor:
        if self.position + self.batch_size > len(self.x):
            self.order, self.position = self.generators.permutations(len(self.x)).to(self.x.device), 0
        rows = self.order[:, self.position : self.position + self.batch_size]
        self.position += self.batch_size
        return self.x[rows]

    def state_dict(self) -> StateDict:
        """Return the order of the current pass and the position in it."""
        return {"order": self.order, "position": torch.tensor(self.position)}

    def load_state_dict(self, state: StateDict) -> None:
        """Restore a state written by `state_dict`.

        Parameters
        ----------
        state : dict of str to Tensor
        """
        self.order = state["order"].to(self.x.device)
        self.position = int(state["position"])
