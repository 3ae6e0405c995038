"""TODO."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from egbad.nn.generators import MemberGenerators


@dataclass(frozen=True)
class Player:
    """One player's move on a batch: lower `loss` by changing `params` and nothing else."""

    name: str
    params: list[nn.Parameter]
    loss: Callable[[Tensor], Tensor]  # (K, B, ...) -> (K,)
    pace: float = 1.0  # its learning rate, as a multiple of the schedule's
    moves: int = 1  # how often it moves in a step, each time on a new batch


@dataclass(frozen=True)
class Schedule:
    """How long and how fast.

    Parameters
    ----------
    steps : int
        Moves of every player.
    batch_size : int
        Rows a move; fewer where there are fewer rows.
    learning_rate : float
        Adam's, until the share `decay_from` of the steps; from there it falls linearly to a hundredth.
    beta1, beta2 : float
        Adam's decays of the moments.
    average : float
        Decay of the moving average of the weights that scores are made with; 0 keeps the last weights.
    average_warmup : bool
        Whether the decay starts low, so that the first weights are soon forgotten.
    """

    steps: int
    batch_size: int
    learning_rate: float
    beta1: float = 0.5
    beta2: float = 0.999
    decay_from: float = 0.5
    average: float = 0.999
    average_warmup: bool = True

    def rate(self, step: int) -> float:
        """Learning rate at `step`."""
        start = self.decay_from * self.steps
        if step < start:
            return self.learning_rate
        return self.learning_rate * (1 - 0.99 * (step - start) / (self.steps - start))

    def decay(self, step: int) -> float:
        """Decay of the weight average after `step`."""
        return min(self.average, (1 + step) / (10 + step)) if self.average_warmup else self.average


class Batches:
    """Endless batches (K, size, ...), each member in its own order, every row once before any comes again.

    What is left over at the end of a pass is dropped, as the reference code does. Their size is a multiple of `parts`.
    """

    def __init__(self, x: Tensor, size: int, generators: MemberGenerators, parts: int = 1) -> None:
        self.x, self.size, self.generators = x, max(parts, min(size, len(x)) // parts * parts), generators
        self.order, self.place = torch.empty(0, dtype=torch.int64, device=x.device), len(x)

    def __next__(self) -> Tensor:
        if self.place + self.size > len(self.x):
            self.order, self.place = self.generators.permutations(len(self.x)).to(self.x.device), 0
        rows = self.order[:, self.place : self.place + self.size]
        self.place += self.size
        return self.x[rows]
