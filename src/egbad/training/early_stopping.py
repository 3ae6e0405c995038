"""Early stopping: the weights with the lowest validation loss."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from egbad.training.health import Event
from egbad.training.players import Trainable
from egbad.training.process_group import SINGLE_PROCESS, ProcessGroup
from egbad.training.state import StateDict, with_prefix, without_prefix

_CHECKS = 50  # of the validation loss in a run, if no interval is given
_REPORTED_RISE = 0.05  # of the validation loss after its lowest value; a smaller rise is not reported


@dataclass
class BestWeights:
    """Keep the weights with the lowest validation loss, for each member.

    Parameters
    ----------
    validation_loss : callable
        Returns the validation loss of each member (K,). It is called while the model holds its averaged weights, in
        evaluation mode, and must not use labels.
    interval : int, optional
        Steps between two checks. By default a fiftieth of the run.
    patience : int, optional
        A member is finished after this many checks in which its lowest loss decreased by no more than `min_gain`.
        Later weights of a finished member are ignored, as they would not exist if it were trained alone. Training
        ends when all members are finished. By default it takes all its steps.
    min_gain : float
        Relative decrease of the loss, in [0, 1).
    process_group : ProcessGroup
        Processes that train together; the losses of the first process decide.

    Attributes
    ----------
    weights : dict of str to Tensor
        The best weights and statistics of each member; empty before the first check.
    best_step : list of int
        Step of the best weights of each member.
    finished : bool
        True once all members are finished.
    """

    validation_loss: Callable[[], Tensor]
    interval: int | None = None
    patience: int | None = None
    min_gain: float = 0.0
    process_group: ProcessGroup = SINGLE_PROCESS
    weights: StateDict = field(default_factory=dict, init=False)
    best_step: list[int] = field(default_factory=list, init=False)
    finished: bool = field(default=False, init=False)
    _last_loss: Tensor | None = field(default=None, init=False)  # (K,)
    # Lowest loss (K,) after each of the last patience + 1 checks.
    _lowest_losses: list[Tensor] = field(default_factory=list, init=False)

    @property
    def last_loss(self) -> Tensor | None:
        """Validation loss (K,) at the last check, None before the first. That of a finished member stays."""
        return self._last_loss

    def is_due(self, step: int, n_steps: int) -> bool:
        """Return True if the validation loss must be checked after a step.

        Parameters
        ----------
        step : int
            Number of steps so far.
        n_steps : int
            Number of steps of the whole run.

        Returns
        -------
        bool
        """
        interval = self.interval or max(1, n_steps // _CHECKS)
        return step % interval == 0 or step == n_steps

    @torch.no_grad()
    def update(self, model: Trainable, step: int) -> None:
        """Check the validation loss and keep the weights of the members that improved.

        Parameters
        ----------
        model : Trainable
            Model with its averaged weights.
        step : int
            Number of steps so far.
        """
        loss = self.process_group.broadcast(self.validation_loss())
        state = model.state_dict()
        if self._last_loss is None:
            self._last_loss, self._lowest_losses = loss, [loss]
            self.weights = {name: value.clone() for name, value in state.items()}
            self.best_step = [step] * len(loss)
            return
        lowest, active = self._lowest_losses[-1], ~self._finished_members()
        self._last_loss = torch.where(active, loss, self._last_loss)
        better = active & (loss < lowest)
        self._lowest_losses = [*self._lowest_losses, torch.where(better, loss, lowest)][-1 - (self.patience or 0) :]
        for name, value in state.items():
            improved = better.view(-1, *[1] * (value.dim() - 1))
            self.weights[name] = torch.where(improved, value, self.weights[name])
        self.best_step = [step if b else best for b, best in zip(better.tolist(), self.best_step, strict=True)]
        self.finished = bool(self._finished_members().all())

    def _finished_members(self) -> Tensor:
        """Return a bool tensor (K,), True for members whose loss decreased too little over `patience` checks."""
        earlier, lowest = self._lowest_losses[0], self._lowest_losses[-1]
        if self.patience is None or len(self._lowest_losses) <= self.patience:
            return torch.zeros_like(lowest, dtype=torch.bool)
        return earlier - lowest <= self.min_gain * earlier.abs()

    @torch.no_grad()
    def restore(self, model: Trainable) -> None:
        """Copy the best weights into a model, in place.

        Parameters
        ----------
        model : Trainable
        """
        for name, value in model.state_dict().items():
            value.copy_(self.weights[name])

    def events(self) -> list[Event]:
        """Return an event for each member whose validation loss rose after its lowest value.

        Returns
        -------
        list of Event
        """
        if self._last_loss is None:
            return []
        best = zip(self.best_step, self._lowest_losses[-1].tolist(), self._last_loss.tolist(), strict=True)
        return [
            Event(step, member, f"the validation loss was lowest and later rose by {last / lowest - 1:.0%}",
                  "the weights of this step were kept")
            for member, (step, lowest, last) in enumerate(best)
            if last > (1 + _REPORTED_RISE) * lowest
        ]  # fmt: skip

    def state_dict(self) -> StateDict:
        """Return everything that later checks depend on, as tensors by name."""
        if self._last_loss is None:
            return {}
        return {
            "last_loss": self._last_loss,
            "lowest_losses": torch.stack(self._lowest_losses),
            "best_step": torch.tensor(self.best_step),
        } | with_prefix("weights.", self.weights)

    def load_state_dict(self, state: StateDict, device: torch.device) -> None:
        """Restore a state written by `state_dict`.

        Parameters
        ----------
        state : dict of str to Tensor
        device : torch.device
            Device of the model.
        """
        if not state:
            return
        self._last_loss, self._lowest_losses = state["last_loss"].to(device), [*state["lowest_losses"].to(device)]
        self.best_step = state["best_step"].tolist()
        self.weights = {name: value.to(device) for name, value in without_prefix("weights.", state).items()}
        self.finished = bool(self._finished_members().all())
