"""The training loop of all neural detectors. It knows no method by name."""

from collections.abc import Callable

import torch
from torch import Tensor

from egbad.errors import InvalidInputError
from egbad.nn.generators import MemberGenerators
from egbad.training.checkpoints import StageCheckpoints
from egbad.training.early_stopping import BestWeights
from egbad.training.health_monitor import HealthMonitor
from egbad.training.history import History
from egbad.training.players import Batches, Player, Schedule, Trainable
from egbad.training.process_group import SINGLE_PROCESS, ProcessGroup
from egbad.training.state import StateDict, with_prefix, without_prefix
from egbad.training.updates import PlayerOptimizer
from egbad.training.weight_averaging import WeightAverages

_RECORDS = 200  # of the losses, in a stage
_MIN_CHECKS, _MAX_CHECKS = 20, 40  # of the members' health, in a stage


def train(
    model: Trainable,
    players: tuple[Player, ...],
    x: Tensor,
    schedule: Schedule,
    generators: MemberGenerators,
    *,
    process_group: ProcessGroup = SINGLE_PROCESS,
    advance: Callable[[int], None] = lambda n_steps: None,
    after_step: "Callable[[TrainingLoop], None] | None" = None,
    best_weights: BestWeights | None = None,
    checkpoints: StageCheckpoints | None = None,
) -> History:
    """Train all members of a model together, and leave the averaged weights in it, in evaluation mode.

    Each player has its own Adam and its own stream of batches. In each step the players make their updates one after
    the other.

    About once an epoch (at least 20 and at most 40 times) the health of the members is checked. A member with a symptom
    continues with a lower learning rate, and from its last good state if that helps. A member whose losses or weights
    are repeatedly not finite stops in its last good state, and the symptoms in the history name it. Without
    `health_interventions` in the schedule, the history only names symptoms.

    Processes of a process group draw the same batches, use a part of each and average their gradients. If the loss is a
    mean over rows, losses and weights equal those of a single process up to rounding. Normalisation or contrast within
    a batch is within the part.

    Parameters
    ----------
    model : Trainable
        Model with K members.
    players : tuple of Player
        Players in the order of their updates.
    x : Tensor of shape (n, ...)
        Training rows or images.
    schedule : Schedule
        Number of steps, batch size and Adam's settings.
    generators : MemberGenerators
        A random generator for each member. On a GPU all members draw from one generator there.
    process_group : ProcessGroup
        Processes that share each batch.
    advance : callable
        Called with the number of new steps, for a progress bar.
    after_step : callable, optional
        Called with the loop after every step, to watch training.
    best_weights : BestWeights, optional
        Validation loss for early stopping: the best averaged weights are left in the model instead of the last.
    checkpoints : StageCheckpoints, optional
        Checkpoints to resume from and to write. A resumed loop ends with the same bits.

    Returns
    -------
    History
        Losses, events and final symptoms.
    """
    with generators.on_device():
        loop = TrainingLoop(model, players, x, schedule, generators, process_group, best_weights)
        if checkpoints is not None and (state := checkpoints.load()) is not None:
            loop.load_state_dict(state)
            advance(loop.n_steps)
        model.train()
        while not loop.finished:
            loop.step()
            advance(1)
            if after_step is not None:
                after_step(loop)
            # Save right after a health check: the present state is the members' last good state, which need not be saved.
            if (
                checkpoints is not None
                and loop.health_is_due
                and loop.n_steps < schedule.steps
                and checkpoints.is_due()
            ):
                checkpoints.save(loop.n_steps, loop.state_dict())
        return loop.finish()


class TrainingLoop:
    """State of the training of one stage: optimizers, averages, history and health.

    Parameters
    ----------
    model, players, x, schedule, generators, process_group, best_weights
        Arguments of `train`.

    Attributes
    ----------
    n_steps : int
        Number of steps so far.
    averages : WeightAverages
        Moving averages of the parameters of all players.
    optimizers : list of PlayerOptimizer
        Optimizer of each player.
    history : History
        Losses and events so far.
    """

    def __init__(
        self,
        model: Trainable,
        players: tuple[Player, ...],
        x: Tensor,
        schedule: Schedule,
        generators: MemberGenerators,
        process_group: ProcessGroup = SINGLE_PROCESS,
        best_weights: BestWeights | None = None,
    ) -> None:
        self.model, self.schedule, self.generators, self.best_weights = model, schedule, generators, best_weights
        self.n_steps = 0
        self.optimizers = [
            PlayerOptimizer(
                player,
                model,
                Batches(x, schedule.batch_size, generators, process_group.world_size),
                schedule,
                generators,
                process_group,
            )
            for player in players
        ]
        self.averages = WeightAverages([p for player in players for p in player.params])
        self.history = History(tuple(player.name for player in players))
        self._n_unrecorded = 0  # steps since the last record of the losses
        steps_per_epoch = max(1, len(x) // self.optimizers[0].batches.batch_size)
        most = max(1, schedule.steps // _MAX_CHECKS)
        self._check_interval = max(most, min(steps_per_epoch, schedule.steps // _MIN_CHECKS))
        self._monitor = HealthMonitor(
            model,
            self.optimizers,
            self.averages,
            self.history,
            generators,
            process_group,
            intervenes=schedule.health_interventions,
        )

    @property
    def finished(self) -> bool:
        """True after the last step, or once early stopping ends training."""
        return self.n_steps >= self.schedule.steps or (self.best_weights is not None and self.best_weights.finished)

    @property
    def health_is_due(self) -> bool:
        """True if the health of the members is checked after the present number of steps."""
        return self.n_steps % self._check_interval == 0 or self.n_steps == self.schedule.steps

    def step(self) -> None:
        """Make the updates of all players, then check health, record losses and check the validation loss if due."""
        learning_rate = self.schedule.learning_rate_at(self.n_steps)
        for optimizer in self.optimizers:
            batch = optimizer.step(learning_rate)
        self.averages.update(self.schedule.ema_decay_at(self.n_steps))
        self.n_steps, self._n_unrecorded = self.n_steps + 1, self._n_unrecorded + 1
        if self.health_is_due:
            self._monitor.check_health(batch, self.n_steps)
        interval = max(1, self.schedule.steps // _RECORDS)
        if self._n_unrecorded % interval == 0 or self.n_steps == self.schedule.steps:
            self._record_losses()
        if self.best_weights is not None and self.best_weights.is_due(self.n_steps, self.schedule.steps):
            with self.averages.applied(self.model):
                self.best_weights.update(self.model, self.n_steps)

    def _record_losses(self) -> None:
        """Add the mean losses since the last record to the history."""
        sums = torch.stack([optimizer.loss_sums for optimizer in self.optimizers])
        self.history.steps.append(self.n_steps)
        self.history.losses.append(sums / self._n_unrecorded)
        for optimizer in self.optimizers:
            optimizer.loss_sums.zero_()
        self._n_unrecorded = 0

    def finish(self) -> History:
        """Leave the final weights in the model, in evaluation mode, and return the history.

        Returns
        -------
        History
        """
        self.averages.swap()
        self.model.eval()
        for optimizer in self.optimizers:
            for p in optimizer.player.params:
                p.grad = None
        if self.best_weights is not None and self.best_weights.weights:
            self.best_weights.restore(self.model)
            self.history.events += self.best_weights.events()
        if self.schedule.steps:
            self.history.symptoms = self._monitor.final_symptoms(next(self.optimizers[0].batches))
        if self.history.losses:  # histories of stages, members and processes are combined on the CPU
            self.history.losses = [*torch.stack(self.history.losses).cpu()]
        return self.history

    def state_dict(self) -> StateDict:
        """Return everything that the rest of the run depends on, as tensors by name, right after a health check."""
        state: StateDict = {"n_steps": torch.tensor(self.n_steps), "n_unrecorded": torch.tensor(self._n_unrecorded)}
        state |= with_prefix("model.", self.model.state_dict())
        state |= {f"average.{i}": value for i, value in enumerate(self.averages.values)}
        state |= {f"generator.{k}": generator.get_state() for k, generator in enumerate(self.generators.in_use())}
        for i, optimizer in enumerate(self.optimizers):
            state |= with_prefix(f"player.{i}.", optimizer.state_dict())
        state |= with_prefix("history.", self.history.state_dict())
        state |= with_prefix("health.", self._monitor.state_dict())
        if self.best_weights is not None:
            state |= with_prefix("best.", self.best_weights.state_dict())
        return state

    def load_state_dict(self, state: StateDict) -> None:
        """Restore a state written by `state_dict`.

        Parameters
        ----------
        state : dict of str to Tensor
        """
        own = {f"model.{name}": value.shape for name, value in self.model.state_dict().items()}
        if own != {name: value.shape for name, value in state.items() if name.startswith("model.")}:
            raise InvalidInputError(
                "The checkpoint belongs to networks of other shapes. Resume with the same networks, or fit without resuming to "
                "start over."
            )
        self.n_steps, self._n_unrecorded = int(state["n_steps"]), int(state["n_unrecorded"])
        with torch.no_grad():
            for name, value in self.model.state_dict().items():
                value.copy_(state[f"model.{name}"])
            for i, value in enumerate(self.averages.values):
                value.copy_(state[f"average.{i}"])
        for k, generator in enumerate(self.generators.in_use()):
            generator.set_state(state[f"generator.{k}"])
        for i, optimizer in enumerate(self.optimizers):
            optimizer.load_state_dict(without_prefix(f"player.{i}.", state))
        device = self.optimizers[0].loss_sums.device
        self.history.load_state_dict(without_prefix("history.", state), device)
        self._monitor.load_state_dict(without_prefix("health.", state), self.n_steps)
        if self.best_weights is not None:
            self.best_weights.load_state_dict(without_prefix("best.", state), device)
