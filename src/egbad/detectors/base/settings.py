"""Settings of a detector: the values of a recipe, overridden by the user's parameters and validated."""

from collections.abc import Callable, Mapping
from math import ceil
from typing import Any, Literal, TypeVar

from pydantic import Field

from egbad.errors import InvalidInputError, unknown
from egbad.nn.precision import Precision
from egbad.preprocessing.settings_group import SettingsGroup, validated
from egbad.training.players import Schedule

# Maps the shape of an encoded row (d,) or image (c, h, w) to the values of a recipe. Groups of settings are nested dicts.
Recipe = Callable[[tuple[int, ...]], dict[str, Any]]


class PreprocessingSettings(SettingsGroup):
    """Values of `egbad.preprocessing.Preprocessing`."""

    scaling: Literal["standard", "robust", "minmax", "rank_normal", "none"] = "standard"
    log_columns: tuple[str | int, ...] | None = None  # None: chosen by the encoder
    clip: float = Field(default=8.0, ge=0)
    drop_duplicates: bool = False
    range_guard: bool = False
    trim_fraction: float = Field(default=0.0, ge=0, lt=0.5)


class TrainingSettings(SettingsGroup):
    """Values of `egbad.training.TrainingConfig`."""

    learning_rate: float = Field(gt=0)
    learning_rate_decay: bool = True
    beta1: float = Field(default=0.5, ge=0, lt=1)
    batch_size: int = Field(ge=1)
    steps: int | None = Field(default=None, ge=0)
    epochs: float | None = Field(default=None, gt=0)
    ema_decay: float = Field(default=0.999, ge=0, lt=1)
    ema_warmup: bool = True
    health_interventions: bool = True
    precision: Precision = "float32"

    def schedule(self, n: int) -> Schedule:
        """Return the schedule for `n` training rows."""
        size = min(self.batch_size, n)
        return Schedule(
            steps=self.steps if self.steps is not None else ceil((self.epochs or 0) * n / size),
            batch_size=size,
            learning_rate=self.learning_rate,
            beta1=self.beta1,
            decay_from=0.5 if self.learning_rate_decay else 1.0,
            ema_decay=self.ema_decay,
            ema_warmup=self.ema_warmup,
            health_interventions=self.health_interventions,
        )


class EarlyStoppingSettings(SettingsGroup):
    """Values of `egbad.training.EarlyStopping`."""

    criterion: Literal["validation", "none"] = "none"
    fraction: float = Field(default=0.1, gt=0, lt=1)
    patience: int | None = Field(default=None, ge=1)
    min_gain: float = Field(default=0.0, ge=0, lt=1)
    interval: int | None = Field(default=None, ge=1)


class Settings(SettingsGroup):
    """Settings of a detector."""

    preprocessing: PreprocessingSettings = PreprocessingSettings()


class TorchSettings(Settings):
    """Settings of a detector whose networks are trained in steps."""

    training: TrainingSettings
    early_stopping: EarlyStoppingSettings = EarlyStoppingSettings()


S = TypeVar("S", bound=Settings)
T = TypeVar("T", bound=TorchSettings)


def merge_settings(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Merge nested values; later layers override earlier ones, group by group.

    The length of training is given by "steps" or "epochs": a later one of them replaces an earlier other.

    Examples
    --------
    >>> merge_settings({"width": 8, "training": {"steps": 5, "batch_size": 2}}, {"training": {"epochs": 9}})
    {'width': 8, 'training': {'batch_size': 2, 'epochs': 9}}
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        if len(length := layer.keys() & {"steps", "epochs"}) == 1:
            merged.pop(({"steps", "epochs"} - length).pop(), None)
        for name, value in layer.items():
            is_group = isinstance(value, Mapping) and isinstance(merged.get(name), Mapping)
            merged[name] = merge_settings(merged[name], value) if is_group else value
    return merged


def recipe_values(
    recipes: Mapping[str, Recipe], name: str, shape: tuple[int, ...], common: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the values of a recipe for encoded input of `shape`, over the values `common` to all but "default".

    Raises
    ------
    InvalidInputError
        If there is no such recipe.
    """
    if name not in recipes:
        raise unknown("recipe", name, tuple(recipes))
    return merge_settings({} if name == "default" else common, recipes[name](shape))


def resolve_settings(kind: type[S], values: Mapping[str, Any], given: Mapping[str, Any]) -> S:
    """Validate the values of a recipe, overridden by the parameters that are `given`.

    Parameters
    ----------
    kind : type of Settings
    values : mapping
        Values of a recipe, nested by group.
    given : mapping
        Parameters that are not None, nested by group.

    Raises
    ------
    InvalidInputError
        If a value is out of its range, in one sentence.
    """
    training = given.get("training", {})
    if {"steps", "epochs"} <= training.keys():
        raise InvalidInputError(f"Give steps or epochs, not both, got {training['steps']} and {training['epochs']}.")
    return validated(kind, merge_settings(values, given))
