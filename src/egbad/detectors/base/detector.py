"""`Detector`: fitting, calibration and scoring of every method."""

import time
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Generic, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from egbad.arrays import Array, distinct_rows
from egbad.data import ColumnTypes, Data
from egbad.data.quality import warn_of_quality
from egbad.data.ragged import is_ragged
from egbad.detectors.base.html_repr import HtmlReprMixin
from egbad.detectors.base.inputs import Encoded
from egbad.detectors.base.out_of_fold import OutOfFoldMixin
from egbad.detectors.base.provenance import seed_of, versions
from egbad.detectors.base.saving import SaveMixin
from egbad.detectors.base.settings import Recipe, S
from egbad.errors import InvalidInputError
from egbad.explain.exemplars import sample_exemplars
from egbad.nn.threads import call_after_fork
from egbad.preprocessing.config import Preprocessing
from egbad.preprocessing.range_guard import RangeGuard
from egbad.preprocessing.row_encoder import Encoder, RowEncoder
from egbad.preprocessing.trimming import trim
from egbad.scoring import calibration
from egbad.scoring.learned_rows import Digests, LearnedRows, row_digests
from egbad.training.callbacks import Callback, TrainingProgress, as_callback
from egbad.training.checkpoints import Checkpoints
from egbad.training.process_group import SINGLE_PROCESS, ProcessGroup

CallbackLike = Callback | Callable[[int], None]


@dataclass(frozen=True)
class FitContext:
    """Options of one fit: callback, checkpoints, warm start, processes."""

    callback: Callback | None = None
    callback_interval: int = 1000
    on_look: Callable[[TrainingProgress], None] | None = None  # calls `callback` once the detector can score
    checkpoints: Checkpoints | None = None
    init_from: "Detector[Any] | None" = None  # the only option that changes the result
    process_group: ProcessGroup = SINGLE_PROCESS
    digests: Digests | None = None  # of the rows or images that are learned
    image_of: NDArray[np.intp] | None = None  # position of the image of each encoded row, where rows are patches

    def rows_of(self, samples: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the positions of the encoded rows that belong to rows or images at ascending positions."""
        return samples if self.image_of is None else np.flatnonzero(np.isin(self.image_of, samples))

    def lock(self) -> AbstractContextManager[None]:
        """Keep other fits from using the same checkpoints in a `with` block."""
        return nullcontext() if self.checkpoints is None else self.checkpoints.lock(self.process_group)


@dataclass(kw_only=True, eq=False, repr=False)
class Detector(OutOfFoldMixin, HtmlReprMixin, SaveMixin, Generic[S]):
    """Base class of all detectors.

    A method declares its parameters as fields, the `Settings` that they resolve to, and how it learns (`_learn`), scores
    (`_terms`) and is stored (`_state`, `_restore`). These meet encoded input only.

    Parameters
    ----------
    recipe : str
        Source of the values of parameters that are None. "default" is chosen for stability; some methods have "paper".
    preprocessing : Preprocessing, optional
        Scaling, duplicates, range guard and trimming.
    alpha : float
        False-alarm rate of `predict`, in (0, 1).
    calibration_fraction : float
        Fraction of the rows that `fit` holds out of training to set the threshold, in (0, 1).
    n_exemplars : int
        Number of training images that the model keeps, at most 4 MiB of them, drawn at random, or of calibration rows of tables,
        at most 2 MiB. Reports and explanations show images, `egbad.scoring.drift` compares rows. 0 keeps none.
    random_state : int, RandomState, Generator or None
        Seed of all random numbers. None draws a seed, which `seed_` holds.
    verbose : bool
        Show a progress bar on a terminal and in a notebook, or lines on stderr.

    Attributes
    ----------
    settings_ : Settings
        The values that recipe and parameters resolve to.
    threshold_ : float
        Scores above it are anomalies.
    seed_ : int
        The seed that `random_state` gave.
    recalibration_ : Recalibration or None
        Provenance of a threshold that `recalibrate` set.
    """

    recipes: ClassVar[Mapping[str, Recipe]] = {"default": lambda shape: {}}
    # The few parameters that matter, with values worth trying: the search space of `egbad.tuning`.
    tunable: ClassVar[Mapping[str, tuple[Any, ...]]] = {}
    tunable_on_rows: ClassVar[Mapping[str, tuple[Any, ...]]] = {"preprocessing__scaling": ("standard", "minmax")}
    tunable_on_images: ClassVar[Mapping[str, tuple[Any, ...]]] = {}

    recipe: str = "default"
    preprocessing: Preprocessing | None = None
    alpha: float = 0.01
    calibration_fraction: float = 0.1
    n_exemplars: int = 256
    random_state: Any = None
    verbose: bool = False

    # -- what a method defines ---------------------------------------------------------------------------------------

    @abstractmethod
    def _learn(self, x: Encoded, rng: np.random.Generator, context: FitContext) -> None:
        """Learn from encoded normal rows or images."""

    # -- fitting -----------------------------------------------------------------------------------------------------

    def fit(
        self,
        X: Any,
        y: None = None,
        *,
        column_types: ColumnTypes | None = None,
        callback: CallbackLike | Sequence[CallbackLike] | None = None,
        callback_interval: int = 1000,
        checkpoints: Checkpoints | None = None,
        init_from: "Detector[Any] | None" = None,
        process_group: ProcessGroup = SINGLE_PROCESS,
    ) -> Self:
        """Learn from normal rows or images.

        A fraction `calibration_fraction` of them is held out of training and sets the threshold.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images of shape (n_samples, [channels,] height, width)
            NumPy array, pandas or polars frame, or Arrow table.
        y : None
            Ignored.
        column_types : mapping of str to str, optional
            Types of columns by name, "number", "boolean", "category" or "time", where X does not have the right ones.
            Columns of type "ignore", "id" or "label" are not learned, and may be missing from the rows to score.
        callback : Callback, callable, or list of these, optional
            Watches training, see `egbad.training.Callback`. A function is called with the number of steps so far after every
            `callback_interval` training steps. The detector then scores as if training had ended there.
        callback_interval : int, default=1000
            Steps between two looks at the detector.
        checkpoints : Checkpoints, optional
            Saves the state of training from time to time. A fit that was killed resumes from there and ends with the same
            bits. Clear the checkpoints once the detector is saved.
        init_from : Detector, optional
            Fitted detector of the same class whose weights training starts from, for data that has grown. Training that
            ends by early stopping ends sooner then.
        process_group : ProcessGroup
            Processes that train one detector together, from `egbad.distributed.process_group`. Each calls `fit` with the
            same data. By default this process trains alone.

        Returns
        -------
        self

        Raises
        ------
        InvalidInputError
            If X is no table of finite numbers or stack of images, has fewer than two rows, a parameter is out of its range, or
            `init_from` has networks of another shape, or none.
        TrainingError
            If training ends without usable weights.

        Warns
        -----
        DataQualityWarning
            If all columns are constant, or some look like ids.
        CalibrationWarning
            If there are too few rows for `alpha`, or photographs depend on their order, so that more new ones may be flagged.
        """
        started = time.perf_counter()
        self.check_parameters()
        self._check_init_from(init_from)
        context = FitContext(
            as_callback(callback, is_first=process_group.is_first),
            callback_interval,
            checkpoints=checkpoints,
            init_from=init_from,
            process_group=process_group,
        )
        with context.lock():
            return call_after_fork(
                lambda: self._fit(self.check_input(X, fitting=True, column_types=column_types), context, started)
            )

    def _fit(self, data: Data, context: FitContext, started: float, encoder: Encoder | None = None) -> Self:
        """Hold out calibration rows of checked data, learn from the others and set the threshold."""
        n = len(data.x)
        if n < 2:
            raise InvalidInputError(
                f"fit needs at least two rows or images, one to learn from and one to calibrate, got n_samples = {n}."
            )
        warn_of_quality(data)
        rng = self._begin(data, context)
        held_out, remaining = self._split_calibration(data.x, rng, context.init_from)
        x = data.x[remaining]
        if data.coverage_rows is not None:
            x = np.concatenate([x, data.coverage_rows])
        x = trim(x, self.preprocessing_settings_for(self.recipe_shape).trim_fraction, self.seed_, self.column_types_)
        keep = self.kind_ == "images" and self.n_exemplars and not is_ragged(x)
        self.exemplars_ = sample_exemplars(x, self.n_exemplars, self.seed_) if keep else None
        self._learn_from(x, rng, context, encoder)
        self._calibrate_and_keep(data.x[held_out])
        self._warn_of_calibration(stacklevel=5)
        self._end(started, context.checkpoints)
        if context.callback is not None:
            context.callback.on_end(self)
        return self

    def _split_calibration(
        self, x: Array, rng: np.random.Generator, init_from: "Detector[Any] | None"
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the positions of the calibration rows of x (n, ...) and those of the others, in ascending order.

        Rows that the weights of `init_from` were trained on are not held out.
        """
        order = rng.permutation(len(x))
        n_held_out = max(1, min(len(x) - 1, round(self.calibration_fraction * len(x))))
        if init_from is not None:
            new = init_from.known_rows().new_rows(row_digests(x), rng)[order]
            order = np.concatenate([order[new], order[~new]])
            n_held_out = min(n_held_out, int(new.sum()))
            if n_held_out == 0:
                raise InvalidInputError(
                    "The earlier model was trained on all rows of X, so none is left to set the threshold. Add new rows."
                )
        return np.sort(order[:n_held_out]), np.sort(order[n_held_out:])

    def _check_init_from(self, init_from: "Detector[Any] | None") -> None:
        """Refuse a detector to start from; methods with weights override this."""
        if init_from is not None:
            raise InvalidInputError(f"{type(self).__name__} has no weights to start from. Fit without init_from.")

    def fit_component(
        self,
        data: Data,
        checkpoints: Checkpoints | None = None,
        init_from: "Detector[Any] | None" = None,
        process_group: ProcessGroup = SINGLE_PROCESS,
    ) -> None:
        """Learn from all rows or images, as a component of a detector that calls `calibrate` afterwards."""
        started = time.perf_counter()
        self.check_input(data, fitting=True)
        self.exemplars_ = None
        context = FitContext(checkpoints=checkpoints, init_from=init_from, process_group=process_group)
        self._learn_from(data.x, self._begin(data, context), context)
        self._end(started, checkpoints)

    def _begin(self, data: Data, context: FitContext) -> np.random.Generator:
        """Set the seed and open the checkpoints of a fit on checked data."""
        checkpoints = context.checkpoints
        run = self.run_identity(data, context.init_from) if checkpoints is not None else None
        self.seed_ = seed_of(self.random_state)
        if checkpoints is not None and run is not None:
            checkpoints.open(run, context.process_group)
            if checkpoints.newest is not None:
                self.seed_ = int(checkpoints.newest.metadata["seed"])
        self.seed_ = context.process_group.all_gather(self.seed_)[0]  # all processes of a group draw the same numbers
        return np.random.default_rng(self.seed_)

    def _end(self, started: float, checkpoints: Checkpoints | None) -> None:
        self.fit_versions_ = versions()
        self.fit_seconds_ = time.perf_counter() - started + (checkpoints.elapsed_seconds if checkpoints else 0.0)

    def _learn_from(
        self, x: Array, rng: np.random.Generator, context: FitContext, encoder: Encoder | None = None
    ) -> None:
        """Learn from checked normal rows or images x (n, ...), by a fitted encoder or a new one."""
        preprocessing = self.preprocessing_settings_for(self.recipe_shape)
        digests = row_digests(x)
        earlier = None if context.init_from is None else context.init_from.known_rows()
        if preprocessing.drop_duplicates and self.kind_ == "rows":
            first = distinct_rows(x)
            x, digests = x[first], digests[first]
        self.encoder_, self.n_train_ = encoder or self._new_encoder(preprocessing), len(x)
        encoded, image_of = self._learn_encoder(x, fit=encoder is None)
        self.settings_: S = self.settings_for(self.encoded_shape)

        def guard_and_look(progress: TrainingProgress) -> None:
            self._learn_range_guard(encoded)
            if context.callback is not None:
                context.callback.on_look(progress, self)

        on_look = guard_and_look if context.callback else None
        self._learn(encoded, rng, replace(context, on_look=on_look, digests=digests, image_of=image_of))
        self._learn_range_guard(encoded)
        self.learned_rows_ = LearnedRows.from_digests(digests, earlier)

    def _learn_range_guard(self, x: Encoded) -> None:
        """Learn the range of encoded training rows, where the settings ask for a range guard; parts have their own."""
        wanted = self.settings_.preprocessing.range_guard and isinstance(self.encoder_, RowEncoder)
        self.range_guard_ = RangeGuard.from_training(x, self._score, self.seed_) if wanted else None

    # -- description -------------------------------------------------------------------------------------------------

    def describe(self) -> dict[str, Any]:
        """Return parameters, settings, input, threshold and versions of the fitted detector, as JSON stores them.

        Returns
        -------
        dict of str to object
        """
        check_is_fitted(self)
        return {
            "detector": self.name,
            "parameters": self.json_parameters(),
            "settings": self.settings_.model_dump(),
            "input": self._describe_input(),
            "training_rows": self.n_train_,
            "calibration_rows": self.n_calibration_,
            "threshold": self.threshold_,
            "false_alarm_rate": calibration.false_alarm_rate(self.calibration_scores_, self.threshold_),
            "normal_label": self.normal_label_,
            "recalibration": None if self.recalibration_ is None else asdict(self.recalibration_),
            "seed": self.seed_,
            "fit_seconds": self.fit_seconds_,
            "versions": self.fit_versions_,
        }

    def __sklearn_tags__(self) -> Any:
        """Declare that missing values are accepted."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags
