"""`TorchDetector`: what every detector does whose networks are trained, around its `Model`."""

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
import torch
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from egbad import model_file
from egbad.arrays import Array, Floats, distinct_rows
from egbad.detectors.base.batching import Chunked
from egbad.detectors.base.detector import Callback, Detector, FitContext
from egbad.detectors.base.inputs import Encoded
from egbad.detectors.base.model import Model, total
from egbad.detectors.base.settings import T
from egbad.detectors.base.threads import map_threads, one_thread
from egbad.errors import HealthWarning, InvalidInputError, TrainingError
from egbad.explain.explanation import Attribution
from egbad.nn.generators import MemberGenerators
from egbad.nn.precision import matmul_precision, resolve_device
from egbad.progress import progress
from egbad.training.checkpoints import Checkpoints, StageCheckpoints, completed_stages
from egbad.training.config import EarlyStopping, TrainingConfig
from egbad.training.early_stopping import BestWeights
from egbad.training.health import NON_FINITE, TIED_SCORES, Symptom
from egbad.training.history import (
    History,
    combine_histories,
    final_symptoms,
    health_messages,
    loss_curves,
    replace_members,
)
from egbad.training.loop import train
from egbad.training.players import Schedule
from egbad.training.process_group import SINGLE_PROCESS, ProcessGroup, current, learning

C = TypeVar("C")

_SMALL = 128  # columns that a batch may have, if it has as many rows as are scored at once, to be a small one
_HELD_OUT = 4096  # rows that tell the best weights, at most
_RESTARTS = 2  # how often a member that ends worthless is trained anew
_TIED_ROWS = 20  # that differ: fewer say nothing of ties
_NEAR = 0.1  # standard deviation of the way from rows to near them, in encoded units
_TIED_SHARE = 0.1  # of rows that differ and have a score that another has, from which on that is a symptom


def _reconstructs(detector: "TorchDetector[Any]") -> bool:
    """Whether a detector's model makes reconstructions: where not, it has no `reconstruct`."""
    return detector.model_type.reconstruct is not Model.reconstruct


def _load_initial_weights(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Load the weights of another model of the same shapes."""
    own = model.state_dict()
    odd = [name for name in own.keys() | weights.keys() if name not in own or name not in weights]
    odd += [name for name in own.keys() & weights.keys() if own[name].shape != weights[name].shape]
    if odd:
        raise InvalidInputError(
            "init_from must have networks of the same shape: as many members, the same settings, and data that is encoded "
            f"to as many columns. They differ in {len(odd)} of {len(own)} tensors, '{min(odd)}' among them."
        )
    model.load_state_dict(weights)


def _after(done: int, callback: Callback | None) -> Callback | None:
    """Counts steps from those that were done before."""
    return None if callback is None else lambda step: callback(done + step)


def _spread(parts: list[dict[str, Tensor]]) -> Floats:
    """The standard deviation (n,) over members of scores in parts of terms (K, n)."""
    scores = torch.cat([total(terms) for terms in parts], dim=1)
    return np.asarray(scores.std(0, correction=1).cpu().numpy())


@dataclass(kw_only=True, eq=False, repr=False)
class TorchDetector(Detector[T]):
    """A detector whose model is trained by `train`: building, members, chunks, weights in the file.

    Parameters
    ----------
    training : TrainingConfig, optional
        Optimizer, batch size, steps, weight averaging and precision.
    early_stopping : EarlyStopping, optional
        Choice of the best weights by rows held out of training, and of the end of training.
    members : int
        Number of networks trained side by side from different seeds. The score is their mean.
    device : str
        Device of training and scoring: "cpu", "cuda", or "auto" for the GPU where there is one. A detector that was
        trained on a GPU scores on the CPU where there is none.

    Attributes
    ----------
    history_ : dict of str to array
        "step" (r,), and the loss of each player (r, members).
    health_ : list of str
        What went wrong in training and what was done about it, a sentence each.
    """

    model_type: ClassVar[type[Model[Any]]]
    parameter_groups: ClassVar[Mapping[str, type[Any]]] = {
        **Detector.parameter_groups,
        "training": TrainingConfig,
        "early_stopping": EarlyStopping,
    }

    training: TrainingConfig | None = None
    early_stopping: EarlyStopping | None = None
    members: int = 1
    device: str = "auto"

    @property
    def _chunked(self) -> Chunked:
        """The model, for rows and images of any number."""
        return Chunked(self.model_, len(self.seeds_), self.device_, self.settings_.training.precision)

    def _build(self, shape: tuple[int, ...], generators: MemberGenerators) -> Model[T]:
        """Fresh networks for encoded rows of `shape`, one set per member."""
        return self.model_type(shape, self.settings_, generators)

    def _schedules(self, n: int) -> tuple[Schedule, ...]:
        """How to train on n rows, for each stage."""
        return (self.settings_.training.schedule(n),)

    def partial_fit(self, X: Any, y: None = None, *, checkpoints: Checkpoints | None = None) -> Self:
        """Go on from the weights there are and learn from new normal rows or images X; y is ignored.

        Columns are scaled as before. A share of X is held out and sets the threshold, since scores change with the weights;
        what was learned from earlier rows fades where new ones contradict it. A detector that isn't fitted is.

        Raises
        ------
        InvalidInputError
            When X doesn't fit what the detector was fitted on, or has fewer than two rows.
        TrainingError
            When training ends without usable weights.
        """
        if not hasattr(self, "model_"):
            return self.fit(X, checkpoints=checkpoints)
        started = time.perf_counter()
        return self._fit(
            self.check_input(X), FitContext(checkpoints=checkpoints, init_from=self), started, self.encoder_
        )

    def _check_init_from(self, init_from: Detector[Any] | None) -> None:
        if init_from is not None and type(init_from) is not type(self):
            raise InvalidInputError(f"init_from must be a fitted {type(self).__name__}, got {init_from!r}.")
        if init_from is not None:
            check_is_fitted(init_from)

    @available_if(_reconstructs)  # type: ignore[untyped-decorator]
    def reconstruct(self, X: Any) -> Floats:
        """What the detector makes of each row or image, in the input's units and shape; the mean over members."""
        expected = self._expected(self.encoder_.encode(self.check_input(X).x))
        return self._to_user_units(np.asarray(self.encoder_.decode(expected)))

    def score_spread(self, X: Any) -> Floats:
        """How far the members differ over each row or image: the standard deviation (n,) of their scores.

        Where it is large context the scores' own differences, the score is not to be relied on.

        Raises
        ------
        InvalidInputError
            When there is one member only.
        """
        if self.members < 2:
            raise InvalidInputError(f"score_spread needs at least two members, got members={self.members}.")

        def spread(part: Array) -> Floats:
            return _spread(self._chunked.terms(self._clip(self.encoder_.encode(part))))

        return np.concatenate(self._map_batches(spread, self.check_input(X).x))

    def _map_batches(self, work: Callable[[Array], C], x: Array) -> list[C]:
        """What `work` makes of rows or images x (n, ...), in parts that are as many as there are threads, or more.

        Where a GPU scores one part, the others are encoded meanwhile.
        """
        if self.model_.scores_sequentially:
            return super()._map_batches(work, x)
        size = self._chunked.part(len(x), self.encoded_shape)
        return map_threads(work, (x[start : start + size] for start in range(0, len(x), size)))

    def describe(self) -> dict[str, Any]:
        """What this detector is and how it came about, JSON-able."""
        return super().describe() | {
            "seeds": list(self.seeds_),
            "health": list(self.health_),
            "weights": self._n_weights(),
        }

    def _n_weights(self) -> int:
        return sum(p.numel() for p in self.model_.parameters()) // len(self.seeds_)

    def _train(
        self,
        seeds: Sequence[int],
        train_on: Encoded,
        validation: Encoded | None,
        context: FitContext,
        weights: Mapping[str, Tensor] | None = None,
    ) -> list[History]:
        """Build a member for each seed and train them, from fresh weights or from these -> the histories of the stages."""
        self.seeds_ = tuple(seeds)
        generators = MemberGenerators(self.seeds_, self.device_)
        self.model_: Model[T] = self._build(train_on.shape[1:], generators).to(self.device_)
        if weights is not None:
            _load_initial_weights(self.model_, weights)
        rows = torch.from_numpy(train_on).to(self.device_)
        self.model_.prepare(rows)

        def settle_and_watch(step: int) -> None:
            self._finalize(train_on)
            if context.callback is not None:
                context.callback(step)

        settled = replace(context, callback=settle_and_watch if context.callback else None)
        with one_thread() if self._small(train_on.shape[1:]) else nullcontext():
            parts = self._train_stages(rows, generators, self._keep(validation), settled)
        self._finalize(train_on)
        if any(schedule.steps for schedule in self._schedules(len(rows))):
            parts[-1].symptoms |= current().all_gather(self._tied(train_on))[0]
        return parts

    def _train_stages(
        self, rows: Tensor, generators: MemberGenerators, keep: BestWeights | None, context: FitContext
    ) -> list[History]:
        """Train stage by stage, from the first that no killed run had behind it."""
        schedules = self._schedules(len(rows))
        parts = completed_stages(context.checkpoints)
        total = sum(schedule.steps for schedule in schedules)
        done = sum(schedule.steps for schedule in schedules[: len(parts)])
        shown = self.verbose and current().is_first
        with progress("Training", total=total, unit="steps", enabled=shown) as advance:
            advance(done)
            for players, schedule in [*zip(self.model_.stages(), schedules, strict=True)][len(parts) :]:
                history = train(
                    self.model_,
                    players,
                    rows,
                    schedule,
                    generators,
                    advance=advance,
                    callback=_after(done, context.callback),
                    callback_interval=context.callback_interval,
                    process_group=current(),
                    best_weights=keep if len(parts) + 1 == len(schedules) else None,
                    checkpoints=StageCheckpoints(context.checkpoints, self.seed_, done, parts)
                    if context.checkpoints
                    else None,
                )
                parts.append(history)
                done += schedule.steps
        return parts

    def _keep(self, validation: Encoded | None) -> BestWeights | None:
        """What tells the best weights by rows held out, where some are."""
        settings = self.settings_.early_stopping
        if validation is None:
            return None
        return BestWeights(
            self._criterion_on(validation), settings.interval, settings.patience, settings.min_gain, current()
        )

    def _small(self, shape: tuple[int, ...]) -> bool:
        """Whether a batch is so small that more threads gain nothing: they only wait for each other where a core is busy."""
        if len(shape) == 3:
            return False
        return self.members * self.settings_.training.batch_size * shape[0] < _SMALL * self.model_.chunk_rows

    def _learn(self, x: Encoded, rng: np.random.Generator, context: FitContext) -> None:
        if self.members < 1:
            raise InvalidInputError(f"members must be at least 1, got {self.members}.")
        self.device_ = resolve_device(self.device)
        first = rng.integers(2**31, size=1)
        train_on, validation = self._validation(x, rng)
        # The others' seeds come last, so that the first member is the same alone and among others.
        seeds = [int(seed) for seed in (*first, *rng.integers(2**31, size=self.members - 1))]
        weights = (
            None
            if context.init_from is None
            else {k: v.clone() for k, v in context.init_from.model_.state_dict().items()}
        )
        process_group = current()
        if 1 < process_group.world_size <= self.members and not (context.checkpoints and context.checkpoints.newest):
            mine = [*range(self.members)[process_group.rank :: process_group.world_size]]
            own = None if weights is None else {name: value[mine] for name, value in weights.items()}
            with learning(SINGLE_PROCESS):
                apart = replace(context, checkpoints=None)
                parts = self._train_well([seeds[m] for m in mine], train_on, validation, apart, own)
            parts = self._gather(process_group, mine, parts, train_on.shape[1:])
        else:
            parts = self._train_well(seeds, train_on, validation, context, weights)
        self._remember_training(parts)

    def _gather(
        self, process_group: ProcessGroup, mine: list[int], parts: list[History], shape: tuple[int, ...]
    ) -> list[History]:
        """All members, and their histories, from the processes that trained some each."""
        state = {name: value.cpu() for name, value in self.model_.state_dict().items()}
        found = process_group.all_gather((mine, self.seeds_, state, parts))
        order = np.argsort([m for members, *_ in found for m in members])
        self.seeds_ = tuple(int(seed) for seed in np.concatenate([seeds for _, seeds, *_ in found])[order])
        self.model_ = self._build(shape, MemberGenerators(self.seeds_, self.device_)).to(self.device_).eval()
        self.model_.load_state_dict(
            {name: torch.cat([theirs[name] for _, _, theirs, _ in found])[torch.from_numpy(order)] for name in state}
        )
        return combine_histories([(members, theirs) for members, _, _, theirs in found], self.members)

    def _train_well(
        self,
        seeds: list[int],
        train_on: Encoded,
        validation: Encoded | None,
        context: FitContext,
        weights: Mapping[str, Tensor] | None,
    ) -> list[History]:
        """Train members, those that end worthless anew from other seeds -> the histories of the stages."""
        with matmul_precision(self.settings_.training.precision, self.device_):
            parts = self._train(seeds, train_on, validation, context, weights)
            for again in range(1, _RESTARTS + 1):
                ill = sorted({m for s, members in final_symptoms(parts).items() if s.restart for m in members})
                if not ill:
                    break
                model = self.model_
                new_seeds = [int(np.random.SeedSequence([seeds[m], again]).generate_state(1)[0]) for m in ill]
                anew = self._train(new_seeds, train_on, validation, FitContext())
                for name, value in model.state_dict().items():
                    value[ill] = self.model_.state_dict()[name]
                replace_members(parts, anew, ill)
                for member, seed in zip(ill, new_seeds, strict=True):
                    seeds[member] = seed
                self.model_, self.seeds_ = model, tuple(seeds)
        return parts

    def _validation(self, x: Encoded, rng: np.random.Generator) -> tuple[Encoded, Encoded | None]:
        """The rows to train on, and those by which the best weights are told."""
        if self.settings_.early_stopping.criterion == "none":
            return x, None
        if len(x) == 1:
            return x, x
        order = rng.permutation(len(x))
        held_out = max(1, min(_HELD_OUT, len(x) - 1, round(self.settings_.early_stopping.fraction * len(x))))
        return x[np.sort(order[held_out:])], x[np.sort(order[:held_out])]

    def _criterion_on(self, validation: Encoded) -> Callable[[], Tensor]:
        def criterion() -> Tensor:
            values = [self.model_.criterion(chunk)[:, :n].sum(1) for chunk, n in self._chunked.chunks(validation)]
            return torch.stack(values).sum(0) / len(validation)

        return criterion

    def _tied(self, x: Encoded) -> dict[Symptom, list[int]]:
        """Members that give the same score to many rows or images that differ, seen near some of x (n, ...).

        Near them, not on them: what a model remembers is all equally normal.
        """
        some = x[distinct_rows(x[: self._chunked.usual(x.shape[1:])])]
        if len(some) < _TIED_ROWS:
            return {}
        moved = some + np.random.default_rng(0).normal(scale=_NEAR, size=some.shape).astype(np.float32)
        parts = [torch.stack([*terms.values()]).sum(0).cpu().numpy() for terms in self._chunked.terms(moved)]
        scores = np.concatenate(parts, axis=1)
        tied = [m for m, own in enumerate(scores) if len(np.unique(own)) < (1 - _TIED_SHARE) * len(own)]
        return {TIED_SCORES: tied} if tied else {}

    def _remember_training(self, parts: list[History]) -> None:
        """Curves and health, from the histories of the stages."""
        broken = final_symptoms(parts).get(NON_FINITE)
        if broken:
            raise TrainingError(
                f"Training broke down, {_RESTARTS + 1} times from different seeds: {NON_FINITE.description} (members "
                f"{', '.join(map(str, broken))} of {self.members}). {NON_FINITE.advice}"
            )
        self.history_ = loss_curves(parts, self.members)
        done, left = health_messages(parts, self.members)
        self.health_ = [*done, *left]
        for sentence in left:
            warnings.warn(sentence, HealthWarning, stacklevel=4)

    def _finalize(self, x: Encoded) -> None:
        with torch.no_grad():
            self.model_.finalize(chunk[:, :n] for chunk, n in self._chunked.chunks(x))

    def _terms(self, x: Encoded) -> dict[str, Floats]:
        parts: dict[str, list[Array]] = {}
        for terms in self._chunked.terms(x):
            for name, values in terms.items():
                parts.setdefault(name, []).append(values.mean(0).cpu().numpy())
        return {name: np.concatenate(values) for name, values in parts.items()}

    def _attribute(self, x: Encoded) -> Attribution:
        if not _reconstructs(self):
            return super()._attribute(x)

        def mean_shares(chunk: Tensor, n: int) -> tuple[Array, Array, dict[str, Tensor]]:
            found = self.model_.attribute(chunk)
            shares, expected = (
                v[:, :n].detach().double().mean(0).cpu().numpy() for v in (found.shares, found.expected)
            )
            return shares, expected, {name: v.detach().double()[:, :n] for name, v in found.terms.items()}

        parts = self._chunked.each(mean_shares, x)
        shares, expected = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
        scored = [part[2] for part in parts]
        terms = {
            name: torch.cat([part[name] for part in scored], dim=1).mean(0).cpu().numpy()  # (n,)
            for name in scored[0]
        }
        # What is not shared out: the score of what is expected, and what single precision rounds.
        base = np.asarray(sum(terms.values())) - shares.reshape(len(x), -1).sum(axis=1)
        spread = _spread(scored) if self.members > 1 else None
        return Attribution(shares, base, expected, self.model_.attribution_method, terms, spread)

    def _expected(self, x: Encoded) -> Array:
        if not _reconstructs(self):
            return super()._expected(x)

        def rebuilt(chunk: Tensor, n: int) -> Array:
            return np.asarray(self.model_.reconstruct(chunk)[:, :n].float().mean(0).cpu().numpy())

        return np.concatenate(self._chunked.each(rebuilt, x))

    def _state(self) -> tuple[dict[str, Any], model_file.Arrays]:
        arrays = {f"model.{name}": value.cpu().numpy() for name, value in self.model_.state_dict().items()}
        arrays |= {f"history.{name}": value for name, value in self.history_.items()}
        return {"seeds": list(self.seeds_), "health": list(self.health_)}, arrays

    def _restore(self, state: dict[str, Any], arrays: model_file.Arrays) -> None:
        self.seeds_, self.health_ = tuple(state["seeds"]), list(state["health"])
        self.device_ = resolve_device(self.device) if torch.cuda.is_available() else "cpu"
        self.model_ = self._build(self.encoded_shape, MemberGenerators(self.seeds_, self.device_))
        weights = {name: torch.from_numpy(a) for name, a in model_file.with_prefix_removed("model.", arrays).items()}
        for name, value in self.model_.state_dict().items():
            came = tuple(weights[name].shape) if name in weights else None
            if came != tuple(value.shape):
                raise ValueError(f"'{name}' must have the shape {tuple(value.shape)}, got {came}")
        self.model_.load_state_dict(weights)
        self.model_.to(self.device_).eval()
        self.history_ = model_file.with_prefix_removed("history.", arrays)
