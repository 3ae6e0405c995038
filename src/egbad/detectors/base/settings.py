"""What a detector's parameters come to: a recipe's values, and the user's in their place, checked once."""

from collections.abc import Callable, Mapping
from math import ceil
from typing import Any, Literal, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from egbad.errors import InvalidInputError, unknown
from egbad.training.players import Schedule

# What a recipe says for encoded rows (d,) or images (c, h, w).
Recipe = Callable[[tuple[int, ...]], dict[str, Any]]


class Settings(BaseModel):
    """Every value decided. A detector's docstring says what each means."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    scaling: Literal["standard", "robust", "minmax", "none"] = "standard"
    distinct: bool = False
    guard: bool = False


class TrainingSettings(Settings):
    """Settings of a method whose networks are trained in steps."""

    learning_rate: float = Field(gt=0)
    learning_rate_decay: bool = True
    beta1: float = Field(default=0.5, ge=0, lt=1)
    batch_size: int = Field(ge=1)
    steps: int | None = Field(default=None, ge=0)
    epochs: float | None = Field(default=None, gt=0)
    average: float = Field(default=0.999, ge=0, lt=1)
    average_warmup: bool = True
    keep: Literal["last", "best"] = "last"
    validation_fraction: float = Field(default=0.1, gt=0, lt=1)
    look_every: int | None = Field(default=None, ge=1)
    patience: int | None = Field(default=None, ge=1)
    least_gain: float = Field(default=0.0, ge=0, lt=1)

    def schedule(self, n: int) -> Schedule:
        """How to train on n rows."""
        size = min(self.batch_size, n)
        return Schedule(
            steps=self.steps if self.steps is not None else ceil((self.epochs or 0) * n / size),
            batch_size=size,
            learning_rate=self.learning_rate,
            beta1=self.beta1,
            decay_from=0.5 if self.learning_rate_decay else 1.0,
            average=self.average,
            average_warmup=self.average_warmup,
        )


S = TypeVar("S", bound=Settings)
T = TypeVar("T", bound=TrainingSettings)


def decide(kind: type[S], recipes: Mapping[str, Recipe], name: str, shape: tuple[int, ...], given: dict[str, Any]) -> S:
    """The settings that recipe `name` gives for encoded input of `shape`, with what is `given`, not None, in its place.

    Raises
    ------
    InvalidInputError
        For an unknown recipe or a value out of its range, in one sentence.
    """
    if name not in recipes:
        raise unknown("recipe", name, tuple(recipes))
    given = {k: v.item() if isinstance(v, np.generic) else v for k, v in given.items() if v is not None}
    values = recipes[name](shape)
    if "steps" in given or "epochs" in given:
        if "steps" in given and "epochs" in given:
            raise InvalidInputError(f"Give steps or epochs, not both, got {given['steps']} and {given['epochs']}.")
        values = {k: v for k, v in values.items() if k not in ("steps", "epochs")}
    try:
        return kind.model_validate(values | given)
    except ValidationError as error:
        raise InvalidInputError(_sentence(error)) from error


def _sentence(error: ValidationError) -> str:
    """What pydantic found, or a check of ours, in one sentence."""
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    said = str(first["ctx"]["error"]) if first["type"] == "value_error" else first["msg"]
    return f"{name}: {said[0].lower()}{said[1:]}, got {first['input']!r}."
