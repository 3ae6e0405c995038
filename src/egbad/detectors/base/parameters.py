"""Parameters of a detector, with groups such as `TrainingConfig` nested as scikit-learn nests estimators, and settings."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import clone
from torch import nn

from egbad.backbones import load_backbone
from egbad.detectors.base.settings import PreprocessingSettings, Recipe, recipe_values, resolve_settings
from egbad.errors import InvalidInputError
from egbad.preprocessing.config import Preprocessing
from egbad.preprocessing.settings_group import validated
from egbad.preprocessing.sklearn_base import BaseEstimator
from egbad.scoring.calibration import check_rate

_SOME_SHAPE = (8,)  # of an encoded row; limits of parameters do not depend on the shape


class ParameterMixin(BaseEstimator):
    """`get_params` and `set_params` with nested groups, parameters as JSON, and the settings that they resolve to.

    A group may be None; its parameters are None then, and setting one of them creates the group.
    """

    recipe: str
    alpha: float
    calibration_fraction: float
    n_exemplars: int
    _own_threshold: float | None
    recipes: ClassVar[Mapping[str, Recipe]]
    settings_type: ClassVar[type[Any]]
    parameter_groups: ClassVar[Mapping[str, type[Any]]] = {"preprocessing": Preprocessing}
    # Values of every recipe but "default": the papers neither transform nor clip columns.
    published_values: ClassVar[Mapping[str, Any]] = {"preprocessing": {"log_columns": (), "clip": 0.0}}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name.

        Parameters
        ----------
        deep : bool, default=True
            Include the parameters of groups, such as ``training__learning_rate``.

        Returns
        -------
        dict of str to object
        """
        parameters: dict[str, Any] = super().get_params(deep=False)
        if deep:
            for name, kind in self.parameter_groups.items():
                group = kind() if parameters[name] is None else parameters[name]
                if isinstance(group, kind):  # `fit` reports a value of another type
                    parameters |= {f"{name}__{key}": value for key, value in group.get_params().items()}
        return parameters

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name; ``training__steps=100`` sets one parameter of a group.

        `alpha` moves the threshold of a fitted detector, all others wait for the next `fit`.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If there is no parameter of that name.
        """
        for name, kind in self.parameter_groups.items():
            if name not in params and any(key.startswith(f"{name}__") for key in params):
                group = getattr(self, name)
                setattr(self, name, kind() if group is None else clone(group))  # others may hold the same object
        super().set_params(**params)
        if "alpha" in params:
            self._own_threshold = None
        return self

    def given_parameters(self, names: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters among `names` that are not None, nested by group.

        Raises
        ------
        InvalidInputError
            If a group is of another type.
        """
        given: dict[str, Any] = {}
        for name in names:
            value = getattr(self, name, None)
            if name in self.parameter_groups and value is not None:
                kind = self.parameter_groups[name]
                if not isinstance(value, kind):
                    raise InvalidInputError(f"{name} must be a {kind.__name__} or None, got {value!r}.")
                value = {k: v for k, v in value.get_params(deep=False).items() if v is not None}
            if value is not None:
                given[name] = value
        return given

    def settings_for(self, shape: tuple[int, ...]) -> Any:
        """Return the settings that recipe and parameters resolve to.

        Parameters
        ----------
        shape : tuple of int
            Shape of an encoded row (d,) or image (c, h, w).

        Returns
        -------
        Settings

        Raises
        ------
        InvalidInputError
            If a parameter is out of its range.
        """
        values = self._recipe_values(shape)
        return resolve_settings(self.settings_type, values, self.given_parameters(self.settings_type.model_fields))

    def check_parameters(self) -> None:
        """Check the parameters as far as that is possible without data.

        Raises
        ------
        InvalidInputError
            If a parameter is out of its range.
        """
        check_rate("alpha", self.alpha)
        check_rate("calibration_fraction", self.calibration_fraction)
        if self.n_exemplars < 0:
            raise InvalidInputError(f"n_exemplars must be at least 0, got {self.n_exemplars}.")
        if (members := getattr(self, "members", 1)) < 1:
            raise InvalidInputError(f"members must be at least 1, got {members}.")
        self.settings_for(_SOME_SHAPE)

    def preprocessing_settings_for(self, shape: tuple[int, ...]) -> PreprocessingSettings:
        """Return the settings that the encoder needs for rows or images of a shape; their size does not matter."""
        values = self._recipe_values(shape).get("preprocessing", {})
        given = self.given_parameters({"preprocessing": None}).get("preprocessing", {})
        return validated(PreprocessingSettings, {**values, **given})

    def _recipe_values(self, shape: tuple[int, ...]) -> dict[str, Any]:
        """Return the values of the recipe for rows or images of a shape, nested by group."""
        return recipe_values(self.recipes, self.recipe, shape, self.published_values)

    def json_parameters(self) -> dict[str, Any]:
        """Return the parameters as JSON stores them."""
        parameters = self.get_params(deep=False)
        if not isinstance(parameters["random_state"], int | np.integer | None):
            parameters["random_state"] = None  # a generator's state is no parameter; `seed_` holds the seed it gave
        return {name: to_jsonable(value) for name, value in parameters.items()}

    @classmethod
    def from_json_parameters(cls, parameters: Mapping[str, Any]) -> Self:
        """Return a new detector with the parameters that `json_parameters` returned."""
        groups = {
            name: kind(**parameters[name])
            for name, kind in cls.parameter_groups.items()
            if parameters.get(name) is not None
        }
        return cls(**{**parameters, **groups})


def to_jsonable(value: Any) -> Any:
    """Return a parameter as JSON gives it back."""
    if isinstance(value, BaseEstimator):
        return {name: to_jsonable(v) for name, v in value.get_params(deep=False).items() if v is not None}
    if isinstance(value, nn.Module):
        return load_backbone(value).label
    if callable(value):
        return _importable_name(value)
    if isinstance(value, Mapping):
        return {name: to_jsonable(v) for name, v in _with_groups_expanded(value).items()}
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return [to_jsonable(v) for v in value] if isinstance(value, tuple | list) else value


def _importable_name(function: Any) -> str:
    """Return module and name of a function, or of the class of an object that can be called."""
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{named.__module__}.{named.__qualname__}"


def _with_groups_expanded(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Replace groups by their parameters, ``training=TrainingConfig(steps=5)`` by ``training__steps=5``."""
    expanded: dict[str, Any] = {}
    for name, value in parameters.items():
        if isinstance(value, BaseEstimator):
            expanded |= {f"{name}__{key}": v for key, v in to_jsonable(value).items()}
        else:
            expanded[name] = value
    return expanded
