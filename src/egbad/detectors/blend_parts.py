"""Parts of `Blend`: detectors with parameters and weights of their own, and the rules that combine their scores."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import Field, field_validator

from egbad.arrays import Floats
from egbad.backbones.efficientnet_lite import is_installed
from egbad.detectors.base import Settings
from egbad.errors import InvalidInputError

Combination = Literal["mean", "root_mean_square"]

# Side of a square with as many pixels as images may have in which features are learned from scratch. In larger ones those of
# a pretrained network find more, and cost less.
SMALL_SIDE = 64
BACKBONE = "efficientnet_lite0"
_TINY_SIDE = 16  # pixels; in smaller images single pixels matter, and random views would change the image
# Training rows that each part without a network compares a row of a table with: more than on the tables that the weights were
# chosen on, few enough for 10,000 rows a second.
_MAX_SAMPLES = 5_000
_ALL_ROWS = {"preprocessing__drop_duplicates": False}  # how often a value occurs in training counts
_BY_RANK = {"preprocessing__scaling": "rank_normal", **_ALL_ROWS}
_UNLOGGED = {"preprocessing__log_columns": (), **_ALL_ROWS}

# -- settings ----------------------------------------------------------------------------------------------------------


class BlendSettings(Settings):
    """Settings of `Blend`."""

    parts: tuple[str, ...]
    combination: Combination = "mean"
    tails: Literal["held_out", "leave_one_out"] = "held_out"
    max_samples: int | None = Field(default=None, ge=2)

    @field_validator("parts", mode="before")
    @classmethod
    def _take_names(cls, parts: Any) -> Any:
        if isinstance(parts, str):
            raise ValueError('must be a list of names, such as ["contrastive", "nearest"]')
        return tuple(parts) if isinstance(parts, Mapping) else parts

    @field_validator("parts")
    @classmethod
    def _require_distinct_parts(cls, parts: tuple[str, ...]) -> tuple[str, ...]:
        if not parts or len(set(parts)) < len(parts):
            raise ValueError("there must be at least one part, and none twice")
        return parts


# -- parts -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """A detector with parameters and weight in a blend.

    Parameters
    ----------
    detector : str
        Name of a method.
    parameters : mapping of str to object
        Parameters of the detector.
    weight : float, default=1.0
        Weight in the score of the blend.
    """

    detector: str
    parameters: Mapping[str, Any]
    weight: float = 1.0


# Parts with a name of their own. Every method is a part, too.
PARTS: dict[str, Part] = {
    "nearest": Part("knn", {"n_neighbors": 1}),
    # Sees differences all over an image, to which features learned for invariance may be blind.
    "nearest-correlation": Part("knn", {"n_neighbors": 1, "metric": "correlation"}, weight=0.2),
    # Sees brightness and hue, which the others ignore.
    "nearest-colour": Part("knn", {"n_neighbors": 1}, weight=0.5),
    # For photographs. A defect that changes a whole image may leave each patch usual.
    "gaussian-vectors": Part("gaussian", {"backbone": BACKBONE}, weight=0.25),
    # Without pretrained networks, photographs need wider networks and more steps: minutes on a GPU, an hour on a CPU.
    "contrastive-wide": Part("contrastive", {"width": 64, "training__steps": 10_000}),
    "nearest-minmax": Part("knn", {"n_neighbors": 1, "preprocessing__scaling": "minmax"}),
    # For tables.
    "nearest-unlogged": Part("knn", {"n_neighbors": 1, "preprocessing__scaling": "minmax", **_UNLOGGED}),
    "nearest-whitened": Part("knn", {"n_neighbors": 1, "whitening": "local", **_BY_RANK}),
    "density-ratio": Part(
        "knn", {"n_neighbors": 5, "whitening": "local", "score_type": "density_ratio", **_BY_RANK}, weight=0.5
    ),
    "feature-bagging": Part("feature_bagging", {"preprocessing__scaling": "minmax", **_UNLOGGED}, weight=1.5),
    "column-pairs": Part("feature_bagging", {"max_features": (2,), "combination": "tail", **_BY_RANK}, weight=0.5),
    "column-gap": Part("column_gap", _UNLOGGED),
    "column-density": Part("column_density", _UNLOGGED, weight=0.5),
}


# Parts worth searching: those for small images, and those for photographs, which take images of any size.
PARTS_OF_IMAGES: tuple[tuple[str, ...] | dict[str, dict[str, Any]], ...] = (
    ("contrastive",),
    ("contrastive", "nearest"),
    ("contrastive", "nearest-correlation"),
    ("contrastive", "nearest-correlation", "nearest-colour"),
    ("patchcore",),
    {"patchcore": {}, "gaussian-vectors": {"weight": 1.0}},
    {"patchcore": {"memory_size": 8000}, "gaussian-vectors": {}},
    {"patchcore": {"feature_config__image_size": 448}, "gaussian-vectors": {}},
)


def part_named(name: str) -> Part:
    """Return one of `PARTS`, or a method with its default parameters."""
    return PARTS.get(name, Part(name, {}))


def split_weight(name: str, given: Mapping[str, Any]) -> tuple[float, dict[str, Any]]:
    """Return the weight of a part, and its parameters, by what a blend was given for it.

    Parameters
    ----------
    name : str
    given : mapping of str to object
        Parameters, perhaps with a "weight".

    Returns
    -------
    weight : float
    parameters : dict of str to object

    Raises
    ------
    InvalidInputError
        If the weight is not a positive number.

    Examples
    --------
    >>> split_weight("nearest-colour", {"n_neighbors": 3}), split_weight("nearest-colour", {"weight": 2.0})
    ((0.5, {'n_neighbors': 3}), (2.0, {}))
    """
    parameters = dict(given)
    weight = parameters.pop("weight", part_named(name).weight)
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < np.inf:
        raise InvalidInputError(f"The weight of the part '{name}' must be a positive number, got {weight!r}.")
    return float(weight), parameters


def default(shape: tuple[int, ...]) -> dict[str, Any]:
    """Return the default values for rows (d,) or images (c, h, w)."""
    if len(shape) == 1:
        return {
            "parts": (
                "nearest-whitened",
                "nearest-unlogged",
                "density-ratio",
                "feature-bagging",
                "column-pairs",
                "column-gap",
                "column-density",
            ),
            "combination": "root_mean_square",
            "tails": "leave_one_out",
            "max_samples": _MAX_SAMPLES,
        }
    if shape[1] * shape[2] > SMALL_SIDE**2 and is_installed(BACKBONE):
        return photographs(shape)
    if min(shape[1:]) < _TINY_SIDE:
        return {"parts": ("contrastive", "nearest")}
    return {"parts": ("contrastive", "nearest-correlation", *(("nearest-colour",) if shape[0] > 1 else ()))}


def nearest(shape: tuple[int, ...]) -> dict[str, Any]:
    """Return the values of the recipe "nearest" for rows (d,), and the default ones for images."""
    return {"parts": ("nearest", "nearest-minmax")} if len(shape) == 1 else default(shape)


def photographs(shape: tuple[int, ...]) -> dict[str, Any]:
    """Return the values of the recipe "photographs" for images (c, h, w), and the default ones for rows."""
    return default(shape) if len(shape) == 1 else {"parts": ("patchcore", "gaussian-vectors")}


# -- combination -------------------------------------------------------------------------------------------------------


def combine(tails: Mapping[str, Floats], weights: Mapping[str, float], combination: Combination) -> dict[str, Floats]:
    """Combine negative log tail probabilities to terms, which add up to their weighted mean or root mean square.

    Parameters
    ----------
    tails : mapping of str to ndarray of shape (n,)
        By name of the part.
    weights : mapping of str to float
    combination : {"mean", "root_mean_square"}
        In a root mean square, one part that is sure outweighs several that are not.

    Returns
    -------
    dict of str to ndarray of shape (n,)

    Examples
    --------
    >>> t = {"a": np.array([3.0]), "b": np.array([4.0])}
    >>> combine(t, {"a": 1.0, "b": 1.0}, "mean")
    {'a': array([1.5]), 'b': array([2.])}
    >>> terms = combine(t, {"a": 1.0, "b": 1.0}, "root_mean_square")
    >>> round(float((terms["a"] + terms["b"])[0] ** 2), 6)
    12.5
    """
    total = sum(weights.values())
    if combination == "mean":
        return {name: weights[name] / total * values for name, values in tails.items()}
    squares = {name: weights[name] / total * values**2 for name, values in tails.items()}
    score = np.sqrt(np.asarray(sum(squares.values())))
    return {name: np.divide(s, score, out=np.zeros_like(s), where=score > 0) for name, s in squares.items()}
