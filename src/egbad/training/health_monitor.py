"""Health checks during training: members that show a symptom are slowed down or rolled back."""

from collections.abc import Sequence

import torch
from torch import Tensor

from egbad.nn.generators import MemberGenerators
from egbad.training.health import NON_FINITE, Event, Symptom, describe_intervention
from egbad.training.history import History
from egbad.training.players import Trainable
from egbad.training.process_group import ProcessGroup
from egbad.training.state import StateDict, json_from_tensor, json_to_tensor
from egbad.training.updates import PlayerOptimizer
from egbad.training.weight_averaging import WeightAverages

LR_FACTOR = 0.5  # multiplies the learning rate of an unhealthy player
MAX_INTERVENTIONS = 3  # for one symptom of one member


class HealthMonitor:
    """Checks the members of a model for symptoms of failed training, and intervenes.

    An intervention halves the learning rate of the players that a symptom names, and rolls the member back to its state
    at the last check if the symptom asks for it. A member whose losses or weights are not finite again after
    `MAX_INTERVENTIONS` interventions stops in its last good state.

    Parameters
    ----------
    model : Trainable
    optimizers : sequence of PlayerOptimizer
    averages : WeightAverages
    history : History
        History of the stage; the monitor adds events to it.
    generators : MemberGenerators
    process_group : ProcessGroup
        The symptoms that the first process sees decide.
    intervenes : bool
        False to add events to the history without an action, one for each symptom of a member.
    """

    def __init__(
        self,
        model: Trainable,
        optimizers: Sequence[PlayerOptimizer],
        averages: WeightAverages,
        history: History,
        generators: MemberGenerators,
        process_group: ProcessGroup,
        *,
        intervenes: bool = True,
    ) -> None:
        self.model, self.optimizers, self.averages, self.history = model, optimizers, averages, history
        self.generators, self.process_group, self.intervenes = generators, process_group, intervenes
        self._seen_healthy: dict[str, list[bool]] = {}  # description of a symptom -> members once seen without it
        self.mark_good(0)

    def check_health(self, batch: Tensor, step: int) -> None:
        """Look for symptoms, intervene, and take the state of the members after it as their last good state.

        Parameters
        ----------
        batch : Tensor of shape (K, B, ...)
            Training rows to look at.
        step : int
            Number of steps so far.
        """
        non_finite = self._non_finite_members()
        self.model.eval()
        with self.generators.fork_rng(), torch.no_grad():  # a check must not change the random numbers of training
            symptoms = {s: unhealthy & ~non_finite for s, unhealthy in self.model.symptoms(batch).items()}
        self.model.train()
        for symptom, unhealthy in ({NON_FINITE: non_finite} | symptoms).items():
            # Ignore symptoms present since the first check: an untrained generator always looks collapsed.
            seen_healthy = self._seen_healthy.setdefault(
                symptom.description, [symptom is NON_FINITE] * len(self.generators)
            )
            for member, is_unhealthy in enumerate(self.process_group.broadcast(unhealthy).tolist()):
                if is_unhealthy and seen_healthy[member]:
                    self._intervene(symptom, member, step)
                seen_healthy[member] = seen_healthy[member] or not is_unhealthy
        self.mark_good(step)

    def mark_good(self, step: int) -> None:
        """Take the present state of all members as their last good state.

        Parameters
        ----------
        step : int
            Number of steps so far.
        """
        self._last_good_step = step
        # Copies of all tensors that belong to members
        self._last_good = [tensor.clone() for tensor in self._member_tensors()] if self.intervenes else []

    def final_symptoms(self, batch: Tensor) -> dict[Symptom, list[int]]:
        """Return the symptoms at the end of training, with the members that show them.

        Parameters
        ----------
        batch : Tensor of shape (K, B, ...)
            Training rows to look at, with the model in evaluation mode.

        Returns
        -------
        dict of Symptom to list of int
        """
        with torch.no_grad():
            symptoms = self.model.symptoms(batch)
        stopped = torch.stack([optimizer.member_lr_scale == 0 for optimizer in self.optimizers]).any(0)
        failed = stopped | _non_finite([*self.model.state_dict().values()])
        found = {NON_FINITE: failed}
        for symptom, unhealthy in symptoms.items():
            found[symptom] = self.process_group.broadcast(unhealthy & ~failed)
        return {symptom: members.nonzero().flatten().tolist() for symptom, members in found.items() if members.any()}

    def state_dict(self) -> StateDict:
        """Return what later checks depend on, but the last good state, as tensors by name."""
        return {"seen_healthy": json_to_tensor(self._seen_healthy)}

    def load_state_dict(self, state: StateDict, step: int) -> None:
        """Restore a state written by `state_dict` right after a check.

        Model, optimizers, averages and history must have been restored before: they are the last good state.

        Parameters
        ----------
        state : dict of str to Tensor
        step : int
            Number of steps so far.
        """
        self._seen_healthy = json_from_tensor(state["seen_healthy"])
        self.mark_good(step)

    def _non_finite_members(self) -> Tensor:
        """Return a bool tensor (K,), True for members with a weight, or a loss since the last check, that is not finite."""
        records = zip(self.history.steps, self.history.losses, strict=True)
        losses = [losses.T for step, losses in records if step > self._last_good_step]
        losses += [optimizer.loss_sums for optimizer in self.optimizers]
        return _non_finite([*self._member_tensors(), *losses])

    def _intervene(self, symptom: Symptom, member: int, step: int) -> None:
        """Slow a member down, or stop it, and roll it back if the symptom asks for it."""
        n_before = sum(event.member == member and event.symptom == symptom.description for event in self.history.events)
        if not self.intervenes:
            self.history.events += [] if n_before else [Event(step, member, symptom.description, "")]
            return
        if n_before == MAX_INTERVENTIONS and symptom is not NON_FINITE:
            return
        if symptom.rollback:
            self._roll_back(member)
        factor = LR_FACTOR if n_before < MAX_INTERVENTIONS else 0
        for optimizer in self.optimizers:
            if optimizer.player.name in symptom.slowed_players or not symptom.slowed_players:
                optimizer.slow_down(member, factor)
        if n_before < MAX_INTERVENTIONS:
            action = describe_intervention(symptom, self._last_good_step if symptom.rollback else None)
            self.history.events.append(Event(step, member, symptom.description, action))

    def _roll_back(self, member: int) -> None:
        """Restore the last good state of a member."""
        with torch.no_grad():
            for i, tensor in enumerate(self._member_tensors()):
                # Adam has no moments before its first update: they are zero then.
                tensor[member] = self._last_good[i][member] if i < len(self._last_good) else 0
            for optimizer in self.optimizers:
                optimizer.loss_sums[member] = 0

    def _member_tensors(self) -> list[Tensor]:
        """Return all tensors that belong to members, each (K, ...): weights, statistics, averages and Adam's moments."""
        moments = [moment for optimizer in self.optimizers for moment in optimizer.member_tensors()]
        return [*self.model.state_dict().values(), *self.averages.values, *moments]


def _non_finite(tensors: Sequence[Tensor]) -> Tensor:
    """Return a bool tensor (K,), True for members with a number that is not finite in tensors (K, ...)."""
    tensors = [tensor for tensor in tensors if tensor.is_floating_point()]
    if bool(torch.isfinite(torch.nn.utils.get_total_norm(tensors))):  # nearly always, and quick to compute
        return torch.zeros(len(tensors[0]), dtype=torch.bool, device=tensors[0].device)
    return ~torch.stack([torch.isfinite(tensor).reshape(len(tensor), -1).all(1) for tensor in tensors]).all(0)
