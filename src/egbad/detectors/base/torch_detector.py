"""`TorchDetector`: base class of the detectors whose networks are trained in steps."""

import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from egbad.arrays import Array, Floats, State, check_arrays
from egbad.detectors.base.batching import ModelRunner, map_batches
from egbad.detectors.base.detector import Detector, FitContext
from egbad.detectors.base.ensemble_scores import (
    find_tied_members,
    mean_attribution,
    mean_loss,
    mean_reconstruction,
    mean_terms,
)
from egbad.detectors.base.feature_detector import FeatureDetector
from egbad.detectors.base.inputs import Encoded
from egbad.detectors.base.member_scores import MemberScoresMixin
from egbad.detectors.base.model import Model
from egbad.detectors.base.saved_networks import (
    VALIDATION_ROWS,
    EnsembleState,
    array_specs,
    check_members,
    history_specs,
)
from egbad.detectors.base.settings import T
from egbad.errors import HealthWarning, InvalidInputError
from egbad.explain.explanation import Attribution
from egbad.model_file import entries_within, validated_entries, with_prefix_removed
from egbad.nn.generators import MemberGenerators, ZeroGenerators
from egbad.nn.precision import matmul_precision, resolve_device
from egbad.nn.threads import call_after_fork, one_thread
from egbad.scoring.learned_rows import Digests
from egbad.training.callbacks import TrainingProgress
from egbad.training.checkpoints import Checkpoints
from egbad.training.config import EarlyStopping, TrainingConfig
from egbad.training.ensemble import EnsembleTrainer, split_validation
from egbad.training.history import health_messages, loss_curves
from egbad.training.players import Schedule
from egbad.training.process_group import SINGLE_PROCESS, ProcessGroup

R = TypeVar("R")

_SMALL_BATCH_COLUMNS = 128  # below it, a batch of as many rows as a chunk gains nothing from more threads


def _reconstructs(detector: "TorchDetector[Any]") -> bool:
    """Return True if the detector's model has reconstructions; without them the detector has no `reconstruct`."""
    return detector.model_type.reconstruct is not Model.reconstruct


def _reconstructs_input(detector: "TorchDetector[Any]") -> bool:
    """Return True if the detector has `reconstruct`: features of a backbone cannot be turned into an image."""
    return _reconstructs(detector) and detector.backbone is None


def _training_threads(model: Model[Any], batch_rows: int) -> AbstractContextManager[None]:
    """Return a context that trains small batches on one thread: more threads would only wait for each other."""
    if len(model.shape) == 3:
        return nullcontext()
    return one_thread() if batch_rows * model.shape[0] < _SMALL_BATCH_COLUMNS * model.chunk_rows else nullcontext()


def _validation_candidates(digests: Digests, earlier: Detector[Any] | None, seed: int) -> NDArray[np.bool_] | None:
    """Return which rows with these digests (n,) the weights of an earlier detector were not trained on; None for all."""
    if not isinstance(earlier, TorchDetector):
        return None
    new = earlier.known_rows().new_rows(digests, np.random.default_rng(seed))
    return new | np.isin(digests, earlier.validation_rows_)


@dataclass(kw_only=True, eq=False, repr=False)
class TorchDetector(MemberScoresMixin, FeatureDetector[T]):
    """A detector whose networks are trained in steps.

    A method defines `model_type`, the networks with their losses and score terms. This class trains an ensemble of
    them, scores in chunks of a fixed shape and stores the weights.

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
    history_ : dict of str to ndarray
        "step" of shape (n_records,), and the loss of each player of shape (n_records, n_members).
    health_ : list of str
        Messages about training: interventions during training and symptoms left at the end.
    model_ : Model
        The trained networks.
    seeds_ : tuple of int
        Seed of each member.
    validation_rows_ : ndarray of uint64
        Digests of the rows that early stopping held out.
    """

    array_names: ClassVar[frozenset[str]] = frozenset({"model", "history", "validation_rows"})
    model_type: ClassVar[type[Model[Any]]]
    parameter_groups: ClassVar[Mapping[str, type[Any]]] = {
        **FeatureDetector.parameter_groups,
        "training": TrainingConfig,
        "early_stopping": EarlyStopping,
    }
    published_values: ClassVar = {**Detector.published_values, "training": {"health_interventions": False}}

    training: TrainingConfig | None = None
    early_stopping: EarlyStopping | None = None
    members: int = 1
    device: str = "auto"

    # -- what a method may override ----------------------------------------------------------------------------------

    def _build(self, shape: tuple[int, ...], generators: MemberGenerators) -> Model[T]:
        """Return untrained networks for encoded rows of a shape, one set for each member."""
        return self.model_type(shape, self.settings_, generators)

    def _schedules(self, n: int) -> tuple[Schedule, ...]:
        """Return the schedule of each stage of training on n rows."""
        return (self.settings_.training.schedule(n),)

    def _finalize(self, model: Model[T], x: Encoded) -> None:
        """Complete a trained model, given all encoded training rows x (n, ...)."""
        with torch.no_grad():
            model.finalize(chunk[:, :n] for chunk, n in self._runner_of(model).chunks(x))

    # -- fitting -----------------------------------------------------------------------------------------------------

    def partial_fit(
        self,
        X: Any,
        y: None = None,
        *,
        checkpoints: Checkpoints | None = None,
        process_group: ProcessGroup = SINGLE_PROCESS,
    ) -> Self:
        """Continue training on new normal rows or images, from the present weights.

        Columns are scaled as before. A fraction of X is held out and sets a new threshold, since scores change with the
        weights. What was learned from earlier rows fades where new rows contradict it. A detector that is not fitted is
        fitted.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images of shape (n_samples, [channels,] height, width)
            New rows or images with the columns or the size that the detector was fitted on.
        y : None
            Ignored.
        checkpoints : Checkpoints, optional
            Checkpoints to resume from and to write, see `fit`.
        process_group : ProcessGroup
            Processes that train together, see `fit`.

        Returns
        -------
        self

        Raises
        ------
        InvalidInputError
            If X does not match the fitted detector, or has fewer than two rows.
        TrainingError
            If training ends without usable weights.
        """
        if not hasattr(self, "model_"):
            return self.fit(X, checkpoints=checkpoints, process_group=process_group)
        started = time.perf_counter()
        context = FitContext(checkpoints=checkpoints, init_from=self, process_group=process_group)
        with context.lock():
            return call_after_fork(lambda: self._fit(self.check_input(X), context, started, self.encoder_))

    def _check_init_from(self, init_from: Detector[Any] | None) -> None:
        """Raise an error unless `init_from` is None or a fitted detector of the same class."""
        if init_from is not None and type(init_from) is not type(self):
            raise InvalidInputError(f"init_from must be a fitted {type(self).__name__}, got {init_from!r}.")
        if init_from is not None:
            check_is_fitted(init_from)

    def _learn(self, x: Encoded, rng: np.random.Generator, context: FitContext) -> None:
        """Train an ensemble on encoded normal rows or images."""
        self.device_ = resolve_device(self.device)
        first_seed = rng.integers(2**31, size=1)
        validation: Encoded | None = None
        held_out_digests: Digests = np.empty(0, np.uint64)
        if self.settings_.early_stopping.criterion == "validation" and context.digests is not None:
            candidates = _validation_candidates(context.digests, context.init_from, self.seed_)
            n, fraction = len(context.digests), self.settings_.early_stopping.fraction
            train, held_out = split_validation(n, fraction, rng, candidates)
            held_out_digests = context.digests[held_out]
            x, validation = x[context.rows_of(train)], x[context.rows_of(held_out)]
        self.validation_rows_ = held_out_digests
        # The seeds of the other members are drawn last, so that the first member does not depend on their number.
        seeds = [int(seed) for seed in (*first_seed, *rng.integers(2**31, size=self.members - 1))]
        weights = None
        if isinstance(context.init_from, TorchDetector):
            weights = {name: value.clone() for name, value in context.init_from.model_.state_dict().items()}
        with matmul_precision(self.settings_.training.precision, self.device_):
            ensemble = self._trainer(x, validation, context).train(seeds, weights)
        self._set_model(ensemble.model, ensemble.seeds)
        self.history_ = loss_curves(ensemble.stages, self.members)
        events, symptoms = health_messages(ensemble.stages, self.members)
        self.health_ = [*events, *symptoms]
        for message in symptoms:
            warnings.warn(message, HealthWarning, stacklevel=5)

    def _trainer(self, x: Encoded, validation: Encoded | None, context: FitContext) -> EnsembleTrainer[Model[T]]:
        """Return the trainer of this detector's networks on encoded rows x (n, ...)."""

        def build(generators: MemberGenerators) -> Model[T]:
            return self._build(x.shape[1:], generators).to(self.device_)

        def look(model: Model[T], progress: TrainingProgress) -> None:
            self._set_model(model, model.generators.seeds)
            self.history_, self.health_ = progress.history, progress.health
            if context.on_look is not None:
                context.on_look(progress)

        return EnsembleTrainer(
            build=build,
            x=torch.from_numpy(x).to(self.device_),
            device=self.device_,
            schedules=self._schedules(len(x)),
            finalize=lambda model: self._finalize(model, x),
            find_tied_members=lambda model: find_tied_members(self._runner_of(model), x),
            validation_loss=None if validation is None else lambda model: mean_loss(self._runner_of(model), validation),
            early_stopping=EarlyStopping(**self.settings_.early_stopping.model_dump()),
            seed=self.seed_,
            process_group=context.process_group,
            checkpoints=context.checkpoints,
            on_step=context.callback.on_step if context.callback else None,
            on_look=look if context.on_look else None,
            look_interval=context.callback_interval,
            show_progress=self.verbose,
            compute_context=lambda model: _training_threads(model, self.members * self.settings_.training.batch_size),
        )

    # -- scoring -----------------------------------------------------------------------------------------------------

    def _runner_of(self, model: Model[T]) -> ModelRunner:
        """Return a runner of a model on any number of rows or images."""
        return ModelRunner(model, self.device_, self.settings_.training.precision)

    def _set_model(self, model: Model[T], seeds: tuple[int, ...]) -> None:
        """Set the model that scores, and the seeds of its members."""
        if getattr(self, "model_", None) is not model:
            self.model_, self._runner = model, self._runner_of(model)
        self.seeds_ = seeds

    @available_if(_reconstructs_input)  # type: ignore[untyped-decorator]
    def reconstruct(self, X: Any) -> Floats:
        """Return the reconstruction of each row or image, averaged over the members.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images of shape (n_samples, [channels,] height, width)

        Returns
        -------
        ndarray of the shape of X
            In the units of X.

        Raises
        ------
        InvalidInputError
            If X does not match the fitted detector.
        """
        expected = self._expected(self.encoder_.encode(self.check_input(X).x))
        return self._to_user_units(np.asarray(self.encoder_.decode(expected)))

    def _map_batches(self, work: Callable[[Array], R], x: Array) -> list[R]:
        """Apply a function to batches of rows or images x (n, ...), at least one for each thread.

        While a GPU scores one batch, other threads encode the next ones.
        """
        return map_batches(work, x, self._runner.batch_size(len(x), self.encoded_shape), parallel=True)

    def _terms(self, x: Encoded) -> dict[str, Floats]:
        """Return the score terms (n,) of a batch of encoded rows or images, averaged over the members."""
        return mean_terms(self._runner, x)

    def _attribute(self, x: Encoded) -> Attribution:
        """Attribute the scores of encoded x (n, ...) by the model's own method, if it has reconstructions."""
        return mean_attribution(self._runner, x) if _reconstructs(self) else super()._attribute(x)

    def _expected(self, x: Encoded) -> Array:
        """Return the reconstruction of encoded x (n, ...), averaged over the members, if the model has one."""
        return mean_reconstruction(self._runner, x) if _reconstructs(self) else super()._expected(x)

    # -- storage -----------------------------------------------------------------------------------------------------

    def describe(self) -> dict[str, Any]:
        """Return a JSON-able description of the fitted detector: parameters, settings, input, training and versions.

        Returns
        -------
        dict
        """
        return super().describe() | {
            "seeds": list(self.seeds_),
            "health": list(self.health_),
            "weights": sum(p.numel() for p in self.model_.parameters()) // len(self.seeds_),
        }

    def _state(self) -> tuple[dict[str, Any], State]:
        """Return seeds and health messages as JSON, weights and loss curves as arrays."""
        arrays = {f"model.{name}": value.cpu().numpy() for name, value in self.model_.state_dict().items()}
        arrays |= {f"history.{name}": value for name, value in self.history_.items()}
        arrays["validation_rows"] = self.validation_rows_
        return {"seeds": list(self.seeds_), "health": list(self.health_)}, arrays

    def _restore(self, state: dict[str, Any], arrays: State) -> None:
        """Restore what `_state` returned."""
        found = validated_entries(EnsembleState, state, "state.method")
        seeds, self.health_ = found.seeds, found.health
        weights = with_prefix_removed("model.", arrays)
        with entries_within("model."):
            check_members(weights, len(seeds))
        # A network without memory shows the sizes that the arrays must have, however large they are.
        specs = array_specs(lambda: self._build(self.encoded_shape, ZeroGenerators(seeds, "meta")))
        with entries_within("model."):
            check_arrays(weights, specs)
        self.device_ = resolve_device(self.device) if torch.cuda.is_available() else "cpu"
        # No random weights are drawn: those of the file replace them.
        model = self._build(self.encoded_shape, ZeroGenerators(seeds, self.device_))
        model.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
        self._set_model(model.to(self.device_).eval(), seeds)
        self.history_ = with_prefix_removed("history.", arrays)
        with entries_within("history."):
            check_arrays(self.history_, history_specs(self.history_), {"n_members": len(seeds)})
        digests = arrays.get("validation_rows", np.empty(0, np.uint64))
        check_arrays({"validation_rows": digests}, {"validation_rows": VALIDATION_ROWS})
        self.validation_rows_ = digests
