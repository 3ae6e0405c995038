"""Blend: detectors of different kinds on one calibrated scale.

Each part's score becomes -log of its tail probability among normal rows that no part learned from (`NegativeLogTail`), or, with
``tails="leave_one_out"``, among the training rows, each left out of its own score. The score of the blend is the weighted mean
or root mean square. If the parts were independent, the mean would be Fisher's method (Fisher, 1932) up to a factor. They are not,
so the threshold and the p-values of the blend come from held-out calibration rows. The kind of input determines parts
and weights, never labels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from sklearn.utils.metaestimators import available_if

from egbad.arrays import ArraySpec, State, check_arrays, distinct_rows
from egbad.data import Data
from egbad.detectors.base import Array, Detector, Encoded, FitContext, Floats, TorchDetector
from egbad.detectors.base.saved_parts import PartsState, restored_part, with_copies, without_copies
from egbad.detectors.base.saved_state import check_array_names
from egbad.detectors.blend_images import AnySizeMixin, PartScorer
from egbad.detectors.blend_maps import PartMapsMixin
from egbad.detectors.blend_parts import (
    PARTS,
    PARTS_OF_IMAGES,
    BlendSettings,
    combine,
    default,
    nearest,
    part_named,
    photographs,
    split_weight,
)
from egbad.detectors.methods import METHODS
from egbad.errors import InvalidEntryError, InvalidInputError, unknown
from egbad.explain.comparison import ChosenComparison, choose
from egbad.explain.explanation import Attribution
from egbad.model_file import entries_within, validated_entries, with_prefix_removed
from egbad.preprocessing.column_encoder import TableEncoder
from egbad.preprocessing.image_encoder import IdentityEncoder
from egbad.scoring.calibration import NegativeLogTail
from egbad.training.config import TrainingConfig

_DRAWN_PER_SAMPLE = 20  # rows that are searched for distinct ones: bounds time
_FOLDS = 10  # each tenth of the calibration rows is scaled by the other nine
_SHARED_PARAMETERS = ("alpha", "verbose", "members", "device")  # that parts take from the blend


def _reconstructs(blend: "Blend") -> bool:
    """Return True if a part of a fitted blend has reconstructions; without them the blend has no `reconstruct`."""
    return any(hasattr(part, "reconstruct") for part in blend.parts_.values())


# -- the detector ------------------------------------------------------------------------------------------------------


@dataclass(kw_only=True, eq=False, repr=False)
class Blend(PartMapsMixin, AnySizeMixin):
    """Detectors of different kinds as one, for data of which little is known.

    Parameters
    ----------
    parts : sequence of str, or mapping of str to mapping, optional
        Names of detectors, or of `PARTS`; in a mapping each with parameters of its own, and a "weight". By default those that
        suit rows, small images, or photographs.
    combination : {"mean", "root_mean_square"}, optional
        Combination of the parts' calibrated scores. By default the root mean square for rows, the mean for images.
    tails : {"held_out", "leave_one_out"}, optional
        Normal rows that a part's score is calibrated by: those held out for the threshold, or the training rows, each left out of
        its own score, for the parts that can do so: the default for rows. The threshold always comes from held-out rows.
    max_samples : int, optional
        Number of training rows of a table that parts without networks learn from. Of more rows, distinct ones are drawn at
        random. Bounds memory and time of scoring. Default 5,000.
    members : int, default=1
        Number of networks of each part that is trained.
    training : TrainingConfig, optional
        Training of the parts with networks.
    device : str, default="auto"
        Device of training and scoring: "cpu", "cuda", or "auto" for the GPU where there is one.
    recipe : {"default", "nearest", "photographs"}, default="default"
        Source of the values of parameters that are None. "default" joins seven scores of rows by their root mean square, with
        at most 5,000 training rows. "nearest" joins the distances of a row to the nearest training row under two scalings, which
        suffer less from anomalies among the training rows, and takes the default for images. "photographs" joins `PatchCore`
        with a `Gaussian` of vectors of whole images, and takes the default for rows. It is the default for images of more than
        64 x 64 pixels where the extra `backbones` is installed.
    preprocessing : Preprocessing, optional
        Scaling, duplicates, range guard and trimming, for all parts.
    alpha : float, default=0.01
        False-alarm rate of `predict`, in (0, 1).
    calibration_fraction : float, default=0.1
        Fraction of the rows that `fit` holds out of training to set the threshold, in (0, 1).
    n_exemplars : int, default=256
        Number of training images that the model keeps, at most 4 MiB of them, drawn at random. Reports show them, and
        parts without a reconstruction explain images by them.
    random_state : int, RandomState, Generator or None, default=None
        Seed of all random numbers. None draws a seed, which `seed_` holds.
    verbose : bool, default=False
        Show a progress bar on a terminal and in a notebook, or lines on stderr.

    Attributes
    ----------
    parts_ : dict of str to Detector
        The fitted parts. Their thresholds and p-values come from the same calibration rows as the blend's.
    weights_ : dict of str to float
        Weight of each part.
    training_scores_ : dict of str to ndarray
        Scores of the training rows, each left out of its own, ascending, of the parts that are calibrated by them.
    settings_ : BlendSettings
        The values that recipe and parameters resolve to.
    threshold_ : float
        Scores above it are anomalies.
    seed_ : int
        The seed that `random_state` gave.
    health_ : list of str
        Problems in the training of parts and what was done about them, one sentence each.

    References
    ----------
    Fisher, "Statistical Methods for Research Workers", 4th edition, 1932, section 21.1, on the combination of p-values.

    Examples
    --------
    >>> import numpy as np
    >>> from egbad.detectors.blend import Blend
    >>> X = np.random.default_rng(0).normal(size=(500, 4))
    >>> detector = Blend(parts=("knn", "isolation_forest"), alpha=0.05, random_state=0).fit(X)
    >>> detector.predict(np.array([[0.0, 0.0, 0.0, 0.0], [9.0, -9.0, 9.0, -9.0]]))
    array([ 1, -1])
    """

    name: ClassVar[str] = "blend"
    array_names: ClassVar = frozenset({"part", "training_scores"})
    settings_type: ClassVar = BlendSettings
    parameter_groups: ClassVar = {**Detector.parameter_groups, "training": TrainingConfig}
    recipes: ClassVar = {"default": default, "nearest": nearest, "photographs": photographs}
    tunable_on_rows: ClassVar = {
        "parts": (
            ("nearest",),
            ("nearest-minmax",),
            ("nearest", "nearest-minmax", "egbad"),
            ("nearest", "nearest-minmax", "lof"),
            ("nearest", "nearest-minmax", "isolation_forest"),
        )
    }
    tunable_on_images: ClassVar = {"parts": PARTS_OF_IMAGES}

    parts: Sequence[str] | Mapping[str, Mapping[str, Any]] | None = None
    combination: str | None = None
    tails: str | None = None
    max_samples: int | None = None
    members: int = 1
    training: TrainingConfig | None = None
    device: str = "auto"

    def _new_encoder(self, settings: Any) -> IdentityEncoder:
        return IdentityEncoder()

    # -- learning ----------------------------------------------------------------------------------------------------

    def _learn(self, x: Encoded, rng: np.random.Generator, context: FitContext) -> None:
        self.parts_ = {name: self._new_part(name, int(rng.integers(2**31))) for name in self.settings_.parts}
        self.weights_ = {name: split_weight(name, self._given_for(name))[0] for name in self.parts_}
        whole = Data(x, self.columns_, column_types=self.column_types_, category_labels=self.category_labels_)
        sample = replace(whole, x=self._sample(x, rng))
        self.training_scores_: dict[str, Floats] = {}
        init_from = context.init_from.parts_ if isinstance(context.init_from, Blend) else {}
        outer = context.checkpoints
        if outer is not None and outer.newest is None and self.random_state is None:
            outer.save(0, {"seed": self.seed_}, {})  # the parts' own checkpoints hold everything else
        self.part_scorer_ = PartScorer(self.parts_)
        for name, part in self.parts_.items():
            inner = outer.subfolder(name) if outer is not None else None
            part_init_from = init_from[name] if init_from and hasattr(part, "partial_fit") else None
            data = whole if isinstance(part, TorchDetector) else sample
            part.fit_component(data, inner, part_init_from, context.process_group)
            part.exemplars_ = self.exemplars_
            part.shape_ = self.shape_  # images of any size: the smallest one may be held out
            if self.settings_.tails == "leave_one_out" and hasattr(part, "leave_one_out_scores"):
                self.training_scores_[name] = np.sort(part.leave_one_out_scores(part.encoder_.encode(data.x)))
            if outer is not None and inner is not None:
                outer.elapsed_seconds += inner.elapsed_seconds

    def _sample(self, x: Encoded, rng: np.random.Generator) -> Encoded:
        """Return at most `max_samples` rows of a table, in order: of more rows, distinct ones."""
        size = self.settings_.max_samples
        if self.kind_ != "rows" or size is None or len(x) <= size:
            return x
        drawn = rng.permutation(len(x))[: _DRAWN_PER_SAMPLE * size]
        return x[np.sort(drawn[distinct_rows(x[drawn])[:size]])]

    def _check_init_from(self, init_from: Detector[Any] | None) -> None:
        """Refuse anything but a fitted blend of the same parts; parts with networks start from those parts' weights."""
        if init_from is None:
            return
        if not isinstance(init_from, Blend) or not hasattr(init_from, "parts_"):
            raise InvalidInputError(f"init_from must be a fitted Blend, got {init_from!r}.")
        wanted, available = tuple(self.parts or init_from.parts_), tuple(init_from.parts_)
        if wanted != available:
            raise InvalidInputError(f"init_from must have the parts {', '.join(wanted)}, got {', '.join(available)}.")

    def _given_for(self, name: str) -> Mapping[str, Any]:
        """Return the parameters that `parts` gives a part."""
        return self.parts[name] if isinstance(self.parts, Mapping) else {}

    def _new_part(self, name: str, seed: int) -> Detector[Any]:
        """Return a part, not fitted: its own parameters come before those of the blend, and these before those of `PARTS`."""
        described = part_named(name)
        if described.detector not in METHODS:
            raise unknown("part", name, [*PARTS, *METHODS])
        part = METHODS[described.detector]().set_params(**described.parameters)
        known = part.get_params()
        shared = {parameter: getattr(self, parameter) for parameter in _SHARED_PARAMETERS}
        for group, values in self.given_parameters(self.parameter_groups).items():
            shared |= {f"{group}__{key}": value for key, value in values.items()}
        given = {parameter: value for parameter, value in shared.items() if parameter in known and value is not None}
        own = split_weight(name, self._given_for(name))[1]
        for parameter in own:
            if parameter not in known:
                raise unknown("parameter", parameter, known)
        return part.set_params(**given | own, random_state=seed)

    # -- the common scale --------------------------------------------------------------------------------------------

    def _calibration_scores(self, x: Array) -> Floats:
        """Return the scores (n,) of calibration rows, each on a scale made by the rows of other folds."""
        by_part = {name: part.calibrate(x, maps=part.scores_places) for name, part in self.parts_.items()}
        self._set_tails()
        scores, fold = np.empty(len(x)), np.arange(len(x)) % _FOLDS
        for i in np.unique(fold):
            own = fold == i
            others = ~own if len(x) > 1 else own
            tails = self.tails_ | {
                name: NegativeLogTail(values[others])
                for name, values in by_part.items()
                if name not in self.training_scores_
            }
            scores[own] = sum(self._to_terms({name: values[own] for name, values in by_part.items()}, tails).values())
        return scores

    def _set_tails(self) -> None:
        self.tails_ = {
            name: NegativeLogTail(self.training_scores_.get(name, part.calibration_scores_))
            for name, part in self.parts_.items()
        }

    def _to_terms(self, scores: Mapping[str, Floats], tails: Mapping[str, NegativeLogTail]) -> dict[str, Floats]:
        """Convert the scores (n,) of the parts to the terms (n,) of the blend's score."""
        values = {name: tails[name](part_scores) for name, part_scores in scores.items()}
        return combine(values, self.weights_, self.settings_.combination)

    def _terms(self, x: Encoded) -> dict[str, Floats]:
        return self._to_terms(self.part_scorer_.scores(x), self.tails_)

    @available_if(_reconstructs)  # type: ignore[untyped-decorator]
    def reconstruct(self, X: Any) -> Floats:
        """Return the reconstruction of each row or image by the first part that has one.

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
        first = next(part for part in self.parts_.values() if hasattr(part, "reconstruct"))
        return np.asarray(first.reconstruct(X))

    def score_spread(self, X: Any) -> Floats:
        """Return the standard deviation of the terms that the parts contribute to each score.

        Where it is large compared with the score, one part finds anomalous what the others do not.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images of shape (n_samples, [channels,] height, width)

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        return _spread(self.score_terms(X))

    # -- attribution -------------------------------------------------------------------------------------------------

    def attribute_checked(self, x: Array) -> Attribution:
        """Attribute the scores of checked rows or images x (n, ...).

        The shares of each part are scaled to the term that it contributes. The expected value of a column is that of the
        part with the largest share in it. An expected image is the first part's.
        """
        by_part = {name: part.attribute_checked(x) for name, part in self.parts_.items()}
        scores = {name: np.asarray(sum(part.terms.values())) for name, part in by_part.items()}
        terms = self._to_terms(scores, self.tails_)
        first = next(iter(by_part.values()))
        shares, base = list[Floats](), np.zeros(len(x))
        for name, part in by_part.items():
            factor = np.divide(terms[name], scores[name], out=np.ones(len(x)), where=scores[name] != 0)
            shares.append(part.shares * factor.reshape(-1, *[1] * (part.shares.ndim - 1)))
            base += np.where(scores[name] != 0, part.base * factor, terms[name])
        if self.kind_ == "rows":
            first = _with_largest_shares([*by_part.values()], np.stack(shares))
        maps = {name: part.anomaly_map for name, part in by_part.items() if part.anomaly_map is not None}
        methods = ", ".join(dict.fromkeys(part.method for part in by_part.values()))
        return replace(
            first,
            shares=sum(shares[1:], start=shares[0]),
            base=base,
            method=methods,
            terms=terms,
            spread=_spread(terms),
            anomaly_map=self._joined_maps(maps) if maps else None,
        )

    @property
    def table_encoder(self) -> TableEncoder | None:
        """Encoder of the columns of a table, which is the same in every part."""
        return next(iter(self.parts_.values())).table_encoder

    # -- description and storage -------------------------------------------------------------------------------------

    @property
    def health_(self) -> list[str]:
        """Problems in the training of parts, one sentence each."""
        return [
            f"{name}: {sentence}" for name, part in self.parts_.items() for sentence in getattr(part, "health_", ())
        ]

    def describe(self) -> dict[str, Any]:
        """Return what `Detector.describe` returns, with the description of each part.

        Returns
        -------
        dict of str to object
        """
        about = super().describe()
        return about | {"health": self.health_, "parts": {name: part.describe() for name, part in self.parts_.items()}}

    def _state(self) -> tuple[dict[str, Any], State]:
        manifests, arrays = {}, State()
        for name, part in self.parts_.items():
            manifest, part_arrays = part.content()
            manifests[name] = manifest.model_dump()
            # The blend stores exemplars and digests of the training rows once for all parts.
            own = {key: a for key, a in part_arrays.items() if key != "examples" and not key.startswith("rows.")}
            arrays |= {f"part.{name}.{key}": array for key, array in own.items()}
        arrays |= {f"training_scores.{name}": scores for name, scores in self.training_scores_.items()}
        arrays, copies = without_copies(arrays)
        return {"parts": manifests, "weights": self.weights_} | ({"copies": copies} if copies else {}), arrays

    def _restore(self, state: dict[str, Any], arrays: State) -> None:
        found = validated_entries(PartsState, state, "state.method")
        if not [*found.parts] == [*found.weights] == [*self.settings_.parts]:
            raise InvalidEntryError("state.method.parts", f"must be {[*self.settings_.parts]}, got {[*found.parts]}")
        self.parts_, self.weights_, arrays = {}, found.weights, with_copies(arrays, found.copies)
        for name, manifest in found.parts.items():
            part = restored_part(self, METHODS, manifest, arrays, f"part.{name}.", self.shape_)
            part.exemplars_, part.learned_rows_ = self.exemplars_, self.learned_rows_
            self.parts_[name] = part
        self.part_scorer_ = PartScorer(self.parts_)
        self.any_size_ = self.kind_ == "images" and all(part.any_size for part in self.parts_.values())
        with entries_within("part."):
            check_array_names(with_prefix_removed("part.", arrays), frozenset(self.parts_))
        self.training_scores_ = with_prefix_removed("training_scores.", arrays)
        leave_one_out = self.settings_.tails == "leave_one_out"
        named = [name for name, part in self.parts_.items() if leave_one_out and hasattr(part, "leave_one_out_scores")]
        specs = {name: ArraySpec("float64", (f"n_{name}",), ascending=True) for name in named}
        with entries_within("training_scores."):
            check_arrays(self.training_scores_, specs)
        self._set_tails()


def _with_largest_shares(parts: Sequence[Attribution], shares: Floats) -> Attribution:
    """Return expected values and comparisons of the parts that have the largest of the shares (parts, n, d)."""
    choice = shares.argmax(axis=0)
    comparisons = [part.comparison for part in parts if part.comparison is not None]
    return replace(
        parts[0],
        expected=choose(np.stack([part.expected for part in parts]), choice),
        comparison=ChosenComparison(tuple(comparisons), choice) if len(comparisons) == len(parts) else None,
    )


def _spread(terms: Mapping[str, Floats]) -> Floats:
    """Return the standard deviation (n,) over terms (n,)."""
    return np.asarray(np.stack([*terms.values()]).std(axis=0))
