"""Blend: detectors of different kinds on one calibrated scale.

Each part's score becomes -log of how rare it is among normal rows that no part learned from (`NegativeLogTail`), and the
blend's is their weighted mean. If the parts were independent this would be Fisher's method (Fisher, 1932), up to a factor;
they are not, so the blend has a threshold of its own. Parts and weights are fixed by the kind of input, never by labels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from pydantic import field_validator

from egbad import model_file
from egbad.data import Data
from egbad.detectors.base import Array, Detector, Encoded, FitContext, Floats, Settings
from egbad.detectors.methods import METHODS
from egbad.errors import InvalidInputError, unknown
from egbad.explain.explanation import Attribution
from egbad.preprocessing.column_encoder import TableEncoder
from egbad.preprocessing.image_encoder import IdentityEncoder
from egbad.scoring.calibration import NegativeLogTail
from egbad.training.config import TrainingConfig

_FOLDS = 10  # calibration rows are put on the blend's scale by those of the other nine folds
_SMALL = 16  # pixels: in smaller images single pixels count, and a view that is moved by one is another image
_SHARED = ("alpha", "verbose", "members", "device")  # parameters that parts take from the blend


@dataclass(frozen=True)
class Part:
    """A detector with the parameters that it has in a blend."""

    detector: str
    parameters: Mapping[str, Any]
    weight: float = 1.0


# The parts that a blend knows context plain detectors.
PARTS: dict[str, Part] = {
    "nearest": Part("knn", {"n_neighbors": 1}),
    # Light: it sees what is strange all over an image, where features that learnt to bear much may not.
    "nearest-correlation": Part("knn", {"n_neighbors": 1, "metric": "correlation"}, weight=0.2),
    # Of pixels as they are: light and hue, which the others leave out.
    "nearest-colour": Part("knn", {"n_neighbors": 1}, weight=0.5),
    # Photographs need more of both than digits do: for a GPU, where it takes a minute and not an hour.
    "contrastive-wide": Part("contrastive", {"width": 64, "training__steps": 10_000}),
    "nearest-minmax": Part("knn", {"n_neighbors": 1, "preprocessing__scaling": "minmax"}),
}


def _known(name: str) -> Part:
    """A part by name: of those above, or a detector as it is."""
    return PARTS.get(name, Part(name, {}))


class BlendSettings(Settings):
    """Every value decided."""

    parts: tuple[str, ...]

    @field_validator("parts", mode="before")
    @classmethod
    def _no_text(cls, parts: Any) -> Any:
        if isinstance(parts, str):
            raise ValueError('must be a list of names, such as ["contrastive", "nearest"]')
        return parts

    @field_validator("parts")
    @classmethod
    def _some_and_each_once(cls, parts: tuple[str, ...]) -> tuple[str, ...]:
        if not parts or len(set(parts)) < len(parts):
            raise ValueError("there must be at least one part, and none twice")
        return parts


def default(shape: tuple[int, ...]) -> dict[str, Any]:
    """Values for rows (d,) or images (c, h, w)."""
    if len(shape) == 1:
        return {"parts": ("nearest", "nearest-minmax")}
    if min(shape[1:]) < _SMALL:
        return {"parts": ("contrastive", "nearest")}
    return {"parts": ("contrastive", "nearest-correlation", *(("nearest-colour",) if shape[0] > 1 else ()))}


@dataclass(kw_only=True, eq=False, repr=False)
class Blend(Detector[BlendSettings]):
    """Detectors of different kinds as one: what to use where nothing is known of the data.

    Parameters
    ----------
    parts : sequence of str, optional
        Names of detectors, or of `PARTS`. By default what suits rows or images. On photographs, and with a GPU,
        "contrastive-wide" in place of "contrastive" is worth much.
    members : int
        Number of networks of each part that is trained.
    training : TrainingConfig, optional
        Training of these parts.
    device : str
        Device of training and scoring: "cpu", "cuda", or "auto" for the GPU where there is one.

    Attributes
    ----------
    parts_ : dict of str to Detector
        The fitted parts. Their thresholds and p-values come from the same rows as the blend's.
    health_ : list of str
        What went wrong in the training of parts and what was done about it, a sentence each.

    References
    ----------
    Fisher, "Statistical Methods for Research Workers", 4th edition, 1932, section 21.1: how p-values combine.

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
    settings_type: ClassVar = BlendSettings
    parameter_groups: ClassVar = {**Detector.parameter_groups, "training": TrainingConfig}
    recipes: ClassVar = {"default": default}
    tunable_on_rows: ClassVar = {
        "parts": (
            ("nearest",),
            ("nearest-minmax",),
            ("nearest", "nearest-minmax", "egbad"),
            ("nearest", "nearest-minmax", "lof"),
            ("nearest", "nearest-minmax", "isolation_forest"),
        )
    }
    tunable_on_images: ClassVar = {
        "parts": (
            ("contrastive",),
            ("contrastive", "nearest"),
            ("contrastive", "nearest-correlation"),
            ("contrastive", "nearest-correlation", "nearest-colour"),
        )
    }

    parts: Sequence[str] | None = None
    members: int = 1
    training: TrainingConfig | None = None
    device: str = "auto"

    def _new_encoder(self, settings: Any) -> IdentityEncoder:
        return IdentityEncoder()

    def _learn(self, x: Encoded, rng: np.random.Generator, context: FitContext) -> None:
        self.parts_ = {name: self._part(name, int(rng.integers(2**31))) for name in self.settings_.parts}
        self.weights_ = {name: _known(name).weight for name in self.parts_}
        outer = context.checkpoints
        if outer is not None and outer.newest is None and self.random_state is None:
            outer.save(0, {"seed": self.seed_}, {})  # all else that a killed fit needs is in the parts' own
        for name, part in self.parts_.items():
            inner = outer.subfolder(name) if outer is not None else None
            earlier = (
                context.init_from.parts_[name]
                if isinstance(context.init_from, Blend) and hasattr(part, "partial_fit")
                else None
            )
            part.fit_component(
                Data(x, self.columns_, column_types=self.column_types_, category_labels=self.category_labels_),
                inner,
                earlier,
                context.process_group,
            )
            part.exemplars_ = self.exemplars_
            if outer is not None and inner is not None:
                outer.elapsed_seconds += inner.elapsed_seconds

    def _check_init_from(self, init_from: Detector[Any] | None) -> None:
        """Parts that are trained begin with the weights of the same parts."""
        if init_from is None:
            return
        if not isinstance(init_from, Blend) or not hasattr(init_from, "parts_"):
            raise InvalidInputError(f"init_from must be a fitted Blend, got {init_from!r}.")
        wanted, found = tuple(self.parts or init_from.parts_), tuple(init_from.parts_)
        if wanted != found:
            raise InvalidInputError(f"init_from must have the parts {', '.join(wanted)}, has {', '.join(found)}.")

    def _part(self, name: str, seed: int) -> Detector[Any]:
        """A part, not fitted."""
        known = _known(name)
        if known.detector not in METHODS:
            raise unknown("part", name, [*PARTS, *METHODS])
        part = METHODS[known.detector]().set_params(**known.parameters)
        has = part.get_params()
        shared = {name: getattr(self, name) for name in _SHARED}
        for group, values in self.given_parameters(self.parameter_groups).items():
            shared |= {f"{group}__{key}": value for key, value in values.items()}
        own = {name: value for name, value in shared.items() if name in has and value is not None}
        return part.set_params(**own, random_state=seed)

    def _calibration_scores(self, x: Array) -> Floats:
        scores = {name: part.calibrate(x) for name, part in self.parts_.items()}
        self._make_tails()
        found = np.empty(len(x))
        fold = np.arange(len(x)) % _FOLDS
        for i in np.unique(fold):
            own = fold == i
            others = ~own if len(x) > 1 else own
            tails = {name: NegativeLogTail(values[others]) for name, values in scores.items()}
            found[own] = sum(self._on_scale({name: values[own] for name, values in scores.items()}, tails).values())
        return found

    def _make_tails(self) -> None:
        self._tails = {name: NegativeLogTail(part.calibration_scores_) for name, part in self.parts_.items()}

    def _on_scale(self, scores: Mapping[str, Floats], tails: Mapping[str, NegativeLogTail]) -> dict[str, Floats]:
        """Scores (n,) of each part -> terms (n,), which add up to the blend's."""
        whole = sum(self.weights_.values())
        return {name: self.weights_[name] / whole * tails[name](values) for name, values in scores.items()}

    def _terms(self, x: Encoded) -> dict[str, Floats]:
        return self._on_scale({name: part.score_checked(x) for name, part in self.parts_.items()}, self._tails)

    def attribute_checked(self, x: Array) -> Attribution:
        """Each part's shares, as large as what it adds to the score; what is expected is the first part's word."""
        found = {name: part.attribute_checked(x) for name, part in self.parts_.items()}
        scores = {name: own.base + own.shares.reshape(len(x), -1).sum(axis=1) for name, own in found.items()}
        terms = self._on_scale(scores, self._tails)
        first = next(iter(found.values()))
        shares, base = np.zeros_like(first.shares), np.zeros(len(x))
        for name, own in found.items():
            one = np.ones(len(x))
            factor = np.divide(terms[name], scores[name], out=one, where=scores[name] != 0)
            shares += own.shares * factor.reshape(-1, *[1] * (shares.ndim - 1))
            base += np.where(scores[name] != 0, own.base * factor, terms[name])
        methods = ", ".join(dict.fromkeys(own.method for own in found.values()))
        return replace(first, shares=shares, base=base, method=methods, terms=terms, spread=_spread(terms))

    def score_spread(self, X: Any) -> Floats:
        """How far the parts differ over each row or image: the standard deviation (n,) of what they add to its score.

        Where it is large context the score, one part finds strange what others don't.
        """
        return _spread(self.score_terms(X))

    @property
    def table_encoder(self) -> TableEncoder | None:
        """Encoder of the columns of a table; every part has the same."""
        return next(iter(self.parts_.values())).table_encoder

    @property
    def health_(self) -> list[str]:
        """What went wrong in training parts."""
        return [
            f"{name}: {sentence}" for name, part in self.parts_.items() for sentence in getattr(part, "health_", ())
        ]

    def describe(self) -> dict[str, Any]:
        """What this detector is and how it came about, JSON-able."""
        about = super().describe()
        return about | {"health": self.health_, "parts": {name: part.describe() for name, part in self.parts_.items()}}

    def _state(self) -> tuple[dict[str, Any], model_file.Arrays]:
        manifests, arrays = {}, model_file.Arrays()
        for name, part in self.parts_.items():
            manifest, own = part.content()
            own.pop("examples", None)  # the blend keeps them for all
            manifests[name] = manifest.model_dump()
            arrays |= {f"part.{name}.{key}": array for key, array in own.items()}
        return {"parts": manifests, "weights": self.weights_}, arrays

    def _restore(self, state: dict[str, Any], arrays: model_file.Arrays) -> None:
        self.parts_, self.weights_ = {}, state["weights"]
        for name, fields in state["parts"].items():
            manifest = model_file.Manifest.model_validate(fields)
            self.parts_[name] = METHODS[manifest.detector].from_file(
                manifest, model_file.with_prefix_removed(f"part.{name}.", arrays)
            )
            self.parts_[name].exemplars_ = self.exemplars_
        self._make_tails()


def _spread(terms: Mapping[str, Floats]) -> Floats:
    return np.asarray(np.stack([*terms.values()]).std(axis=0))
