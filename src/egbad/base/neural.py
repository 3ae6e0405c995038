"""`TorchDetector`: what every detector does whose networks are trained, around its `Model`."""

import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from math import ceil, prod
from typing import Any, ClassVar, Self, TypeVar, get_args

import numpy as np
import torch
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from egbad import persistence
from egbad.base.detector import Array, Beside, Detector, Encoded, chunks
from egbad.base.learning import StageSaver, at_the_end, curves, finished_stages, merge, sentences, together
from egbad.base.model import Model, total
from egbad.base.parallel import each, one_thread
from egbad.base.settings import T
from egbad.checkpoints import Checkpoints
from egbad.draws import Draws
from egbad.encoding import distinct_rows
from egbad.errors import HealthWarning, InvalidInputError, TrainingError, unknown
from egbad.explanation import Parts
from egbad.gpu import Precision, precisely
from egbad.health import BROKEN, TIED, Symptom
from egbad.keeping import Keep
from egbad.progress import progress
from egbad.ranks import ALONE, Ranks, current, learning
from egbad.scoring import Floats
from egbad.training import History, Schedule, train

C = TypeVar("C")

_CHUNKS_A_PART = 16  # that are encoded together, at most
_WORTH_THREADS = 4  # usual chunks: fewer take no longer than threads take to start
_ROWS = 2560  # of a large chunk, over all members, at most: bounds memory
_PIXELS = 2**18  # of a large chunk of images, the same
_PIXELS_ON_GPU = 2**22  # the same there
_PADDED = 1.125  # of the rows that usual chunks come to: what larger ones may come to, with those that fill the last
_COMPARED = 8  # images by which chunks of two sizes are compared
_SMALL = 128  # columns that a batch may have, if it has as many rows as are scored at once, to be a small one
_HELD_OUT = 4096  # rows that tell the best weights, at most
_RESTARTS = 2  # how often a member that ends worthless is trained anew
_TIED_ROWS = 20  # that differ: fewer say nothing of ties
_NEAR = 0.1  # standard deviation of the way from rows to near them, in encoded units
_TIED_SHARE = 0.1  # of rows that differ and have a score that another has, from which on that is a symptom


def _chosen(device: str) -> str:
    """The device that a parameter means.

    Raises
    ------
    InvalidInputError
        When torch doesn't know it, or this machine hasn't got it.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise InvalidInputError(
            f"device must be one that torch knows, such as 'cpu' or 'cuda', or 'auto', got {device!r}."
        ) from error
    if found.type == "cuda" and not torch.cuda.is_available():
        raise InvalidInputError(
            f"device={device!r} needs CUDA, which this machine or this build of torch hasn't. Use 'cpu' or 'auto'."
        )
    return device


def _rebuilds(detector: "TorchDetector[Any]") -> bool:
    """Whether a detector's model makes reconstructions: where not, it has no `reconstruct`."""
    return detector.model_type.reconstruct is not Model.reconstruct


def _spread(parts: list[dict[str, Tensor]]) -> Floats:
    """The standard deviation (n,) over members of scores in parts of terms (K, n)."""
    scores = torch.cat([total(terms) for terms in parts], dim=1)
    return np.asarray(scores.std(0, correction=1).cpu().numpy())


def _take_weights(model: Model[Any], weights: Mapping[str, Tensor]) -> None:
    """Begin with the weights of another model of the same shape."""
    own = model.state_dict()
    odd = [name for name in own.keys() | weights.keys() if name not in own or name not in weights]
    odd += [name for name in own.keys() & weights.keys() if own[name].shape != weights[name].shape]
    if odd:
        raise InvalidInputError(
            "start must have networks of the same shape: as many members, the same settings, and data that is encoded to as "
            f"many columns. They differ in {len(odd)} of {len(own)} tensors, '{min(odd)}' among them."
        )
    model.load_state_dict(weights)


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
        Which weights stay at the end. "best" holds out `validation_fraction` of the training rows, at most 4,096 of them,
        and keeps the weights that know them best; some methods have no measure of that.
    validation_fraction : float, optional
        For keep="best", in (0, 1).
    look_every : int, optional
        For keep="best": steps between two looks at the rows held out. By default a fiftieth of the run.
    patience, least_gain : int, float, optional
        For keep="best": training ends once the rows held out are known better by no more than the share `least_gain`, in
        [0, 1), over so many looks. Without `patience` it takes all its steps.
    members : int
        Networks that are trained side by side from different seeds; the score is their mean.
    device : str
        Where the networks are trained and scored: "cpu", "cuda", or "auto", the GPU where there is one. What was trained on
        a GPU is scored on the CPU where there is none.
    precision : {"float32", "tf32", "bf16"}
        Of matrix products and convolutions, in training and in scores. "tf32" matters on a GPU only and changes a score by
        a two-thousandth in the median and a two-hundredth at most, "bf16" by ten times that. Networks as small as those of
        rows are no faster by either, ten members on images by a quarter.

    Attributes
    ----------
    history_ : dict of str to array
        "step" (r,), and the loss of each player (r, members).
    health_ : list of str
        What went wrong in training and what was done about it, a sentence each.
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
    look_every: int | None = None
    patience: int | None = None
    least_gain: float | None = None
    members: int = 1
    device: str = "auto"
    precision: Precision = "float32"

    def _build(self, shape: tuple[int, ...], draws: Draws) -> Model[T]:
        """Fresh networks for encoded rows of `shape`, one set per member."""
        return self.model_type(shape, self.settings_, draws)

    def _schedules(self, n: int) -> tuple[Schedule, ...]:
        """How to train on n rows, for each stage."""
        return (self.settings_.schedule(n),)

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
        return self._fit(self._check(X), Beside(checkpoints=checkpoints, start=self), started, self.encoder_)

    def _check_start(self, start: Detector[Any] | None) -> None:
        if start is not None and type(start) is not type(self):
            raise InvalidInputError(f"start must be a fitted {type(self).__name__}, got {start!r}.")
        if start is not None:
            check_is_fitted(start)

    @available_if(_rebuilds)  # type: ignore[untyped-decorator]
    def reconstruct(self, X: Any) -> Floats:
        """What the detector makes of each row or image, in the input's units and shape; the mean over members."""
        expected = self._expected(self.encoder_.encode(self._check(X).x))
        return self._in_users_units(np.asarray(self.encoder_.decode(expected)))

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

        def spread(part: Array) -> Floats:
            return _spread(self._by_member(self._inside(self.encoder_.encode(part))))

        return np.concatenate(self._each_part(spread, self._check(X).x))

    def _each_part(self, work: Callable[[Array], C], x: Array) -> list[C]:
        """What `work` makes of rows or images x (n, ...), in parts that are as many as there are threads, or more.

        Where a GPU scores one part, the others are encoded meanwhile.
        """
        if self.model_.one_by_one:
            return super()._each_part(work, x)
        chunk = self._usual(self._encoded_shape())
        threads = torch.get_num_threads() if len(x) >= _WORTH_THREADS * chunk else 1
        most = _CHUNKS_A_PART if self.device_ == "cpu" else 1
        size = min(most, ceil(len(x) / (threads * chunk))) * chunk
        return each(work, (x[start : start + size] for start in range(0, len(x), size)))

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
        beside: Beside,
        weights: Mapping[str, Tensor] | None = None,
    ) -> list[History]:
        """Build a member for each seed and train them, stage by stage, from fresh weights or from these."""
        self.seeds_ = tuple(seeds)
        draws = Draws(self.seeds_, self.device_)
        self.model_: Model[T] = self._build(train_on.shape[1:], draws).to(self.device_)
        if weights is not None:
            _take_weights(self.model_, weights)
        rows = torch.from_numpy(train_on).to(self.device_)
        self.model_.prepare(rows)
        schedules = self._schedules(len(rows))
        parts = finished_stages(beside.checkpoints)
        done = sum(schedule.steps for schedule in schedules[: len(parts)])
        settings = self.settings_
        keep = (
            None
            if validation is None
            else Keep(self._criterion_on(validation), settings.look_every, settings.patience, settings.least_gain)
        )

        def settle_and_watch(step: int) -> None:
            self._settle(train_on)
            if beside.watch is not None:
                beside.watch(done + step)

        total = sum(schedule.steps for schedule in schedules)
        with ExitStack() as stack:
            advance = stack.enter_context(
                progress("Training", total=total, unit="steps", enabled=self.verbose and current().first)
            )
            if self._small(train_on.shape[1:]):
                stack.enter_context(one_thread())
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
                    saver=StageSaver(beside.checkpoints, self.seed_, done, parts) if beside.checkpoints else None,
                )
                parts.append(history)
                done += schedule.steps
        self._settle(train_on)
        if total:
            parts[-1].symptoms |= current().everybody(self._tied(train_on))[0]
        return parts

    def _small(self, shape: tuple[int, ...]) -> bool:
        """Whether a batch is so small that more threads gain nothing: they only wait for each other where a core is busy."""
        if len(shape) == 3:
            return False
        return self.members * self.settings_.batch_size * shape[0] < _SMALL * self.model_.rows_a_chunk

    def _learn(self, x: Encoded, rng: np.random.Generator, beside: Beside) -> None:
        if self.members < 1:
            raise InvalidInputError(f"members must be at least 1, got {self.members}.")
        if self.precision not in get_args(Precision):
            raise unknown("precision", self.precision, get_args(Precision))
        self.device_ = _chosen(self.device)
        first = rng.integers(2**31, size=1)
        train_on, validation = self._validation(x, rng)
        # The others' seeds come last, so that the first member is the same alone and among others.
        seeds = [int(seed) for seed in (*first, *rng.integers(2**31, size=self.members - 1))]
        weights = None if beside.start is None else {k: v.clone() for k, v in beside.start.model_.state_dict().items()}
        ranks = current()
        if 1 < ranks.world <= self.members and not (beside.checkpoints and beside.checkpoints.newest):
            mine = [*range(self.members)[ranks.rank :: ranks.world]]
            own = None if weights is None else {name: value[mine] for name, value in weights.items()}
            with learning(ALONE):
                apart = replace(beside, checkpoints=None)
                parts = self._train_well([seeds[m] for m in mine], train_on, validation, apart, own)
            parts = self._gather(ranks, mine, parts, train_on.shape[1:])
        else:
            parts = self._train_well(seeds, train_on, validation, beside, weights)
        self._remember_training(parts)

    def _gather(self, ranks: Ranks, mine: list[int], parts: list[History], shape: tuple[int, ...]) -> list[History]:
        """All members, and their histories, from the processes that trained some each."""
        state = {name: value.cpu() for name, value in self.model_.state_dict().items()}
        found = ranks.everybody((mine, self.seeds_, state, parts))
        order = np.argsort([m for members, *_ in found for m in members])
        self.seeds_ = tuple(int(seed) for seed in np.concatenate([seeds for _, seeds, *_ in found])[order])
        self.model_ = self._build(shape, Draws(self.seeds_, self.device_)).to(self.device_).eval()
        self.model_.load_state_dict(
            {name: torch.cat([theirs[name] for _, _, theirs, _ in found])[torch.from_numpy(order)] for name in state}
        )
        return together([(members, theirs) for members, _, _, theirs in found], self.members)

    def _train_well(
        self,
        seeds: list[int],
        train_on: Encoded,
        validation: Encoded | None,
        beside: Beside,
        weights: Mapping[str, Tensor] | None,
    ) -> list[History]:
        """Train members, those that end worthless anew from other seeds -> the histories of the stages."""
        with precisely(self.precision, self.device_):
            parts = self._train(seeds, train_on, validation, beside, weights)
            for again in range(1, _RESTARTS + 1):
                ill = sorted({m for s, members in at_the_end(parts).items() if s.restart for m in members})
                if not ill:
                    break
                model = self.model_
                new_seeds = [int(np.random.SeedSequence([seeds[m], again]).generate_state(1)[0]) for m in ill]
                anew = self._train(new_seeds, train_on, validation, Beside())
                for name, value in model.state_dict().items():
                    value[ill] = self.model_.state_dict()[name]
                merge(parts, anew, ill)
                for member, seed in zip(ill, new_seeds, strict=True):
                    seeds[member] = seed
                self.model_, self.seeds_ = model, tuple(seeds)
        return parts

    def _validation(self, x: Encoded, rng: np.random.Generator) -> tuple[Encoded, Encoded | None]:
        """The rows to train on, and those by which the best weights are told."""
        if self.settings_.keep == "last":
            return x, None
        if len(x) == 1:
            return x, x
        order = rng.permutation(len(x))
        held_out = max(1, min(_HELD_OUT, len(x) - 1, round(self.settings_.validation_fraction * len(x))))
        return x[np.sort(order[held_out:])], x[np.sort(order[:held_out])]

    def _criterion_on(self, validation: Encoded) -> Callable[[], Tensor]:
        def criterion() -> Tensor:
            values = [self.model_.criterion(chunk)[:, :n].sum(1) for chunk, n in self._chunks(validation)]
            return torch.stack(values).sum(0) / len(validation)

        return criterion

    def _tied(self, x: Encoded) -> dict[Symptom, list[int]]:
        """Members that give the same score to many rows or images that differ, seen near some of x (n, ...).

        Near them, not on them: what a model remembers is all equally normal.
        """
        some = x[distinct_rows(x[: self._usual(x.shape[1:])])]
        if len(some) < _TIED_ROWS:
            return {}
        moved = some + np.random.default_rng(0).normal(scale=_NEAR, size=some.shape).astype(np.float32)
        parts = [torch.stack([*terms.values()]).sum(0).cpu().numpy() for terms in self._by_member(moved)]
        scores = np.concatenate(parts, axis=1)
        tied = [m for m, own in enumerate(scores) if len(np.unique(own)) < (1 - _TIED_SHARE) * len(own)]
        return {TIED: tied} if tied else {}

    def _remember_training(self, parts: list[History]) -> None:
        """Curves and health, from the histories of the stages."""
        broken = at_the_end(parts).get(BROKEN)
        if broken:
            raise TrainingError(
                f"Training broke down, {_RESTARTS + 1} times from different seeds: {BROKEN.words} (members "
                f"{', '.join(map(str, broken))} of {self.members}). {BROKEN.advice}"
            )
        self.history_ = curves(parts, self.members)
        done, left = sentences(parts, self.members)
        self.health_ = [*done, *left]
        for sentence in left:
            warnings.warn(sentence, HealthWarning, stacklevel=4)

    def _settle(self, x: Encoded) -> None:
        with torch.no_grad():
            self.model_.settle(chunk[:, :n] for chunk, n in self._chunks(x))

    def _chunks(self, x: Encoded, size: int = 0) -> Iterator[tuple[Tensor, int]]:
        """Chunks (K, C, ...) of one size, by default the usual one, and how many of their rows are real."""
        for part, n in chunks(x, size or self._usual(x.shape[1:])):
            rows = torch.from_numpy(part).to(self.device_)
            yield rows.expand(len(self.seeds_), *rows.shape), n

    def _usual(self, shape: tuple[int, ...]) -> int:
        """How many encoded rows or images of `shape` are scored at once, if not a few or very many."""
        usual = self.model_.rows_a_chunk if len(shape) == 1 else self.model_.images_a_chunk
        if self.device_ == "cpu":
            return usual
        most = self.model_.on_gpu * usual // len(self.seeds_)
        if len(shape) == 3:
            most = min(most, _PIXELS_ON_GPU // prod(shape))
        return max(usual, 1 << (max(1, most).bit_length() - 1))

    def _best(self, x: Encoded) -> int:
        """The size of chunks to score x (n, ...) in: the smallest that holds all, or the largest that is filled well enough."""
        usual = self._usual(x.shape[1:])
        pixels = int(np.prod(x.shape[1:]))
        others = (
            [n for n in self.model_.other_rows if n <= usual or n * len(self.seeds_) <= _ROWS]
            if x.ndim == 2
            else [n for n in self.model_.other_images if n <= usual or n * pixels <= _PIXELS]
        )
        if self.device_ != "cpu" or usual <= min(others, default=usual):
            return usual
        holding = sorted(n for n in others if len(x) <= n < usual)
        most = _PADDED * usual * ceil(len(x) / usual)
        filled = sorted((n for n in others if usual < n <= len(x) and n * ceil(len(x) / n) <= most), reverse=True)
        return next((n for n in (*holding, *filled) if self._alike(n, usual, x.shape[1:])), usual)

    def _alike(self, size: int, usual: int, shape: tuple[int, ...]) -> bool:
        """Whether rows in chunks of this size have the bits here that they have in the usual ones.

        Found out when it is asked a second time: a first few rows are sooner scored in a usual chunk.
        """
        known: dict[int, bool | None] = self.model_.__dict__.setdefault("alike", {})
        if size not in known:
            known[size] = None
            return False
        found = known[size]
        if found is None:
            n = max(size, usual if len(shape) == 1 else _COMPARED)
            x = np.random.default_rng(0).normal(size=(n, *shape)).astype(np.float32)
            found = known[size] = torch.equal(self._bits(x, size), self._bits(x, usual))
        return found

    def _bits(self, x: Encoded, size: int) -> Tensor:
        """All terms of each member (terms, K, n) by chunks of this size, on one thread."""
        with one_thread():
            parts = self._in_turn(lambda chunk, n: torch.stack([*self._some_terms(chunk, n).values()]), x, size)
        return torch.cat(parts, dim=2)

    def _terms(self, x: Encoded) -> dict[str, Floats]:
        parts: dict[str, list[Array]] = {}
        for terms in self._by_member(x):
            for name, values in terms.items():
                parts.setdefault(name, []).append(values.mean(0).cpu().numpy())
        return {name: np.concatenate(values) for name, values in parts.items()}

    def _shares(self, x: Encoded) -> Parts:
        if not _rebuilds(self):
            return super()._shares(x)

        def mean_shares(chunk: Tensor, n: int) -> tuple[Array, Array, dict[str, Tensor]]:
            found = self.model_.shares(chunk)
            shares, expected = (
                v[:, :n].detach().double().mean(0).cpu().numpy() for v in (found.shares, found.expected)
            )
            return shares, expected, {name: v.detach().double()[:, :n] for name, v in found.terms.items()}

        parts = self._each_chunk(mean_shares, x)
        shares, expected = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
        scored = [part[2] for part in parts]
        terms = {
            name: torch.cat([part[name] for part in scored], dim=1).mean(0).cpu().numpy()  # (n,)
            for name in scored[0]
        }
        # What is not shared out: the score of what is expected, and what single precision rounds.
        base = np.asarray(sum(terms.values())) - shares.reshape(len(x), -1).sum(axis=1)
        spread = _spread(scored) if self.members > 1 else None
        return Parts(shares, base, expected, self.model_.explains_by, terms, spread)

    def _expected(self, x: Encoded) -> Array:
        if not _rebuilds(self):
            return super()._expected(x)

        def rebuilt(chunk: Tensor, n: int) -> Array:
            return np.asarray(self.model_.reconstruct(chunk)[:, :n].float().mean(0).cpu().numpy())

        return np.concatenate(self._each_chunk(rebuilt, x))

    def _by_member(self, x: Encoded) -> list[dict[str, Tensor]]:
        """Terms (K, n) of each member for encoded rows, in parts."""
        return self._each_chunk(self._some_terms, x)

    def _some_terms(self, chunk: Tensor, n: int) -> dict[str, Tensor]:
        """Terms (K, n) of the first n rows of a chunk (K, C, ...)."""
        return {name: values.double()[:, :n] for name, values in self.model_.score_terms(chunk).items()}

    def _side_by_side(self) -> bool:
        """Whether chunks are scored at the same time."""
        return self.device_ == "cpu" and not self.model_.one_by_one

    def _each_chunk(self, work: Callable[[Tensor, int], C], x: Encoded) -> list[C]:
        """What `work` makes of every chunk (K, C, ...) of encoded rows and the number of its rows that are real."""
        if not self._side_by_side():
            return self._in_turn(work, x)  # on a GPU it is parts that are side by side

        def precise(part: tuple[Tensor, int]) -> C:
            with precisely(self.precision, self.device_):  # a thread has its own
                return work(*part)

        return each(precise, self._chunks(x, self._best(x)))

    def _in_turn(self, work: Callable[[Tensor, int], C], x: Encoded, size: int = 0) -> list[C]:
        """The same, one chunk after the other."""
        with torch.no_grad(), precisely(self.precision, self.device_):
            return [work(*part) for part in self._chunks(x, size)]

    def _state(self) -> tuple[dict[str, Any], persistence.Arrays]:
        arrays = {f"model.{name}": value.cpu().numpy() for name, value in self.model_.state_dict().items()}
        arrays |= {f"history.{name}": value for name, value in self.history_.items()}
        return {"seeds": list(self.seeds_), "health": list(self.health_)}, arrays

    def _restore(self, state: dict[str, Any], arrays: persistence.Arrays) -> None:
        self.seeds_, self.health_ = tuple(state["seeds"]), list(state["health"])
        self.device_ = _chosen(self.device) if torch.cuda.is_available() else "cpu"
        self.model_ = self._build(self._encoded_shape(), Draws(self.seeds_, self.device_))
        weights = {name: torch.from_numpy(a) for name, a in persistence.under("model.", arrays).items()}
        for name, value in self.model_.state_dict().items():
            came = tuple(weights[name].shape) if name in weights else None
            if came != tuple(value.shape):
                raise ValueError(f"'{name}' must have the shape {tuple(value.shape)}, got {came}")
        self.model_.load_state_dict(weights)
        self.model_.to(self.device_).eval()
        self.history_ = persistence.under("history.", arrays)
