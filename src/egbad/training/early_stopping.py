"""Which weights stay: those with which rows held out of training were known best."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from egbad.training.health import WORSE, Event, Symptom
from egbad.training.process_group import current

State = dict[str, Tensor]  # of a run, by name


class Trainable(Protocol):
    """What the loop asks of a model."""

    def train(self) -> object:
        """Enter training mode."""

    def eval(self) -> object:
        """Enter scoring mode."""

    def state_dict(self) -> dict[str, Any]:
        """Weights and statistics by name, each (K, ...)."""

    def symptoms(self, x: Tensor) -> dict[Symptom, Tensor]:
        """What may be wrong -> (K,) bool, seen on a batch x (K, B, ...)."""


@dataclass
class BestWeights:
    """Keeps the best weights of each member, by a criterion that uses no label.

    Parameters
    ----------
    criterion : callable
        () -> (K,), lower is better, asked while the model is as it would be if training ended there.
    every : int, optional
        Steps between two looks; a fiftieth of the run, if not given.
    patience : int, optional
        A member is done after so many looks in which the criterion fell by no more than the share `least_gain`: what it
        learns later is not looked at, as it would not be if it were alone, and training ends when all are done.
    least_gain : float
        In [0, 1).
    """

    criterion: Callable[[], Tensor]
    every: int | None = None
    patience: int | None = None
    least_gain: float = 0.0
    last: Tensor | None = None  # (K,)
    leasts: list[Tensor] = field(default_factory=list)  # (K,) after each look that patience reaches back to
    best_step: list[int] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)
    over: bool = False  # whether all members are done

    def look(self, model: Trainable, step: int) -> None:
        """Take the weights of every member that has never been better."""
        with torch.no_grad():
            now = current().agree(self.criterion())
            state = model.state_dict()
            if self.last is None:
                self.last, self.leasts = now, [now]
                self.best = {name: value.clone() for name, value in state.items()}
                self.best_step = [step] * len(now)
                return
            least, going_on = self.leasts[-1], ~self._done()
            self.last = torch.where(going_on, now, self.last)
            better = going_on & (now < least)
            self.leasts = [*self.leasts, torch.where(better, now, least)][-1 - (self.patience or 0) :]
            for name, value in state.items():
                self.best[name] = torch.where(better.view(-1, *[1] * (value.dim() - 1)), value, self.best[name])
            self.best_step = [step if b else s for b, s in zip(better.tolist(), self.best_step, strict=True)]
            self.over = bool(self._done().all())

    def _done(self) -> Tensor:
        """Which members have gained too little for too long: (K,) bool."""
        before, least = self.leasts[0], self.leasts[-1]
        if self.patience is None or len(self.leasts) <= self.patience:
            return torch.zeros_like(least, dtype=torch.bool)
        return before - least <= self.least_gain * before.abs()

    def restore(self, model: Trainable) -> None:
        """Give the model its best weights back."""
        with torch.no_grad():
            for name, value in model.state_dict().items():
                value.copy_(self.best[name])

    def events(self) -> list[Event]:
        """Members that knew the rows of the criterion better before the end."""
        if self.last is None:
            return []
        return [
            Event(step, member, f"rows held out of training were known best, {last / least - 1:.0%} better than later",
                  "the weights of this step were kept")
            for member, (step, least, last) in enumerate(
                zip(self.best_step, self.leasts[-1].tolist(), self.last.tolist(), strict=True)
            )
            if last > (1 + WORSE) * least
        ]  # fmt: skip

    def state(self) -> State:
        """What the rest of the run depends on, as tensors by name."""
        if self.last is None:
            return {}
        numbers = {"last": self.last, "leasts": torch.stack(self.leasts), "best_step": torch.tensor(self.best_step)}
        return numbers | {f"best.{name}": value for name, value in self.best.items()}

    def load(self, state: State, device: torch.device) -> None:
        """Be as a keeper was that gave this state."""
        if not state:
            return
        self.last, self.leasts = state["last"].to(device), [*state["leasts"].to(device)]
        self.best_step = state["best_step"].tolist()
        self.best = {n.removeprefix("best."): t.to(device) for n, t in state.items() if n.startswith("best.")}
        self.over = bool(self._done().all())
