"""The work of `egbad config`."""

import json
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer

from egbad import loading
from egbad.cli import fit
from egbad.detectors import registry
from egbad.errors import InvalidInputError
from egbad.export.onnx_scorer import OnnxScorer

_OWN_OPTIONS = ("alpha", "random_state", "verbose")  # parameters of detectors that have options, or none, in a file
_LEFT_OUT = ("config", "help", "as_json", "settings")
_WIDTH = 98  # of comments


def print_config(model: Path | None, detector: str) -> None:
    """Print the options of 'egbad fit' as TOML.

    Parameters
    ----------
    model : Path or None
        Model file whose parameters are printed. None prints all options with their defaults, as comments.
    detector : str
        Detector whose parameters are listed without a model.

    Raises
    ------
    InvalidInputError
        If the model is an exported graph, or the detector does not exist.
    """
    lines = _template(detector) if model is None else _options_of(model)
    sys.stdout.write("\n".join(lines) + "\n")


# -- of a model --------------------------------------------------------------------------------------------------------


def _options_of(path: Path) -> Iterator[str]:
    """Yield the options that fit such a model again."""
    scorer = loading.load(path)
    if isinstance(scorer, OnnxScorer):
        raise InvalidInputError(
            f"'{path}' is an exported graph, which has no options. Name the model it was made from."
        )
    found = scorer.describe()
    name, parameters = found["detector"], found["parameters"]
    options: dict[str, Any] = {"detector": name, "alpha": parameters["alpha"], "seed": found["seed"]}
    if found["normal_label"] is not None:
        options["normal"] = found["normal_label"]
    if name == "tiled":
        options |= {"detector": parameters["detector"], "tile": parameters["tile_size"]}
        parameters = {name.replace("__", "."): value for name, value in (parameters["detector_params"] or {}).items()}
    defaults = registry.create(options["detector"]).json_parameters()
    own = {key: value for key, value in parameters.items() if key not in _OWN_OPTIONS}
    own = {key: value for key, value in own.items() if value is not None and value != defaults.get(key)}
    yield "# egbad fit --config FILE DATA --out MODEL"
    yield from (f"{key} = {_toml(value)}" for key, value in options.items())
    if own:
        yield from ("", "[set]", *(f"{_key(key)} = {_toml(value)}" for key, value in own.items()))


def _key(name: str) -> str:
    """Return a key of TOML."""
    return json.dumps(name) if "." in name else name


def _toml(value: Any) -> str:
    """Return a value of JSON as TOML: an inline table for an object, whose entries without a value are left out."""
    if isinstance(value, Mapping):
        entries = (f"{_key(name)} = {_toml(item)}" for name, item in value.items() if item is not None)
        return "{" + ", ".join(entries) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)  # strings, numbers and booleans are the same in both


# -- all options -------------------------------------------------------------------------------------------------------


def _template(detector: str) -> Iterator[str]:
    """Yield all options as comments with their help and defaults."""
    yield "# Options of 'egbad fit'. Remove the '#' before those that you set."
    for parameter in typer.main.get_command(fit.app).params:
        if parameter.name in _LEFT_OUT or str(parameter.name).endswith("_completion"):
            continue
        name = max(parameter.opts, key=len).lstrip("-")
        yield ""
        yield from (f"# {line}" for line in textwrap.wrap(str(getattr(parameter, "help", "") or ""), _WIDTH))
        yield f"# {name} = {_example(parameter)}"
    yield ""
    yield f"# Parameters of the detector '{detector}', and groups of them."
    yield "# [set]"
    for name, value in registry.create(detector).json_parameters().items():
        if name not in _OWN_OPTIONS:
            yield f"# {name} = {_toml(value if value is not None else '')}"


def _example(parameter: Any) -> str:
    """Return the default of an option, or the word that stands for its value in the help."""
    default = parameter.default
    if default is None or isinstance(default, list | tuple) or not isinstance(default, str | int | float):
        return "false" if getattr(parameter, "is_flag", False) else f"<{parameter.metavar or 'VALUE'}>"
    return _toml(default)
