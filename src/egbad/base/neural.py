"""The torch side of every detector whose networks are trained: `Model`, and the `TorchDetector` around it."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Generic

import numpy as np
import torch
from torch import Tensor, nn

from egbad import persistence
from egbad.base.detector import Array, Beside, Detector, Encoded, Floats, chunks
from egbad.base.settings import T
from egbad.checkpoints import Checkpoints
from egbad.errors import HealthWarning, InvalidInputError, InvalidTypeError
from egbad.networks import Draws
from egbad.progress import progress
from egbad.training import History, Keep, Schedule, State, Turn, train

FAR = 8.0  # standard deviations: how far out networks see a column


class Model(nn.Module, Generic[T]):
    """K members of a method: networks, turns, score. Knows no data set, no optimizer, no epoch.

    Parameters
    ----------
    shape : tuple of int
        Of one encoded row (d,) or image (c, h, w).
    settings : TrainingSettings
        Every value decided.
    draws : Draws
        A generator per member.
    """

    rows_a_chunk: int = 256  # how many are scored at once: a row's bits are the same in any chunk
    images_a_chunk: int = 32

    def __init__(self, shape: tuple[int, ...], settings: T, draws: Draws) -> None:
        super().__init__()
        self.shape, self.settings, self.draws = shape, settings, draws
        self.clips = len(shape) == 1 and settings.scaling == "standard"

    def turns(self) -> tuple[Turn, ...]:
        """The players, in the order in which they move."""
        raise TypeError(f"{type(self).__name__} defines no turns.")

    def stages(self) -> tuple[tuple[Turn, ...], ...]:
        """Players of each stage of training: most methods have one."""
        return (self.turns(),)

    def score_terms(self, x: Tensor) -> dict[str, Tensor]:
        """x (K, B, ...) -> terms (K, B) which add up to A(x), higher is more anomalous."""
        raise TypeError(f"{type(self).__name__} defines no score_terms.")

    def settle(self, chunks: Iterator[Tensor]) -> None:
        """Do what is needed once after the loop, given all training rows in chunks (K, B, ...)."""

    def symptoms(self, x: Tensor) -> dict[str, Tensor]:
        """What may be wrong, in words -> (K,) bool, seen on a training batch x (K, B, ...)."""
        return {}

    def criterion(self, x: Tensor) -> Tensor:
        """How well normal rows x (K, B, ...) held out of training are known -> (K, B), lower is better. Uses no label."""
        raise InvalidInputError(f"{type(self).__name__} has no criterion to keep its best weights by: use keep='last'.")

    def reconstruct(self, x: Tensor) -> Tensor:
        """x (K, B, ...) -> what the members make of it (K, B, ...)."""
        raise InvalidTypeError(f"{type(self).__name__} does not reconstruct.")

    def seen(self, x: Tensor) -> Tensor:
        """What networks see of x (K, B, ...): standardised columns only so far out, or one would decide alone."""
        return x.clamp(-FAR, FAR) if self.clips else x


def _check_device(device: str) -> None:
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise InvalidInputError(
            f"device must be one that torch knows, such as 'cpu' or 'cuda', got {device!r}."
        ) from error
    if found.type == "cuda" and not torch.cuda.is_available():
        raise InvalidInputError(
            f"device={device!r} needs CUDA, which this machine or this build of torch hasn't. Use 'cpu'."
        )


class _StageSaver:
    """The checkpoints of one stage of training, after `done` steps and the histories `parts` of those before it."""

    def __init__(self, checkpoints: Checkpoints, seed: int, done: int, parts: list[History]) -> None:
        self.checkpoints, self.seed, self.done, self.parts = checkpoints, seed, done, parts

    def found(self) -> State | None:
        newest = self.checkpoints.newest
        if newest is None or len(newest.about["parts"]) != len(self.parts):
            return None  # it was left by an earlier stage
        return {name: torch.from_numpy(array) for name, array in persistence.under("state.", newest.arrays).items()}

    def due(self) -> bool:
        return self.checkpoints.due()

    def save(self, state: State) -> None:
        parts = [{"names": p.names, "steps": p.steps, "symptoms": p.symptoms} for p in self.parts]
        arrays = {f"state.{name}": value.cpu().numpy() for name, value in state.items()}
        arrays |= {f"part.{i}": torch.stack(p.losses).cpu().numpy() for i, p in enumerate(self.parts) if p.losses}
        self.checkpoints.save(self.done + int(state["step"]), {"seed": self.seed, "parts": parts}, arrays)


def _finished_stages(checkpoints: Checkpoints | None) -> list[History]:
    """The histories of the stages that a killed run had behind it."""
    if checkpoints is None or checkpoints.newest is None:
        return []
    arrays = checkpoints.newest.arrays
    return [
        History(tuple(part["names"]), part["steps"], [*torch.from_numpy(arrays[f"part.{i}"])] if part["steps"] else [],
                part["symptoms"])
        for i, part in enumerate(checkpoints.newest.about["parts"])
    ]  # fmt: skip


@dataclass(kw_only=True, eq=False, repr=False)
class TorchDetector(Detector[T]):
    """A detector whose model is trained by `train`: building, members, chunks, weights in the file.

    Parameters
    ----------
    learning_rate : float, optional
        Adam's.
    learning_rate_decay : bool, optional
        Whether the learning rate falls linearly to a hundredth over the second half.
    beta1 : float, optional
        Adam's decay of the first moment, in [0, 1).
    batch_size : int, optional
        Rows a step.
    steps : int, optional
        Moves of each player; 0 leaves the networks untrained.
    epochs : float, optional
        Passes over the training rows, instead of `steps`.
    average : float, optional
        Decay of the moving average of the weights that scores are made with; 0 keeps the last weights.
    average_warmup : bool, optional
        Whether the average soon forgets the first weights.
    keep : {"last", "best"}, optional
        Which weights stay at the end. "best" holds out `validation_fraction` of the training rows and keeps the weights
        that know them best, looked at fifty times; some methods have no measure of that.
    validation_fraction : float, optional
        For keep="best", in (0, 1).
    members : int
        Networks that are trained side by side from different seeds; the score is their mean.
    device : str
        Where the networks are trained and scored, "cpu" or "cuda".

    Attributes
    ----------
    history_ : dict of str to array
        "step" (r,), and the loss of each player (r, members).
    health_ : list of str
        What went wrong in training, a sentence each.
    """

    model_type: ClassVar[type[Model[Any]]]

    learning_rate: float | None = None
    learning_rate_decay: bool | None = None
    beta1: float | None = None
    batch_size: int | None = None
    steps: int | None = None
    epochs: float | None = None
    average: float | None = None
    average_warmup: bool | None = None
    keep: str | None = None
    validation_fraction: float | None = None
    members: int = 1
    device: str = "cpu"

    def _build(self, shape: tuple[int, ...], draws: Draws) -> Model[T]:
        """Fresh networks for encoded rows of `shape`, one set per member."""
        return self.model_type(shape, self.settings_, draws)

    def _schedules(self, n: int) -> tuple[Schedule, ...]:
        """How to train on n rows, for each stage."""
        return (self.settings_.schedule(n),)

    def reconstruct(self, X: Any) -> Floats:
        """What the detector makes of each row or image, in the input's units and shape; the mean over members."""
        data = self._check(X)
        encoded = self.encoder_.encode(data.x)
        with torch.no_grad():
            parts = [self.model_.reconstruct(chunk)[:, :n].mean(0).cpu().numpy() for chunk, n in self._chunks(encoded)]
        return np.asarray(self.encoder_.decode(np.concatenate(parts)))

    def score_spread(self, X: Any) -> Floats:
        """How far the members differ over each row or image: the standard deviation (n,) of their scores.

        Where it is large beside the scores' own differences, the score is not to be relied on.

        Raises
        ------
        InvalidInputError
            When there is one member only.
        """
        if self.members < 2:
            raise InvalidInputError(f"score_spread needs at least two members, got members={self.members}.")
        parts = [
            sum(terms.values()) for x in self._encoded(self._check(X).x) for terms in self._by_member(self._inside(x))
        ]
        return np.concatenate([part.std(0, correction=1).cpu().numpy() for part in parts])  # type: ignore[union-attr]

    def describe(self) -> dict[str, Any]:
        """What this detector is and how it came about, JSON-able."""
        return super().describe() | {
            "seeds": list(self.seeds_),
            "health": list(self.health_),
            "weights": self._n_weights(),
        }

    def _n_weights(self) -> int:
        return sum(p.numel() for p in self.model_.parameters()) // len(self.seeds_)

    def _learn(self, x: Encoded, rng: np.random.Generator, beside: Beside) -> None:
        if self.members < 1:
            raise InvalidInputError(f"members must be at least 1, got {self.members}.")
        _check_device(self.device)
        first = rng.integers(2**31, size=1)
        train_on, keep = self._validation(x, rng)
        # The others' seeds come last, so that the first member is the same alone and among others.
        self.seeds_ = tuple(int(seed) for seed in (*first, *rng.integers(2**31, size=self.members - 1)))
        draws = Draws(self.seeds_, self.device)
        self.model_ = self._build(x.shape[1:], draws).to(self.device)
        rows = torch.from_numpy(train_on).to(self.device)
        schedules = self._schedules(len(rows))
        parts = _finished_stages(beside.checkpoints)
        done = sum(schedule.steps for schedule in schedules[: len(parts)])

        def settle_and_watch(step: int) -> None:
            self._settle(train_on)
            if beside.watch is not None:
                beside.watch(done + step)

        total = sum(schedule.steps for schedule in schedules)
        with progress("Training", total=total, unit="steps", enabled=self.verbose) as advance:
            advance(done)
            for turns, schedule in [*zip(self.model_.stages(), schedules, strict=True)][len(parts) :]:
                history = train(
                    self.model_,
                    turns,
                    rows,
                    schedule,
                    draws,
                    advance=advance,
                    watch=settle_and_watch if beside.watch else None,
                    watch_every=beside.watch_every,
                    keep=keep if len(parts) + 1 == len(schedules) else None,
                    saver=_StageSaver(beside.checkpoints, self.seed_, done, parts) if beside.checkpoints else None,
                )
                parts.append(history)
                done += schedule.steps
        self._settle(train_on)
        self._remember_training(parts)

    def _validation(self, x: Encoded, rng: np.random.Generator) -> tuple[Encoded, Keep | None]:
        """The rows to train on, and how to tell the best weights by the others."""
        if self.settings_.keep == "last":
            return x, None
        order = rng.permutation(len(x))
        held_out = max(1, min(len(x) - 1, round(self.settings_.validation_fraction * len(x))))
        validation = x[np.sort(order[:held_out])]

        def criterion() -> Tensor:
            values = [self.model_.criterion(chunk)[:, :n].sum(1) for chunk, n in self._chunks(validation)]
            return torch.stack(values).sum(0) / held_out

        return x[np.sort(order[held_out:])], Keep(criterion)

    def _remember_training(self, parts: list[History]) -> None:
        """Histories of the stages, one after the other."""
        self.history_: dict[str, Array] = {}
        steps, symptoms = 0, dict[str, list[int]]()
        for history in parts:
            curves = {name: curve.cpu().numpy() for name, curve in history.curves().items()}
            if curves:
                self._append(np.array(history.steps) + steps, curves)
                steps += history.steps[-1]
            symptoms |= history.symptoms
        self.health_ = [self._sentence(words, ill) for words, ill in symptoms.items()]
        for sentence in self.health_:
            warnings.warn(sentence, HealthWarning, stacklevel=4)

    def _append(self, steps: Array, curves: dict[str, Array]) -> None:
        """Add a stage to `history_`: who doesn't play in a stage has no number there."""
        before, now = len(self.history_.get("step", ())), len(steps)
        idle = np.full((now, self.members), np.nan, dtype=np.float32)
        not_yet = np.full((before, self.members), np.nan, dtype=np.float32)
        names = dict.fromkeys([*self.history_, *curves])
        joined = {n: np.concatenate([self.history_.get(n, not_yet), curves.get(n, idle)]) for n in names if n != "step"}
        self.history_ = {"step": np.concatenate([self.history_.get("step", steps[:0]), steps])} | joined

    def _settle(self, x: Encoded) -> None:
        with torch.no_grad():
            self.model_.settle(chunk[:, :n] for chunk, n in self._chunks(x))

    def _sentence(self, words: str, ill: list[int]) -> str:
        who = "" if self.members == 1 else f" (members {', '.join(map(str, ill))} of {self.members})"
        return f"{words}{who}"

    def _chunks(self, x: Encoded) -> Iterator[tuple[Tensor, int]]:
        """Chunks (K, C, ...) of one size, and how many of their rows are real."""
        size = self.model_.rows_a_chunk if x.ndim == 2 else self.model_.images_a_chunk
        for part, n in chunks(x, size):
            rows = torch.from_numpy(part).to(self.device)
            yield rows.expand(len(self.seeds_), *rows.shape), n

    def _terms(self, x: Encoded) -> dict[str, Floats]:
        parts: dict[str, list[Array]] = {}
        for terms in self._by_member(x):
            for name, values in terms.items():
                parts.setdefault(name, []).append(values.mean(0).cpu().numpy())
        return {name: np.concatenate(values) for name, values in parts.items()}

    def _by_member(self, x: Encoded) -> Iterator[dict[str, Tensor]]:
        """Terms (K, n) of each member for encoded rows, in parts."""
        with torch.no_grad():
            for chunk, n in self._chunks(x):
                yield {name: values.double()[:, :n] for name, values in self.model_.score_terms(chunk).items()}

    def _state(self) -> tuple[dict[str, Any], persistence.Arrays]:
        arrays = {f"model.{name}": value.cpu().numpy() for name, value in self.model_.state_dict().items()}
        arrays |= {f"history.{name}": value for name, value in self.history_.items()}
        return {"seeds": list(self.seeds_), "health": list(self.health_)}, arrays

    def _restore(self, state: dict[str, Any], arrays: persistence.Arrays) -> None:
        self.seeds_, self.health_ = tuple(state["seeds"]), list(state["health"])
        self.model_ = self._build(self._encoded_shape(), Draws(self.seeds_, self.device))
        weights = {name: torch.from_numpy(a) for name, a in persistence.under("model.", arrays).items()}
        for name, value in self.model_.state_dict().items():
            came = tuple(weights[name].shape) if name in weights else None
            if came != tuple(value.shape):
                raise ValueError(f"'{name}' must have the shape {tuple(value.shape)}, got {came}")
        self.model_.load_state_dict(weights)
        self.model_.to(self.device).eval()
        self.history_ = persistence.under("history.", arrays)
