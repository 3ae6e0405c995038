"""The one training loop: players take turns, members move together. It knows no method by name."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from egbad.errors import TrainingError
from egbad.networks import Draws


@dataclass(frozen=True)
class Turn:
    """One player's move on a batch: lower `loss` by changing `params` and nothing else."""

    name: str
    params: list[nn.Parameter]
    loss: Callable[[Tensor], Tensor]  # (K, B, ...) -> (K,)
    pace: float = 1.0  # its learning rate, as a multiple of the schedule's
    moves: int = 1  # how often it moves in a step, each time on a new batch


class Trainable(Protocol):
    """What the loop asks of a model."""

    def train(self) -> object:
        """Enter training mode."""

    def eval(self) -> object:
        """Enter scoring mode."""

    def state_dict(self) -> dict[str, Any]:
        """Weights and statistics by name, each (K, ...)."""

    def symptoms(self, x: Tensor) -> dict[str, Tensor]:
        """What may be wrong, in words -> (K,) bool, seen on a batch x (K, B, ...)."""


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


@dataclass
class Keep:
    """Keeps the best weights of each member, by a criterion that uses no label.

    Parameters
    ----------
    criterion : callable
        () -> (K,), lower is better, asked while the model is as it would be if training ended there.
    looks : int
        How often to look.
    """

    criterion: Callable[[], Tensor]
    looks: int = 50
    least: Tensor | None = None  # (K,)
    best: dict[str, Tensor] = field(default_factory=dict)

    def look(self, model: Trainable) -> None:
        """Take the weights of every member that has never been better."""
        with torch.no_grad():
            now = self.criterion()
            state = model.state_dict()
            if self.least is None:
                self.least = now
                self.best = {name: value.clone() for name, value in state.items()}
                return
            better = now < self.least
            self.least = torch.where(better, now, self.least)
            for name, value in state.items():
                self.best[name] = torch.where(better.view(-1, *[1] * (value.dim() - 1)), value, self.best[name])

    def restore(self, model: Trainable) -> None:
        """Give the model its best weights back."""
        with torch.no_grad():
            for name, value in model.state_dict().items():
                value.copy_(self.best[name])


@dataclass
class History:
    """What happened: a record about every half percent of the run."""

    names: tuple[str, ...]
    steps: list[int] = field(default_factory=list)
    losses: list[Tensor] = field(default_factory=list)  # mean since the last record, (turns, K)
    symptoms: dict[str, list[int]] = field(default_factory=dict)  # words -> members that show it at the end

    def curves(self) -> dict[str, Tensor]:
        """Loss by turn -> (records, K)."""
        if not self.losses:
            return {}
        return dict(zip(self.names, torch.stack(self.losses, dim=1), strict=True))


def batches(x: Tensor, size: int, draws: Draws) -> Iterator[Tensor]:
    """Endless batches (K, size, ...), each member in its own order, every row once before any comes again.

    What is left over at the end of a pass is dropped, as the reference code does.
    """
    size = min(size, len(x))
    while True:
        order = draws.permutations(len(x))
        for start in range(0, len(x) - size + 1, size):
            yield x[order[:, start : start + size]]


def train(
    model: Trainable,
    turns: tuple[Turn, ...],
    x: Tensor,
    schedule: Schedule,
    draws: Draws,
    *,
    advance: Callable[[int], None] = lambda n: None,
    watch: Callable[[int], None] | None = None,
    watch_every: int = 1000,
    keep: Keep | None = None,
) -> History:
    """Let `turns` move the members of `model` on rows x (n, ...), and leave the averaged weights in it, in eval mode.

    Each turn has its own Adam and its own stream of batches. `advance` is called with 1 after every step; `watch` with
    the number of steps so far after every `watch_every`, while the model is as it would be if training ended there. With
    `keep` the averaged weights that are left are not the last but the best.

    Raises
    ------
    TrainingError
        When a loss is no longer a finite number.
    """
    betas = (schedule.beta1, schedule.beta2)
    optimizers = [torch.optim.Adam(t.params, lr=schedule.learning_rate, betas=betas, foreach=True) for t in turns]
    streams = [batches(x, schedule.batch_size, draws) for _ in turns]
    averages = _Averages([p for turn in turns for p in turn.params])
    history = History(tuple(turn.name for turn in turns))
    every = max(1, schedule.steps // 200)
    look_every = max(1, schedule.steps // keep.looks) if keep else 0
    sums, since = torch.zeros(len(turns), len(draws), device=x.device), 0

    model.train()
    for step in range(schedule.steps):
        for i, (turn, optimizer, stream) in enumerate(zip(turns, optimizers, streams, strict=True)):
            optimizer.param_groups[0]["lr"] = turn.pace * schedule.rate(step)
            for _ in range(turn.moves):
                sums[i] += _move(turn, optimizer, next(stream)) / turn.moves
        since += 1
        averages.update(schedule.decay(step))
        advance(1)
        if since == every or step + 1 == schedule.steps:
            history.steps.append(step + 1)
            history.losses.append(sums / since)
            _check_finite(history, schedule.steps)
            sums, since = torch.zeros_like(sums), 0
        if watch is not None and (step + 1) % watch_every == 0:
            with averages.shown(model):
                watch(step + 1)
        if keep is not None and ((step + 1) % look_every == 0 or step + 1 == schedule.steps):
            with averages.shown(model):
                keep.look(model)

    averages.swap()
    model.eval()
    if keep is not None and keep.best:
        keep.restore(model)
    if schedule.steps:
        history.symptoms = _symptoms(model, next(streams[0]))
    return history


def _symptoms(model: Trainable, batch: Tensor) -> dict[str, list[int]]:
    """What may be wrong -> the members that show it."""
    with torch.no_grad():
        found = model.symptoms(batch)
    return {words: members.nonzero().flatten().tolist() for words, members in found.items() if members.any()}


class _Averages:
    """Moving averages of weights, which can take their place."""

    def __init__(self, weights: list[nn.Parameter]) -> None:
        self.weights = weights
        self.values = [p.detach().clone() for p in weights]

    def update(self, decay: float) -> None:
        """Move towards the weights as they are."""
        torch._foreach_lerp_(self.values, [p.detach() for p in self.weights], 1 - decay)

    def swap(self) -> None:
        """Exchange the weights with their averages, in place."""
        with torch.no_grad():
            for weight, average in zip(self.weights, self.values, strict=True):
                weight_now = weight.clone()
                weight.copy_(average)
                average.copy_(weight_now)

    @contextmanager
    def shown(self, model: Trainable) -> Iterator[None]:
        """Let the model be for a while as it would be if training ended here."""
        self.swap()
        model.eval()
        yield
        model.train()
        self.swap()


def _move(turn: Turn, optimizer: torch.optim.Optimizer, batch: Tensor) -> Tensor:
    """Move one player -> its losses (K,)."""
    losses = turn.loss(batch)
    # grad, not backward: a turn leaves no gradient behind in the other player. The sum over members keeps each alone.
    grads = torch.autograd.grad(losses.sum(), turn.params)
    for p, g in zip(turn.params, grads, strict=True):
        p.grad = g
    optimizer.step()
    return losses.detach()


def _check_finite(history: History, steps: int) -> None:
    bad = ~torch.isfinite(history.losses[-1])
    if bad.any():
        turn, member = (int(i) for i in bad.nonzero()[0])
        raise TrainingError(
            f"Training broke down: the {history.names[turn]} loss of member {member} was not a finite number by step "
            f"{history.steps[-1]} of {steps}. Lower learning_rate, or fit with another random_state."
        )
