"""Immutable, validated groups of values that parameters resolve to."""

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from egbad.errors import InvalidInputError


class SettingsGroup(BaseModel):
    """Immutable, validated values."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


V = TypeVar("V", bound=SettingsGroup)


def validated(kind: type[V], values: Mapping[str, Any]) -> V:
    """Return `values` as a model of the given kind.

    Raises
    ------
    InvalidInputError
        If a value is out of its range, in one sentence.
    """
    try:
        return kind.model_validate(_without_numpy(values))
    except ValidationError as error:
        raise InvalidInputError(_sentence(error)) from error


def _without_numpy(values: Mapping[str, Any]) -> dict[str, Any]:
    """Replace NumPy scalars by Python numbers."""
    return {
        name: _without_numpy(value)
        if isinstance(value, Mapping)
        else value.item()
        if isinstance(value, np.generic)
        else value
        for name, value in values.items()
    }


def _sentence(error: ValidationError) -> str:
    """Describe the first error that pydantic found."""
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    message = str(first["ctx"]["error"]) if first["type"] == "value_error" else first["msg"]
    return f"{name}: {message[0].lower()}{message[1:]}, got {first['input']!r}."
