"""Detectors from the command line: a name, options and `--set NAME=VALUE` settings."""

import inspect
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from types import NoneType
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from egbad.detectors import registry
from egbad.detectors.base import Detector
from egbad.detectors.tiled import Tiled
from egbad.errors import InvalidInputError

# Parameters that both `Tiled` and the detector of the tiles have, and that apply to the latter.
_TILE_PARAMETERS = {"recipe", "preprocessing"}
_TYPE_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "text", NoneType: "null"}


def parse_settings(pairs: Sequence[str]) -> dict[str, str]:
    """Split settings into names and texts.

    >>> parse_settings(["training.steps=50", "recipe=paper"])
    {'training.steps': '50', 'recipe': 'paper'}
    """
    settings: dict[str, str] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name.strip():
            raise InvalidInputError(f"A setting must have the form NAME=VALUE, got '{pair}'.")
        settings[name.strip()] = text.strip()
    return settings


def create_detector(
    name: str,
    settings: Sequence[str] | None = None,
    options: Mapping[str, Any] | None = None,
    tile_size: int | None = None,
) -> Detector[Any]:
    """Create a detector.

    Parameters
    ----------
    name : str
        Name of the detector; "auto" is the blend that suits the input.
    settings : sequence of str, optional
        Parameters as NAME=VALUE, for example ``"training.learning_rate=1e-3"``.
    options : mapping of str to object, optional
        Parameters of other command line options. They override settings; None leaves the default.
    tile_size : int, optional
        Side of tiles in pixels. If given, the detector learns images at their full size by such tiles.

    Returns
    -------
    Detector

    Raises
    ------
    InvalidInputError
        For a detector or a parameter that does not exist, or a value of the wrong type or out of its range.
    """
    detector = _create_detector(name, settings, options, tile_size)
    detector.check_parameters()
    return detector


def _create_detector(
    name: str, settings: Sequence[str] | None, options: Mapping[str, Any] | None, tile_size: int | None
) -> Detector[Any]:
    """Create a detector whose parameters exist and have the right types."""
    detector = registry.create(name)
    given: dict[str, Any] = {**parse_settings(settings or ())}
    given |= {option: _Value(value) for option, value in (options or {}).items() if value is not None}
    if tile_size is None:
        return detector.set_params(**_parameters(detector, given))
    tiled = Tiled(detector=detector.name, tile_size=tile_size)
    own_names = set(tiled.get_params(deep=False)) - _TILE_PARAMETERS
    own = {parameter: value for parameter, value in given.items() if parameter.split(".")[0] in own_names}
    of_tiles = {parameter: value for parameter, value in given.items() if parameter not in own}
    tile_params = _parameters(detector, of_tiles)
    return tiled.set_params(detector_params=tile_params or None, **_parameters(tiled, own))


def parse_parameters(name: str, settings: Sequence[str] | None) -> dict[str, Any]:
    """Parse settings of a detector.

    Parameters
    ----------
    name : str
        Name of the detector.
    settings : sequence of str or None
        Parameters as NAME=VALUE.

    Returns
    -------
    dict of str to object
        Parameters as `set_params` takes them.

    Examples
    --------
    >>> parse_parameters("egbad", ["training.steps=50", "recipe=paper"])
    {'training__steps': 50, 'recipe': 'paper'}
    """
    return _parameters(registry.create(name), parse_settings(settings or ()))


@dataclass(frozen=True)
class _Value:
    """A value that has its type already, unlike a text from the command line."""

    value: Any


def _parameters(detector: Detector[Any], given: Mapping[str, str | _Value]) -> dict[str, Any]:
    """Check that parameters exist, and convert texts to values of the parameters' types."""
    types = _parameter_types(detector)
    parameters: dict[str, Any] = {}
    for name, value in given.items():
        if name not in types:
            in_groups = [known for known in types if known.endswith(f".{name}")]  # steps -> training.steps
            matches = in_groups or get_close_matches(name, types, n=1)
            hint = f"Did you mean '{matches[0]}'?" if matches else f"Parameters are: {', '.join(sorted(types))}."
            raise InvalidInputError(f"The detector '{detector.name}' has no parameter '{name}'. {hint}")
        key = name.replace(".", "__")
        parameters[key] = value.value if isinstance(value, _Value) else _parse_value(name, value, types[name])
    return parameters


def _parameter_types(detector: Detector[Any]) -> dict[str, Any]:
    """Return the type hints of all parameters, those of groups under dotted names."""
    types = _type_hints(type(detector))
    for group, kind in detector.parameter_groups.items():
        del types[group]
        types |= {f"{group}.{name}": hint for name, hint in _type_hints(kind).items()}
    return types


def _type_hints(owner: type[Any]) -> dict[str, Any]:
    return {
        name: parameter.annotation for name, parameter in inspect.signature(owner, eval_str=True).parameters.items()
    }


def _parse_value(name: str, text: str, hint: Any) -> Any:
    """Convert a text to a type: as JSON if that gives the type, as plain text if the type allows it.

    >>> _parse_value("training.learning_rate", "1e-3", float | None)
    0.001
    """
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    adapter: TypeAdapter[Any] = TypeAdapter(hint)
    for candidate in (value, text):
        try:
            return adapter.validate_json(json.dumps(candidate), strict=True)
        except ValidationError:
            continue
    raise InvalidInputError(f"{name} must be {_describe_type(hint)}, got {json.dumps(value)}.")


def _describe_type(hint: Any) -> str:
    """Describe a type hint.

    >>> _describe_type(int | None)
    'a whole number or null'
    """
    options = get_args(hint) if NoneType in get_args(hint) else (hint,)
    return " or ".join(dict.fromkeys(_TYPE_NAMES.get(option, "a list or an object") for option in options))
