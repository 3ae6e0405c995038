"""Optimizer updates of one player."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from egbad.nn.generators import MemberGenerators
from egbad.training.cuda_graphs import CudaGraphStep
from egbad.training.players import Batches, Player, Schedule, Trainable
from egbad.training.process_group import ProcessGroup
from egbad.training.state import StateDict, with_prefix, without_prefix

_ADAM_STATE = ("step", "exp_avg", "exp_avg_sq")


class PlayerOptimizer:
    """Adam updates of one player, on batches of its own.

    All members share one Adam, since their weights are stacked. The health monitor slows down single members: they make
    only a share of each of Adam's updates.

    Parameters
    ----------
    player : Player
    model : Trainable
        Model that holds the player's parameters.
    batches : Batches
        The player's batches.
    schedule : Schedule
        Learning rate and Adam's settings.
    generators : MemberGenerators
        Generators that the player's loss draws from.
    process_group : ProcessGroup
        Processes that share each batch.

    Attributes
    ----------
    loss_sums : Tensor of shape (K,)
        Sum of the losses over the steps since they were last set to zero.
    last_losses : Tensor of shape (K,)
        Losses of the last update.
    member_lr_scale : Tensor of shape (K,)
        Share of each update that the members make, in [0, 1].
    """

    def __init__(
        self,
        player: Player,
        model: Trainable,
        batches: Batches,
        schedule: Schedule,
        generators: MemberGenerators,
        process_group: ProcessGroup,
    ) -> None:
        self.player, self.batches = player, batches
        self.loss_sums = torch.zeros(len(generators), device=batches.x.device, dtype=torch.float32)
        self.last_losses = torch.full_like(self.loss_sums, torch.nan)
        self.member_lr_scale = torch.ones(len(generators), device=batches.x.device, dtype=torch.float32)
        self._model, self._generators, self._process_group = model, generators, process_group
        self._adam = _make_adam(player, schedule)
        self._gradients = process_group.gradient_function(player.loss, player.params)
        self._update = self._make_update()

    def step(self, learning_rate: float) -> Tensor:
        """Make the player's updates of one step.

        Parameters
        ----------
        learning_rate : float
            Learning rate of the schedule; the player's `lr_scale` multiplies it.

        Returns
        -------
        Tensor of shape (K, B, ...)
            The last batch.
        """
        _set_learning_rate(self._adam, self.player.lr_scale * learning_rate)
        for _ in range(self.player.n_updates):
            batch = next(self.batches)
            self._update(batch)
        return batch

    def slow_down(self, member: int, factor: float) -> None:
        """Multiply the share of each update that a member makes.

        Parameters
        ----------
        member : int
        factor : float
            In [0, 1]; 0 stops the member.
        """
        self.member_lr_scale[member] *= factor
        self._update = self._make_update()

    def gradient_norms(self) -> Tensor:
        """Return the Euclidean norm of the gradient of each member in the last update.

        Returns
        -------
        Tensor of shape (K,)
            NaN before the first update.
        """
        gradients = [p.grad for p in self.player.params if p.grad is not None]
        if not gradients:
            return torch.full_like(self.loss_sums, torch.nan)
        squares: list[Tensor] = [gradient.flatten(1).square().sum(1) for gradient in gradients]
        return torch.stack(squares).sum(0).sqrt()

    def member_tensors(self) -> list[Tensor]:
        """Return Adam's moments, each of shape (K, ...); empty before the first update."""
        return [moments[name] for moments in self._adam.state.values() for name in ("exp_avg", "exp_avg_sq")]

    def state_dict(self) -> StateDict:
        """Return everything that later updates depend on, but the weights, as tensors by name."""
        state = {"loss_sums": self.loss_sums, "member_lr_scale": self.member_lr_scale}
        for i, moments in self._adam.state_dict()["state"].items():
            state |= with_prefix(f"adam.{i}.", moments)
        return state | with_prefix("batches.", self.batches.state_dict())

    def load_state_dict(self, state: StateDict) -> None:
        """Restore a state written by `state_dict`.

        Parameters
        ----------
        state : dict of str to Tensor
        """
        self.loss_sums.copy_(state["loss_sums"])
        self.member_lr_scale.copy_(state["member_lr_scale"])
        adam_state = self._adam.state_dict()
        adam_state["state"] = {
            i: {name: state[f"adam.{i}.{name}"] for name in _ADAM_STATE}
            for i in adam_state["param_groups"][0]["params"]
        }
        self._adam.load_state_dict(adam_state)
        self.batches.load_state_dict(without_prefix("batches.", state))
        self._update = self._make_update()

    def _make_update(self) -> Callable[[Tensor], None]:
        """Return the function that updates on a batch, for the members' present shares."""
        # A comparison on the GPU would synchronise with it, which a CUDA graph must not.
        scale = None if bool((self.member_lr_scale == 1).all()) else self.member_lr_scale

        def update(batch: Tensor) -> None:
            self._update_params(batch, scale)

        if self._process_group.world_size > 1:
            return lambda batch: self._update_shared(batch, update)
        generator = self._generators.device_generator
        return update if generator is None or not self.player.capturable else CudaGraphStep(update, generator)

    def _update_params(self, batch: Tensor, scale: Tensor | None) -> None:
        """Update the parameters on a batch; members make the share `scale` (K,) of the update, or all of it."""
        params = self.player.params
        before = [] if scale is None else [p.detach().clone() for p in params]
        losses, gradients = self._gradients(batch)
        for p, gradient in zip(params, gradients, strict=True):
            p.grad = gradient.contiguous()  # the fused Adam on a GPU needs it
        self._adam.step()
        self.last_losses = losses
        self.loss_sums += losses / self.player.n_updates
        if scale is not None:
            _reduce_update(params, before, scale)

    def _update_shared(self, batch: Tensor, update: Callable[[Tensor], None]) -> None:
        """Update on this process's share of a batch, and average the running statistics over the processes."""
        rows = self._process_group.local_rows(batch.shape[1])
        with self._generators.batch_part(rows, batch.shape[1]):
            update(batch[:, rows])
        statistics = [
            value for name, value in self._model.state_dict().items() if name.rpartition(".")[2].startswith("running_")
        ]
        for value, mean in zip(statistics, self._process_group.average(statistics), strict=True):
            value.copy_(mean)


def _make_adam(player: Player, schedule: Schedule) -> torch.optim.Adam:
    """Return a player's Adam. On a GPU the learning rate is a tensor there, so that a CUDA graph reads its value."""
    betas, device = (schedule.beta1, schedule.beta2), player.params[0].device
    if device.type == "cpu":
        return torch.optim.Adam(player.params, lr=schedule.learning_rate, betas=betas, foreach=True)
    learning_rate = torch.tensor(schedule.learning_rate, device=device, dtype=torch.float32)
    return torch.optim.Adam(player.params, lr=learning_rate, betas=betas, fused=True, capturable=True)


def _set_learning_rate(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    """Set an optimizer's learning rate, in place if it is a tensor."""
    group = optimizer.param_groups[0]
    if isinstance(group["lr"], Tensor):
        group["lr"].fill_(learning_rate)
    else:
        group["lr"] = learning_rate


def _reduce_update(params: list[nn.Parameter], before: list[Tensor], scale: Tensor) -> None:
    """Undo all but a share `scale` (K,) of an update that started from `before`: Adam has one rate for all members."""
    with torch.no_grad():
        for p, start in zip(params, before, strict=True):
            share = scale.view(-1, *[1] * (p.dim() - 1))
            # Values that are not finite must not reach a stopped member, and a full share must not be rounded.
            reduced = torch.where(share == 0, start, start + share * (p - start))
            p.copy_(torch.where(share == 1, p, reduced))
