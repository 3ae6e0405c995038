"""Training of the members of an ensemble: stages, restarts of failed members, and members spread over processes."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from egbad.errors import InvalidInputError, TrainingError
from egbad.nn.generators import MemberGenerators
from egbad.progress import progress
from egbad.training.callbacks import TrainingProgress
from egbad.training.checkpoints import Checkpoints, StageCheckpoints, completed_stages
from egbad.training.config import EarlyStopping
from egbad.training.early_stopping import BestWeights
from egbad.training.health import NON_FINITE, TIED_SCORES
from egbad.training.history import History, combine_histories, final_symptoms, replace_members
from egbad.training.loop import TrainingLoop, train
from egbad.training.players import Player, Schedule, Trainable
from egbad.training.process_group import SINGLE_PROCESS, ProcessGroup

_MAX_VALIDATION_ROWS = 4096


class EnsembleModel(Trainable, Protocol):
    """The part of a model that ensemble training uses."""

    def prepare(self, x: Tensor) -> None:
        """Learn from the training rows x (n, ...) what needs no steps."""

    def stages(self) -> tuple[tuple[Player, ...], ...]:
        """Return the players of each stage of training."""

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> Any:
        """Copy weights and statistics into the model."""


M = TypeVar("M", bound=EnsembleModel)


@dataclass
class Ensemble(Generic[M]):
    """A trained model and how its members were trained.

    Parameters
    ----------
    model : Model
        Model in evaluation mode.
    seeds : tuple of int
        Seed of each member.
    stages : list of History
        History of each stage of training.
    """

    model: M
    seeds: tuple[int, ...]
    stages: list[History]

    def failed_members(self) -> list[int]:
        """Return the members that ended with a symptom that makes them useless."""
        symptoms = final_symptoms(self.stages)
        return sorted({member for symptom, members in symptoms.items() if symptom.restart for member in members})

    def replace_members(self, members: Sequence[int], retrained: "Ensemble[M]") -> None:
        """Replace some members by retrained ones, in place.

        Parameters
        ----------
        members : sequence of int
            Members to replace.
        retrained : Ensemble
            An ensemble of as many members.
        """
        new = retrained.model.state_dict()
        for name, value in self.model.state_dict().items():
            value[members] = new[name]
        seeds = [*self.seeds]
        for member, seed in zip(members, retrained.seeds, strict=True):
            seeds[member] = seed
        self.seeds = tuple(seeds)
        replace_members(self.stages, retrained.stages, members)


@dataclass(frozen=True, kw_only=True)
class EnsembleTrainer(Generic[M]):
    """Trains the members of an ensemble on the same rows, each from its own seed.

    All members train together. Members that end with a symptom such as mode collapse are trained again from other
    seeds. A member among K equals the same member alone.

    If there are at least as many members as processes, each process trains some of them, and the result has the bits
    of a single process. Otherwise the processes share each batch.

    Parameters
    ----------
    build : callable
        Returns an untrained model on `device`, given the generators of its members.
    x : Tensor of shape (n, ...)
        Encoded training rows or images, on `device`.
    device : str
        Device of the model.
    schedules : sequence of Schedule
        Schedule of each stage.
    finalize : callable
        Completes a model after its training, and before each call of `on_look`.
    find_tied_members : callable
        Returns the members of a trained model that give many different rows the same score.
    validation_loss : callable, optional
        Returns the loss of each member (K,) on rows held out of training, in the last stage. Without it the last
        weights are kept.
    early_stopping : EarlyStopping
        Interval, patience and minimum gain of the checks of the validation loss.
    seed : int
        Seed of the fit, saved in checkpoints.
    process_group : ProcessGroup
        Processes that train together.
    checkpoints : Checkpoints, optional
        Checkpoints to resume from and to write. Members that are spread over processes write none.
    on_step : callable, optional
        Called with the progress after every step.
    on_look : callable, optional
        Called with the model, as if training had ended there, and the progress every `look_interval` steps of a stage.
    look_interval : int
        Steps between two calls of `on_look`.
    show_progress : bool
        True to show a progress bar on a terminal and in a notebook, or lines on stderr.
    compute_context : callable
        Given a model, returns a context manager to train it in, for example one that limits threads.
    max_restarts : int
        How often failed members are trained again, if all schedules have `health_interventions`.
    """

    build: Callable[[MemberGenerators], M]
    x: Tensor
    device: str
    schedules: Sequence[Schedule]
    finalize: Callable[[M], None]
    find_tied_members: Callable[[M], list[int]]
    validation_loss: Callable[[M], Tensor] | None = None
    early_stopping: EarlyStopping = field(default_factory=EarlyStopping)
    seed: int = 0
    process_group: ProcessGroup = SINGLE_PROCESS
    checkpoints: Checkpoints | None = None
    on_step: Callable[[TrainingProgress], None] | None = None
    on_look: Callable[[M, TrainingProgress], None] | None = None
    look_interval: int = 1000
    show_progress: bool = False
    compute_context: Callable[[M], AbstractContextManager[Any]] = nullcontext
    max_restarts: int = 2

    def train(self, seeds: Sequence[int], initial_weights: Mapping[str, Tensor] | None = None) -> Ensemble[M]:
        """Train one member for each seed.

        Parameters
        ----------
        seeds : sequence of int
        initial_weights : mapping of str to Tensor, optional
            State of a model with as many members to start from.

        Returns
        -------
        Ensemble

        Raises
        ------
        InvalidInputError
            If `initial_weights` belong to networks of other shapes.
        TrainingError
            If the weights of a member are not finite after the last restart.
        """
        resumes = self.checkpoints is not None and self.checkpoints.newest is not None
        if 1 < self.process_group.world_size <= len(seeds) and not resumes:
            ensemble = self._train_spread(seeds, initial_weights)
        else:
            ensemble = self._train_with_restarts(seeds, initial_weights)
        broken = final_symptoms(ensemble.stages).get(NON_FINITE)
        if broken:
            times = f" {self._n_restarts + 1} times from different seeds" if self._n_restarts else ""
            raise TrainingError(
                f"Training failed{times}: {NON_FINITE.description} (members {', '.join(map(str, broken))} of {len(seeds)}). "
                f"{NON_FINITE.advice}"
            )
        return ensemble

    @property
    def _n_restarts(self) -> int:
        """Number of times that failed members are trained again."""
        return self.max_restarts if all(schedule.health_interventions for schedule in self.schedules) else 0

    def _train_spread(self, seeds: Sequence[int], initial_weights: Mapping[str, Tensor] | None) -> Ensemble[M]:
        """Train this process's share of the members and gather all of them in every process."""
        group, n_members = self.process_group, len(seeds)
        own = [*range(n_members)[group.rank :: group.world_size]]
        alone = replace(
            self,
            process_group=SINGLE_PROCESS,
            checkpoints=None,
            show_progress=self.show_progress and group.is_first,
        )
        own_weights = None if initial_weights is None else {name: w[own] for name, w in initial_weights.items()}
        trained = alone._train_with_restarts([seeds[member] for member in own], own_weights)
        own_state = {name: value.cpu() for name, value in trained.model.state_dict().items()}
        gathered = group.all_gather((own, trained.seeds, own_state, trained.stages))
        order = np.argsort([member for members, *_ in gathered for member in members])
        all_seeds = tuple(int(seed) for seed in np.concatenate([seeds for _, seeds, *_ in gathered])[order])
        model = self.build(MemberGenerators(all_seeds, self.device))
        model.eval()
        rows = torch.from_numpy(order)
        model.load_state_dict(
            {name: torch.cat([state[name] for _, _, state, _ in gathered])[rows] for name in own_state}
        )
        stages = combine_histories([(members, stages) for members, *_, stages in gathered], n_members)
        return Ensemble(model, all_seeds, stages)

    def _train_with_restarts(self, seeds: Sequence[int], initial_weights: Mapping[str, Tensor] | None) -> Ensemble[M]:
        """Train members, then those that failed again from other seeds."""
        ensemble = self._train_members(seeds, initial_weights)
        retrainer = replace(self, checkpoints=None, on_step=None, on_look=None)
        for restart in range(1, self._n_restarts + 1):
            failed = ensemble.failed_members()
            if not failed:
                break
            new_seeds = [
                int(np.random.SeedSequence([ensemble.seeds[member], restart]).generate_state(1)[0]) for member in failed
            ]
            ensemble.replace_members(failed, retrainer._train_members(new_seeds))
        return ensemble

    def _train_members(self, seeds: Sequence[int], initial_weights: Mapping[str, Tensor] | None = None) -> Ensemble[M]:
        """Build one member for each seed and train them in all stages."""
        generators = MemberGenerators(seeds, self.device)
        model = self.build(generators)
        if initial_weights is not None:
            _check_same_shapes(model, initial_weights)
            model.load_state_dict(initial_weights)
        model.prepare(self.x)
        with self.compute_context(model):
            stages = self._train_stages(model, generators)
        self.finalize(model)
        if any(schedule.steps for schedule in self.schedules):
            tied = self.process_group.all_gather(self.find_tied_members(model))[0]
            stages[-1].symptoms |= {TIED_SCORES: tied} if tied else {}
        return Ensemble(model, tuple(generators.seeds), stages)

    def _train_stages(self, model: M, generators: MemberGenerators) -> list[History]:
        """Train stage by stage, from the first that an interrupted fit did not complete."""
        completed = completed_stages(self.checkpoints)
        n_total = sum(schedule.steps for schedule in self.schedules)
        n_before = sum(schedule.steps for schedule in self.schedules[: len(completed)])
        remaining = [*zip(model.stages(), self.schedules, strict=True)][len(completed) :]
        shown = self.show_progress and self.process_group.is_first
        with progress("Training", total=n_total, unit="steps", enabled=shown) as advance:
            advance(n_before, earlier=True)
            for players, schedule in remaining:
                is_last = len(completed) + 1 == len(self.schedules)
                history = train(
                    model,
                    players,
                    self.x,
                    schedule,
                    generators,
                    process_group=self.process_group,
                    advance=advance,
                    after_step=self._watcher(model, n_before, n_total, [*completed]),
                    best_weights=self._best_weights(model) if is_last else None,
                    checkpoints=self._stage_checkpoints(n_before, completed),
                )
                completed.append(history)
                n_before += schedule.steps
        return completed

    def _watcher(
        self, model: M, n_before: int, n_total: int, completed: Sequence[History]
    ) -> Callable[[TrainingLoop], None] | None:
        """Return the function that watches each step of a stage that begins after `n_before` steps, if there is any."""
        on_step, on_look = self.on_step, self.on_look
        if on_step is None and on_look is None:
            return None

        def watch(loop: TrainingLoop) -> None:
            progress_so_far = TrainingProgress(loop, n_before, n_total, completed)
            if on_step is not None:
                on_step(progress_so_far)
            if on_look is not None and loop.n_steps % self.look_interval == 0:
                with loop.averages.applied(model):
                    self.finalize(model)
                    on_look(model, progress_so_far)

        return watch

    def _best_weights(self, model: M) -> BestWeights | None:
        """Return the state of early stopping for a model."""
        if self.validation_loss is None:
            return None
        options = self.early_stopping
        return BestWeights(
            partial(self.validation_loss, model),
            interval=options.interval,
            patience=options.patience,
            min_gain=options.min_gain or 0.0,
            process_group=self.process_group,
        )

    def _stage_checkpoints(self, n_before: int, completed: list[History]) -> StageCheckpoints | None:
        """Return the checkpoints of a stage that begins after `n_before` steps."""
        if self.checkpoints is None:
            return None
        return StageCheckpoints(self.checkpoints, self.seed, n_before, [*completed])


def split_validation(
    n: int, fraction: float, rng: np.random.Generator, candidates: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Hold validation rows out of n training rows.

    Parameters
    ----------
    n : int
    fraction : float
        Fraction of the rows to hold out, in (0, 1), but at least one and at most 4,096 rows.
    rng : numpy.random.Generator
    candidates : ndarray of bool of shape (n,), optional
        Rows that may be held out, by default all. If there are none, all may be.

    Returns
    -------
    train : ndarray of shape (n_train,)
        Positions in ascending order.
    validation : ndarray of shape (n_validation,)
        A single row is used for both.

    Examples
    --------
    >>> train, validation = split_validation(10, 0.2, np.random.default_rng(0))
    >>> len(train), len(validation)
    (8, 2)
    """
    if n == 1:
        return np.zeros(1, np.intp), np.zeros(1, np.intp)
    order = rng.permutation(n)
    n_validation = max(1, min(_MAX_VALIDATION_ROWS, n - 1, round(fraction * n)))
    if candidates is not None and candidates.any():
        order = np.concatenate([order[candidates[order]], order[~candidates[order]]])
        n_validation = min(n_validation, int(candidates.sum()))
    return np.sort(order[n_validation:]), np.sort(order[:n_validation])


def _check_same_shapes(model: EnsembleModel, weights: Mapping[str, Tensor]) -> None:
    """Raise an error if a model cannot start from weights."""
    own = model.state_dict()
    different = [name for name in own.keys() | weights.keys() if name not in own or name not in weights]
    different += [name for name in own.keys() & weights.keys() if own[name].shape != weights[name].shape]
    if different:
        raise InvalidInputError(
            "init_from must have networks of the same shape: the same number of members, the same settings and the same "
            f"number of encoded columns. {len(different)} of {len(own)} tensors differ, such as '{min(different)}'."
        )
