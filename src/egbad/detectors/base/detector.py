"""The scikit-learn side of every detector: input, sign, threshold, seeds, file."""

import os
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils.validation import check_is_fitted

from egbad import model_file
from egbad.arrays import Floats, distinct_rows, map_unique_rows
from egbad.data import Data, as_data, check_data
from egbad.data.column_types import CategoryLabels
from egbad.data.ragged import is_ragged, sample_shape, sum_per_sample
from egbad.detectors.base.explaining import by_hiding, distances, explained
from egbad.detectors.base.provenance import seed_of, to_jsonable, versions
from egbad.detectors.base.saving import content, digest, restored, run_on
from egbad.detectors.base.settings import Recipe, S, decide
from egbad.errors import InvalidInputError
from egbad.explain.exemplars import nearest_images, sample_exemplars
from egbad.explain.explanation import Attribution, Explanation, concatenate
from egbad.explain.normal_range import ROWS, NormalRange
from egbad.preprocessing.column_encoder import TableEncoder
from egbad.preprocessing.image_encoder import ImageEncoder
from egbad.preprocessing.range_guard import RangeGuard, excess
from egbad.preprocessing.row_encoder import Encoder, RowEncoder, log_column_mask
from egbad.preprocessing.trimming import inlier_indices
from egbad.scoring import calibration
from egbad.scoring.scorer import Scorer
from egbad.training.checkpoints import Checkpoints
from egbad.training.process_group import current

Encoded = NDArray[np.float32]
Array = NDArray[Any]
Watch = Callable[[int], None]

_AT_ONCE = 16_384  # rows that are encoded together: bounds memory, changes no score

A = TypeVar("A")


@dataclass(frozen=True)
class FitContext:
    """What goes on beside learning, and where that begins."""

    callback: Watch | None = None
    callback_interval: int = 1000
    checkpoints: Checkpoints | None = None
    start: "Detector[Any] | None" = None  # unlike the others it does change bits: whose weights to begin with


@dataclass(kw_only=True, eq=False, repr=False)
class Detector(Scorer, OutlierMixin, BaseEstimator, Generic[S]):  # type: ignore[misc]
    """Input, sign, seeds, calibration and file of every detector.

    A method declares its parameters as fields, which nothing but `fit` looks at, the `Settings` that they come to, and
    how it learns (`_learn`), scores (`_terms`) and is kept (`_state`, `_restore`). It meets encoded input only.

    Parameters
    ----------
    recipe : str
        Where parameters that are None get their value from. "default" is chosen for stability; some methods have
        "paper", the paper's.
    scaling : {"standard", "robust", "minmax", "none"}, optional
        How columns are scaled, see `egbad.preprocessing.row_encoder.RowEncoder`. Images are always scaled to [-1, 1].
    distinct : bool, optional
        Whether rows that repeat an earlier one are left out of training and scaling, so that what is frequent does not
        hide what is normal but rare; most methods learn from all rows by default. Calibration rows are held out before,
        and keep their repeats.
    guard : bool, optional
        Whether rows outside the range of the training rows are taken to its edge, and the way there is added to their
        score as the term "beyond": the sum over encoded columns, in standard deviations of the scores all over that
        range. For methods whose own score says nothing of what is far, or too little.
    log_columns : sequence of str or int, optional
        Columns that log(1 + x) is taken of before scaling. By default those that hold whole numbers only, none
        negative, with a heavy tail (see `egbad.preprocessing.row_encoder.RowEncoder`); with recipe "paper" none.
    alpha : float
        False-alarm rate of `predict`, in (0, 1).
    trim : float
        Share of the training rows to do without, in [0, 0.5), for data with anomalies that nobody noticed: those that an
        isolation forest (Liu et al., 2008) isolates first. Twice the share that is expected wins back a third to a half of
        what 5 or 10 percent of anomalies cost the nearest neighbour; where there are none it loses what is rare.
    calibration_fraction : float
        Share of the rows given to `fit` that is held out of training to set the threshold, in (0, 1).
    examples : int
        How many training images, drawn at random, the model keeps, at most 4 MiB of them: for people to look at beside what
        is flagged, and for methods that rebuild nothing to say where an image is strange. 0 keeps none.
    random_state : int, RandomState, Generator or None
        Seed of everything. None draws one, which `seed_` keeps.
    verbose : bool
        Whether training shows its progress on stderr.

    Attributes
    ----------
    settings_ : Settings
        The recipe with every value decided.
    threshold_ : float
        A score above it is an anomaly.
    seed_ : int
        What `random_state` came to.
    """

    name: ClassVar[str]
    _own_parameters: ClassVar[str]
    settings_type: ClassVar[type[Any]]
    recipes: ClassVar[Mapping[str, Recipe]] = {"default": lambda shape: {}}
    # The few parameters that matter, with values that are worth a try: what `egbad.tuning` searches.
    tunable: ClassVar[Mapping[str, tuple[Any, ...]]] = {}
    tunable_on_rows: ClassVar[Mapping[str, tuple[Any, ...]]] = {"scaling": ("standard", "minmax")}
    tunable_on_images: ClassVar[Mapping[str, tuple[Any, ...]]] = {}

    recipe: str = "default"
    scaling: str | None = None
    distinct: bool | None = None
    guard: bool | None = None
    log_columns: tuple[str | int, ...] | None = None
    alpha: float = 0.01
    trim: float = 0.0
    calibration_fraction: float = 0.1
    examples: int = 256
    random_state: Any = None
    verbose: bool = False

    def __init_subclass__(cls, **options: Any) -> None:
        """Let a detector's help tell of the parameters that it shares with others, too."""
        super().__init_subclass__(**options)
        parents = [own for base in cls.__mro__[1:] if (own := vars(base).get("_own_parameters"))]
        cls._own_parameters = _parameters(cls.__doc__ or "")
        if cls.__doc__ and cls._own_parameters:
            cls.__doc__ = cls.__doc__.replace(cls._own_parameters, "".join([cls._own_parameters, *parents]))

    # -- what a method says ------------------------------------------------------------------------------------------

    @abstractmethod
    def _learn(self, x: Encoded, rng: np.random.Generator, beside: FitContext) -> None:
        """Learn from encoded normal rows or images."""

    @abstractmethod
    def _terms(self, x: Encoded) -> dict[str, Floats]:
        """Encoded (n, ...) -> terms (n,) which add up to the score. Each row's depend on that row alone."""

    @abstractmethod
    def _state(self) -> tuple[dict[str, Any], model_file.Arrays]:
        """What was learned: a JSON-able part and arrays."""

    @abstractmethod
    def _restore(self, state: dict[str, Any], arrays: model_file.Arrays) -> None:
        """Take up what `_state` gave."""

    # -- learning ----------------------------------------------------------------------------------------------------

    def fit(
        self,
        X: Any,
        y: None = None,
        *,
        callback: Watch | None = None,
        callback_interval: int = 1000,
        checkpoints: Checkpoints | None = None,
        start: "Detector[Any] | None" = None,
    ) -> Self:
        """Learn from normal rows (n, d) or images (n, h, w), (n, c, h, w); y is ignored.

        A share `calibration_fraction` of the rows is held out of training and sets the threshold. Where a detector is
        trained in steps, `watch(step)` is called after every `callback_interval` of them, and the detector then scores as it
        would if training ended there. With `checkpoints` it leaves its state now and then, and a fit that was killed goes
        on from there and ends with the same bits; clear them once the detector is saved. With `start`, a fitted detector of the
        same kind, networks begin with its weights, as when there is more data than there was: where training ends by itself, it
        ends sooner.

        Raises
        ------
        InvalidInputError
            When X is no table of finite numbers or no stack of images, has fewer than two rows, a parameter is out of its
            range, or `start` has networks of another shape, or none.
        TrainingError
            When training ends without usable weights.
        """
        started = time.perf_counter()
        if not 0 < self.alpha < 1:
            raise InvalidInputError(f"alpha must be in (0, 1), got {self.alpha}.")
        if not 0 < self.calibration_fraction < 1:
            raise InvalidInputError(f"calibration_fraction must be in (0, 1), got {self.calibration_fraction}.")
        if not 0 <= self.trim < 0.5:
            raise InvalidInputError(f"trim must be in [0, 0.5), got {self.trim}.")
        if self.examples < 0:
            raise InvalidInputError(f"examples must be at least 0, got {self.examples}.")
        self._check_start(start)
        return self._fit(
            self._check(X, fitting=True), FitContext(callback, callback_interval, checkpoints, start), started
        )

    def _fit(self, data: Data, beside: FitContext, started: float, encoder: Encoder | None = None) -> Self:
        """Hold rows of checked data out, learn from the others, and set the threshold."""
        n = len(data.x)
        if n < 2:
            raise InvalidInputError(
                f"fit needs at least two rows, one to learn from and one to calibrate, got n_samples = {n}."
            )
        rng = self._begin(data, beside)
        order = rng.permutation(n)
        held_out = max(1, min(n - 1, round(self.calibration_fraction * n)))
        x = data.x[np.sort(order[held_out:])]
        if data.coverage_rows is not None:
            x = np.concatenate([x, data.coverage_rows])
        if self.trim and is_ragged(x):
            raise InvalidInputError("trim compares images of one size. Resize them, or leave it out.")
        if self.trim:
            plain = self.kind_ == "images" or (self.column_types_ is None and not np.isnan(x).any())
            numbers = x if plain else RowEncoder("minmax", column_types=self.column_types_).fit(x).encode(x)
            x = x[inlier_indices(numbers, self.trim, self.seed_)]
        self.exemplars_: Array | None = (
            sample_exemplars(x, self.examples, self.seed_)
            if self.kind_ == "images" and self.examples and not is_ragged(x)
            else None
        )
        self._learn_from(x, rng, beside, encoder)
        self.calibrate(data.x[np.sort(order[:held_out])])
        self._end(started, beside.checkpoints)
        return self

    def _check_start(self, start: "Detector[Any] | None") -> None:
        """Refuse a detector to start from that has nothing to give; a method with weights knows better."""
        if start is not None:
            raise InvalidInputError(f"{type(self).__name__} has no weights to start with. Fit without start.")

    def fit_part(
        self, data: Data, checkpoints: Checkpoints | None = None, start: "Detector[Any] | None" = None
    ) -> None:
        """Learn from all rows or images, as a part of a detector that calibrates it by `calibrate`."""
        started = time.perf_counter()
        self._check(data, fitting=True)
        self.exemplars_ = None
        beside = FitContext(checkpoints=checkpoints, start=start)
        self._learn_from(data.x, self._begin(data, beside), beside)
        self._end(started, checkpoints)

    def _begin(self, data: Data, beside: FitContext) -> np.random.Generator:
        """The seed, and checkpoints ready, for a fit on checked data."""
        checkpoints = beside.checkpoints
        run = run_on(self, data, beside.start) if checkpoints is not None else None
        self.seed_ = seed_of(self.random_state)
        if checkpoints is not None and run is not None:
            checkpoints.open(run)
            if checkpoints.newest is not None:
                self.seed_ = int(checkpoints.newest.about["seed"])
        self.seed_ = current().everybody(self.seed_)[0]  # processes that learn together draw alike
        return np.random.default_rng(self.seed_)

    def _end(self, started: float, checkpoints: Checkpoints | None) -> None:
        self.fit_versions_ = versions()
        self.fit_seconds_ = time.perf_counter() - started + (checkpoints.seconds if checkpoints else 0.0)

    def _learn_from(
        self, x: Array, rng: np.random.Generator, beside: FitContext, encoder: Encoder | None = None
    ) -> None:
        """Learn from checked normal rows or images x (n, ...), none of which is held out, by a fitted encoder or a new one."""
        fresh = self._prepare()
        if self.settings_.distinct and self.kind_ == "rows":
            x = x[distinct_rows(x)]
        self.encoder_, self.n_train_ = encoder or fresh.fit(x), len(x)
        self._decide(self._encoded_shape())  # what is encoded may have more columns
        encoded = self.encoder_.encode(x)

        def guard_and_watch(step: int) -> None:
            self._learn_guard(encoded)
            if beside.callback is not None:
                beside.callback(step)

        self._learn(encoded, rng, replace(beside, callback=guard_and_watch if beside.callback else None))
        self._learn_guard(encoded)

    def calibrate(self, x: Array) -> Floats:
        """Set the threshold by checked normal rows or images x (m, ...) that were not learned from -> their scores (m,)."""
        scores = self._calibration_scores(x)
        self.calibration_scores_ = np.sort(scores)
        self.n_calibration_ = len(scores)
        self.threshold_ = calibration.threshold(self.calibration_scores_, self.alpha)
        self.normal_range_ = self._usual_distances(x)
        return scores

    def _usual_distances(self, x: Array) -> NormalRange | None:
        """How far some of the normal rows x (m, d) are from what is expected of them."""
        if not isinstance(self.encoder_, RowEncoder):
            return None
        some = x[np.linspace(0, len(x) - 1, min(len(x), ROWS)).astype(np.intp)]
        encoded = self.encoder_.encode(some)
        return NormalRange.of(distances(self, encoded, self._expected(self._inside(encoded))))

    def _calibration_scores(self, x: Array) -> Floats:
        return map_unique_rows(self.score_checked, x)[0]

    # -- scoring -----------------------------------------------------------------------------------------------------

    def anomaly_score(self, X: Any) -> Floats:
        """How anomalous each row or image is -> (n,), higher is more."""
        return self.score_checked(self._check(X).x)

    def score_terms(self, X: Any) -> dict[str, Floats]:
        """What the score is made of: terms (n,) which add up to `anomaly_score`."""
        return self._all_terms(self._check(X).x)

    def explain(self, X: Any) -> Explanation:
        """Why each row or image has its score: what each column or pixel adds to it, and what was expected there."""
        data = self._check(X)
        whole = concatenate(
            [self._explained(data.x[start : start + _AT_ONCE]) for start in range(0, len(data.x), _AT_ONCE)]
        )
        return Explanation(
            score=whole.base + sum_per_sample(whole.shares),
            base=whole.base,
            shares=whole.shares,
            found=self._in_users_units(data.x, data.category_labels),
            expected=self._in_users_units(whole.expected),
            columns=self.columns_ or tuple(map(str, range(self.n_features_in_ if self.kind_ == "rows" else 0))),
            method=whole.method,
            terms=whole.terms,
            spread=whole.spread,
            column_types=self.column_types_,
            beside=whole.beside,
        )

    def nearest_examples(self, X: Any, k: int = 3) -> Array:
        """Of the kept training images the k that correlate best with each image of X -> (n, k, ...), the best first.

        Raises
        ------
        InvalidInputError
            When none are kept: for rows, or with examples=0.
        """
        x = self._check(X).x
        if self.exemplars_ is None:
            raise InvalidInputError(f"The model must have kept training images, it was fitted on {self.kind_} without.")
        return nearest_images(x, self.exemplars_, k)

    def _explained(self, x: Array) -> Attribution:
        """The same of checked rows or images x (n, ...), in the user's columns, pixels and units."""
        return explained(self, x)

    def _shares(self, x: Encoded) -> Attribution:
        """What encoded columns or pixels add to the score, where a method has no better way."""
        return by_hiding(self, x)

    def _expected(self, x: Encoded) -> Array:
        """What normal rows like the encoded x (n, d) would be."""
        return np.broadcast_to(self._usual_input(), x.shape)

    def _usual_input(self) -> Encoded:
        """The mean of each encoded column, or the middle of the range of pixels."""
        if isinstance(self.encoder_, RowEncoder):
            return self.encoder_.typical_values()
        return np.zeros(self._encoded_shape(), dtype=np.float32)

    # -- keeping -----------------------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted detector to one file, atomically. `egbad.load` reads it back."""
        check_is_fitted(self)
        model_file.write(path, *self.content())

    def content(self) -> tuple[model_file.Manifest, model_file.Arrays]:
        """What a model file holds: for `save`, and for a detector that this one is a part of."""
        return content(self)

    @classmethod
    def from_file(cls, manifest: model_file.Manifest, arrays: model_file.Arrays) -> Self:
        """The detector that a model file holds, once `model_file.read` has checked it."""
        return restored(cls, manifest, arrays)

    def describe(self) -> dict[str, Any]:
        """What this detector is and how it came about, JSON-able."""
        check_is_fitted(self)
        return {
            "detector": self.name,
            "parameters": self._plain_parameters(),
            "settings": self.settings_.model_dump(),
            "input": {
                "kind": self.kind_,
                "shape": list(self.shape_),
                "columns": list(self.columns_) if self.columns_ is not None else None,
            }
            | self._kinds_in_words(),
            "training_rows": self.n_train_,
            "calibration_rows": self.n_calibration_,
            "threshold": self.threshold_,
            "seed": self.seed_,
            "fit_seconds": self.fit_seconds_,
            "versions": self.fit_versions_,
        }

    # -- shared ------------------------------------------------------------------------------------------------------

    def digest(self) -> str:
        """Of all that was learned."""
        return digest(*self.content())

    def _prepare(self) -> Encoder:
        """Decide the settings by the parameters, and the encoder by them."""
        shape = self._raw_shape()
        self._decide(shape)
        return self._encoder(shape)

    def _decide(self, shape: tuple[int, ...]) -> None:
        self.settings_: S = self.settings_for(shape)

    def settings_for(self, shape: tuple[int, ...]) -> S:
        """What the parameters come to for encoded rows (d,) or images (c, h, w)."""
        given = {name: getattr(self, name, None) for name in self.settings_type.model_fields}
        settings: S = decide(self.settings_type, self.recipes, self.recipe, shape, given)
        return settings

    def _encoder(self, shape: tuple[int, ...]) -> Encoder:
        if len(shape) == 3:
            return ImageEncoder()
        chosen = self.log_columns is None and self.recipe == "default"
        mask = None if chosen else log_column_mask(list(self.log_columns or ()), self.columns_, shape[0])
        return RowEncoder(self.settings_.scaling, mask, self.column_types_)

    def _raw_shape(self) -> tuple[int, ...]:
        """Shape of one row (d,) or image (c, h, w) before anything is learned."""
        return (1, *self.shape_) if len(self.shape_) == 2 else self.shape_

    def _encoded_shape(self) -> tuple[int, ...]:
        """Shape of one encoded row or image, once the encoder is fitted."""
        return (self.encoder_.width,) if isinstance(self.encoder_, RowEncoder) else self._raw_shape()

    def _plain_parameters(self) -> dict[str, Any]:
        given = self.get_params(deep=False)
        if not isinstance(self.random_state, int | np.integer | None):
            given["random_state"] = None  # a generator's state is no setting; `seed_` has what it gave
        return {name: to_jsonable(value) for name, value in given.items()}

    def score_checked(self, x: Array) -> Floats:
        """The scores (n,) of rows or images x (n, ...) that are known to fit."""
        return np.asarray(sum(self._all_terms(x).values()))

    def _all_terms(self, x: Array) -> dict[str, Floats]:
        parts = self._each_part(lambda part: self._guarded(self.encoder_.encode(part)), x)
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _each_part(self, work: Callable[[Array], A], x: Array) -> list[A]:
        """What `work` makes of rows or images x (n, ...), in parts of bounded size."""
        return [work(x[start : start + _AT_ONCE]) for start in range(0, len(x), _AT_ONCE)]

    def _score(self, x: Encoded) -> Floats:
        """The sum of terms (n,) of encoded rows or images, without a guard."""
        return np.asarray(sum(self._terms(x).values()))

    def _guarded(self, x: Encoded) -> dict[str, Floats]:
        """Terms of encoded rows, with the way to the range of training where there is a guard."""
        if self.range_guard_ is None:
            return self._terms(x)
        inside = self._inside(x)
        return self._terms(inside) | {"beyond": self.range_guard_.range_penalty(excess(x, inside).sum(1))}

    def _inside(self, x: Encoded) -> Encoded:
        """Encoded rows, taken to the edge of the range of training where there is a guard."""
        return x if self.range_guard_ is None else self.range_guard_.clip(x)

    def _learn_guard(self, x: Encoded) -> None:
        """The guard around encoded training rows, where one is wanted."""
        wanted = self.settings_.guard and self.kind_ == "rows"
        self.range_guard_ = RangeGuard.from_training(x, self._score, self.seed_) if wanted else None

    def __sklearn_tags__(self) -> Any:
        """Missing values are taken."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _check(self, X: Any, *, fitting: bool = False) -> Data:
        """X as checked numbers, against what the detector was fitted on."""
        if not fitting:
            check_is_fitted(self)
            return self._known(X, type(self).__name__)
        data = as_data(X)
        check_data(data, self.max_side, any_size=self.any_size)
        self.kind_ = "rows" if data.x.ndim == 2 else "images"
        self.shape_ = sample_shape(data.x)
        self._remember(data.columns, data.column_types, data.category_labels)
        return data

    def used_category_labels(self) -> dict[int, CategoryLabels]:
        """What the numbers of categories stand for, of those levels that have columns of their own."""
        blocks = self._blocks()
        if blocks is None:
            return self.category_labels_
        return {
            j: {code: own[code] for code in blocks.columns[j].levels.tolist()}
            for j, own in self.category_labels_.items()
        }

    def _kinds_in_words(self) -> dict[str, Any]:
        """What each column holds, where they aren't all numbers without gaps."""
        blocks = self._blocks()
        if blocks is None:
            return {}
        names = self.columns_ or [str(j) for j in range(len(blocks.columns))]
        return {"kinds": {name: block.describe() for name, block in zip(names, blocks.columns, strict=True)}}

    def _blocks(self) -> TableEncoder | None:
        """What the columns of a table become, where they aren't all numbers without gaps."""
        return self.encoder_.table_encoder if isinstance(self.encoder_, RowEncoder) else None

    def _remember(
        self,
        columns: tuple[str, ...] | None,
        column_types: tuple[str, ...] | None,
        category_labels: dict[int, CategoryLabels],
    ) -> None:
        self.columns_, self.column_types_, self.category_labels_ = columns, column_types, category_labels
        if columns is not None:
            self.feature_names_in_ = np.array(columns, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_


def _parameters(doc: str) -> str:
    """The lines below "Parameters" in a docstring."""
    lines = doc.splitlines(keepends=True)
    start = next((i + 2 for i, line in enumerate(lines) if line.strip() == "Parameters"), len(lines))
    end = next((i for i in range(start, len(lines)) if not lines[i].strip()), len(lines))
    return "".join(lines[start:end])


Detector._own_parameters = _parameters(Detector.__doc__ or "")
